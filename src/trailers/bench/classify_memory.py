"""The peak memory of training, ours and the plain way, each in a separate process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

from trailers.bench import harness
from trailers.bench.plain_classify import BATCH, MemoryDataset, PlainTransformer, recipe
from trailers.classifier.products import fastest_products
from trailers.classifier.snippets import Examples
from trailers.classifier.training import Training
from trailers.domain import GENRES
from trailers.machine.memory import keep_freed_memory

TRAILERS, CLIPS = 256, 100  # few, so that the vectors, which both keep in memory, do not dominate


def peak_apart_mb(way: Callable[[int, int], Callable[[], float]], features: int) -> float:
    apart = harness.Apart(way, features, torch.get_num_threads())
    try:
        return float(apart().result)
    finally:
        apart.close()


def held_in_memory(features: int) -> Examples:
    random = np.random.default_rng(0)
    table = random.standard_normal((TRAILERS * CLIPS, features), np.float32)
    labels = (random.random((TRAILERS, len(GENRES))) < 0.25).astype(np.float32)
    return Examples((table,), (np.arange(TRAILERS) * CLIPS,), np.full(TRAILERS, CLIPS), labels)


def peak_of_ours(features: int, threads: int) -> Callable[[], float]:
    torch.set_num_threads(threads)
    examples = held_in_memory(features)

    def run() -> float:
        keep_freed_memory()
        training = Training(recipe(), examples.features, len(GENRES), torch.device("cpu"))
        with fastest_products():
            training.learn(examples, np.random.default_rng(0))
        return peak_mb()

    return run


def peak_of_memory(features: int, threads: int) -> Callable[[], float]:
    torch.set_num_threads(threads)
    trailers = MemoryDataset(held_in_memory(features))

    def run() -> float:
        network = PlainTransformer(features, len(GENRES))
        optimiser = torch.optim.AdamW(network.parameters(), 1e-4, weight_decay=0.01, amsgrad=True)
        for batch, labels in DataLoader(trailers, BATCH, shuffle=True):
            optimiser.zero_grad()
            F.binary_cross_entropy_with_logits(network(batch), labels).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        return peak_mb()

    return run


def peak_mb() -> float:
    # Not getrusage, because a child inherits its maximum from the process that started it.
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) / 1024
