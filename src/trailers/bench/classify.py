"""Training and testing the transformer on a set of the real size, compared with a plain loop.

ours     batches gathered from the memory-mapped pack, our network, fused AdamW
plain    as in the authors' code: a Dataset that opens one file per item, a DataLoader with workers, separate products
         for queries, keys and values, batch norm over a transposed batch, AdamW one tensor at a time; also tested
         trailer by trailer
memory   the plain network and optimiser on arrays in memory, with a DataLoader without and with workers
network  our network alone, on one prepared batch; network, plain: the plain network

All in float32, in trailers per second. The set (12,000 trailers of 30 to 300 clips, F = 768, 5 GB) is made in --folder
if it does not exist, with as many files for the plain way as it reads.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from trailers.bench import harness
from trailers.bench.classify_memory import peak_apart_mb, peak_of_memory, peak_of_ours
from trailers.bench.plain_classify import (
    BATCH,
    SNIPPET,
    MemoryDataset,
    PlainDataset,
    PlainTrailers,
    PlainTransformer,
    recipe,
)
from trailers.classifier.products import fastest_products
from trailers.classifier.snippets import Examples, select
from trailers.classifier.training import Training, predict
from trailers.domain import GENRES
from trailers.machine.memory import keep_freed_memory
from trailers.store.manifest import read_manifest
from trailers.store.pack import Pack, check_finite, open_pack

CPU = torch.device("cpu")

# The sums of F in the rows of Table 6, from which their time is estimated relative to F = 768.
TABLE_6 = (2048, 1024, 1024, 2048, 2048, 512, 2560, 768, 768)
SPLITS, EPOCHS, TRAIN, VALIDATION = 3, 100, 8400, 1200


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--folder", type=Path, default=Path("results/bench/classify"), help="folder of the set, which is reused"
    )
    parser.add_argument("--manifest", type=Path, help="manifest with real labels and splits (random ones)")
    parser.add_argument("--trailers", type=int, default=12_000, help="trailers of the set without --manifest (12000)")
    parser.add_argument("--features", type=int, default=768, help="F (768)")
    parser.add_argument("--sample", type=int, default=2048, help="trailers to train on per way and round (2048)")
    parser.add_argument("--tested", type=int, default=512, help="trailers to test per way and round (512)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each way (5)")
    parser.add_argument("--workers", type=int, default=2, help="workers of the plain way's DataLoader (2)")
    parser.add_argument("--threads", type=int, default=None, help="threads of torch (all cores)")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    pack = make_set(arguments)
    examples = examples_of(pack, arguments)
    files = make_files(pack, min(arguments.sample, len(examples)), arguments.folder / "files")
    check_finite(pack)  # as in the stage; it also brings the set into the page cache, for all ways
    ways = Ways(examples, files, arguments)
    timings = harness.alternate(ways.all(), rounds=arguments.rounds)
    count = {name: ways.trailers(name) for name in timings}
    rate = {name: [count[name] / wall for wall in timing.wall_s] for name, timing in timings.items()}
    figures: dict[str, dict[str, Any]] = {
        name: {
            "trailers_per_second": statistics.median(rate[name]),
            "cpu_ms_per_trailer": 1000 * timing.median_cpu_s / count[name],
        }
        for name, timing in timings.items()
    }
    whole_s = estimate_s(figures, arguments.features)
    figures["Table 6, whole"] = {"estimated_minutes": whole_s / 60}
    figures["memory"] = {"anonymous_mb": anonymous_mb()}
    print(f"Table 6 (9 rows x 3 splits x up to 100 epochs) would take about {whole_s / 3600:.1f} hours on this machine")
    for name, way in {"train, ours": peak_of_ours, "train, memory": peak_of_memory}.items():
        figures[name]["peak_mb"] = peak_apart_mb(way, arguments.features)
    pairs = {
        "train_to_plain": ("train, ours", "train, plain"),
        "train_to_memory": ("train, ours", "train, memory"),
        "train_to_memory_workers": ("train, ours", "train, memory, workers"),
        "train_to_network": ("train, ours", "network"),
        "network_to_plain": ("network", "network, plain"),
        "test_to_plain": ("test, ours", "test, plain"),
        "test_to_network": ("test, ours", "network, forward"),
    }
    return {"figures": figures, "ratios": {name: harness.ratio(rate[a], rate[b]) for name, (a, b) in pairs.items()}}


def make_set(arguments: argparse.Namespace) -> Pack:
    """The pack, which `trailers synthetic` makes if it does not exist."""
    from trailers.__main__ import main

    path = arguments.folder / "shot24" / "synthetic.h5"
    if not path.exists():
        words = ["synthetic", "--output", str(arguments.folder), "--packs", f"shot24/synthetic:{arguments.features}"]
        trailers = (
            ["--manifest", str(arguments.manifest)] if arguments.manifest else ["--trailers", str(arguments.trailers)]
        )
        if main([*words, *trailers]):
            raise SystemExit(1)
    return open_pack(path)


def examples_of(pack: Pack, arguments: argparse.Namespace) -> Examples:
    genres = {trailer.trailer: trailer.genres for trailer in read_manifest(arguments.folder / "manifest.csv")}
    labels = np.array([[genre in genres[name] for genre in GENRES] for name in pack.trailers], np.float32)
    return Examples((pack.vectors,), (pack.offsets[:-1],), np.diff(pack.offsets), labels)


def make_files(pack: Pack, count: int, folder: Path) -> list[Path]:
    """One file per trailer, for the plain way."""
    folder.mkdir(parents=True, exist_ok=True)
    # Spread over the whole set, so that no way reads adjacent trailers.
    chosen = np.linspace(0, len(pack.trailers) - 1, count).astype(int)
    paths = [folder / f"{pack.trailers[number]}.h5" for number in chosen]
    for number, path in zip(chosen, paths, strict=True):
        if not path.exists():
            with h5py.File(path, "w") as file:
                file.create_dataset("vectors", data=pack.clips_of(number))
    return paths


class Ways:
    """The ways that are measured; each runs one round."""

    def __init__(self, examples: Examples, files: list[Path], arguments: argparse.Namespace) -> None:
        chosen = np.linspace(0, len(examples) - 1, len(files)).astype(int)
        self.examples = select(examples, chosen)
        self.tested = select(self.examples, np.arange(min(arguments.tested, len(files))))
        self.files, self.workers = files, arguments.workers
        self.memory = MemoryDataset(self.examples)
        features = examples.features[0]
        self.training = Training(recipe(), examples.features, len(GENRES), CPU)
        self.plain = PlainTransformer(features, len(GENRES))
        self.optimiser = torch.optim.AdamW(
            self.plain.parameters(), 1e-4, weight_decay=0.01, amsgrad=True, foreach=False, fused=False
        )
        self.batch = torch.randn(BATCH, SNIPPET, features)
        self.labels = (torch.rand(BATCH, len(GENRES)) < 0.25).float()
        self.steps = max(1, len(files) // BATCH)

    def all(self) -> dict[str, Callable[[], Any]]:
        return {
            "train, ours": fast(self.train_ours),
            "train, memory": lambda: self.train_memory(0),
            "train, memory, workers": lambda: self.train_memory(self.workers),
            "train, plain": self.train_plain,
            "network": fast(self.network_ours),
            "network, plain": self.network_plain,
            "test, ours": fast(lambda: predict(self.training.network, self.tested, recipe(), CPU)),
            "test, plain": self.test_plain,
            "network, forward": fast(self.forward_ours),
        }

    def trailers(self, name: str) -> float:
        """The number of trailers in one round of a way."""
        if name == "network, forward":
            # The number of snippets, converted to trailers with the tested set's mean number of snippets.
            return self.steps * BATCH / float(np.ceil(self.tested.lengths / SNIPPET).mean())
        if name.startswith("test"):
            return len(self.tested)
        return self.steps * BATCH if name.startswith("network") else len(self.examples)

    def train_ours(self) -> None:
        self.training.learn(self.examples, np.random.default_rng(0))

    def train_plain(self) -> None:
        self.steps_plain(PlainDataset(self.files, self.examples.labels), self.workers)

    def train_memory(self, workers: int) -> None:
        self.steps_plain(self.memory, workers)

    def steps_plain(self, trailers: Dataset[tuple[Tensor, Tensor]], workers: int) -> None:
        for batch, labels in DataLoader(trailers, BATCH, shuffle=True, num_workers=workers):
            self.step_plain(batch, labels)

    def step_plain(self, batch: Tensor, labels: Tensor) -> None:
        self.plain.train()
        self.optimiser.zero_grad()
        F.binary_cross_entropy_with_logits(self.plain(batch), labels).backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()

    def network_ours(self) -> None:
        self.training.network.train()
        for _ in range(self.steps):
            self.training.optimiser.zero_grad(set_to_none=True)
            loss = F.binary_cross_entropy_with_logits(self.training.network([self.batch]), self.labels)
            loss.backward()  # type: ignore[no-untyped-call]
            self.training.optimiser.step()

    def forward_ours(self) -> None:
        self.training.network.eval()
        with torch.inference_mode():
            for _ in range(self.steps):
                self.training.network([self.batch])

    def network_plain(self) -> None:
        for _ in range(self.steps):
            self.step_plain(self.batch, self.labels)

    def test_plain(self) -> None:
        self.plain.eval()
        files = PlainTrailers(self.files[: len(self.tested)])
        with torch.no_grad():
            for snippets in DataLoader(files, batch_size=None, num_workers=self.workers):
                torch.sigmoid(self.plain(snippets)).mean(dim=0)


def fast(way: Callable[[], Any]) -> Callable[[], Any]:
    """``way`` with the memory and product settings of the classify stage."""

    def run() -> Any:
        keep_freed_memory()
        try:
            with fastest_products():
                return way()
        finally:
            keep_freed_memory(False)

    return run


def estimate_s(figures: dict[str, dict[str, Any]], features: int) -> float:
    """Seconds for Table 6: every row, split and epoch, with the validation subset after each epoch."""
    train, test = (float(figures[name]["trailers_per_second"]) for name in ("train, ours", "test, ours"))
    epoch = TRAIN / train + VALIDATION / test
    # Reducing F to 128 takes F of F + 2048 parts of a clip's multiply-adds; the rest does not depend on F.
    relative = sum((wide + 2048) / (features + 2048) for wide in TABLE_6)
    return SPLITS * EPOCHS * epoch * relative


def anonymous_mb() -> float | str:
    """Memory of this process without the page cache."""
    path = Path(f"/proc/{os.getpid()}/status")
    if not path.is_file():
        return "unknown here"
    fields = dict(line.split(":", 1) for line in path.read_text().splitlines())
    return int(fields["RssAnon"].split()[0]) / 1024
