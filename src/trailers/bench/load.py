"""Reading vectors for training: clips per second of our Datasets and of plain h5py, with 0, 2 and 4 workers.

files        trailers.data.Clips over one file per trailer
pack         trailers.data.Clips over a pack
plain        a Dataset that, for each item, opens the trailer's file with h5py and reads one row

All use a DataLoader that shuffles, with batches of 256. The set is made in --folder if it does not exist.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, RandomSampler

from trailers.bench import harness
from trailers.data import Clips
from trailers.domain import Clip
from trailers.store.embeddings import write_embedding
from trailers.store.layout import Layout
from trailers.store.pack import Part, write_pack

BATCH = 256
STRATEGY, BACKBONE = "shot24", "drawn"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--folder", type=Path, default=Path("results/bench/load"), help="folder of the set, which is reused"
    )
    parser.add_argument("--trailers", type=int, default=400, help="trailers of the set (400)")
    parser.add_argument("--features", type=int, default=768, help="F (768)")
    parser.add_argument("--sample", type=int, default=8192, help="clips to read per way and round (8192)")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2, 4], help="workers of the DataLoaders (0 2 4)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each way (3)")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    folder = make_set(arguments.folder, arguments.trailers, arguments.features)
    datasets: dict[str, Dataset[Any]] = {
        "files": Clips(folder, STRATEGY, BACKBONE),
        "pack": Clips(folder / "pack.h5"),
        "plain": PlainClips(folder),
    }
    ways: dict[str, Callable[[], Any]] = {
        f"{name}, {workers} workers": partial(read, dataset, arguments.sample, workers)
        for workers in arguments.workers
        for name, dataset in datasets.items()
    }
    timings = harness.alternate(ways, rounds=arguments.rounds)
    figures = {
        name: {
            "clips_per_second": statistics.median(arguments.sample / wall for wall in timing.wall_s),
            "cpu_us_per_clip": 1e6 * timing.median_cpu_s / arguments.sample,
        }
        for name, timing in timings.items()
    }
    ratios = {
        f"{name}_to_plain_{workers}": harness.ratio(
            timings[f"plain, {workers} workers"].wall_s, timings[f"{name}, {workers} workers"].wall_s
        )
        for workers in arguments.workers
        for name in ("files", "pack")
    }
    return {"figures": figures, "ratios": ratios}


class PlainClips(Dataset[dict[str, Any]]):
    """The simplest Dataset: it opens a file for each item."""

    def __init__(self, folder: Path) -> None:
        self.index: list[tuple[Path, int]] = []
        for path in sorted((folder / "embed" / STRATEGY / BACKBONE).glob("*.h5")):
            with h5py.File(path) as file:
                self.index += [(path, clip) for clip in range(len(file["vectors"]))]

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, number: int) -> dict[str, Any]:
        path, clip = self.index[number]
        with h5py.File(path) as file:
            vector = file["vectors"][clip]
        return {"vector": torch.from_numpy(vector), "trailer": path.stem, "clip": clip}


def read(dataset: Dataset[Any], sample: int, workers: int) -> int:
    """Read ``sample`` clips in a random order, and count them."""
    generator = torch.Generator().manual_seed(0)
    sampler = RandomSampler(dataset, num_samples=sample, generator=generator)  # type: ignore[arg-type]
    loader = DataLoader(dataset, batch_size=BATCH, sampler=sampler, num_workers=workers)
    count = sum(len(batch["vector"]) for batch in loader)
    assert count == sample
    return count


def make_set(folder: Path, count: int, features: int) -> Path:
    """Random embeddings of 30 to 300 clips each, and their pack, in a folder named after their number and F."""
    root = folder / f"{count}x{features}"
    pack = root / "pack.h5"
    if pack.is_file():
        return root
    random = np.random.default_rng(0)
    parts = []
    for number in range(count):
        name = f"t{number:05d}"
        vectors = random.standard_normal((int(random.integers(30, 301)), features), np.float32)
        clips = [Clip(0, 24 * n, 24 * n + 24, 0) for n in range(len(vectors))]
        write_embedding(Layout(root).embedding(STRATEGY, BACKBONE, name), vectors, clips, {"trailer": name})
        parts.append(Part(name, len(vectors), partial(read_back, Layout(root), name)))
    attributes = {"backbone": BACKBONE, "clips": STRATEGY, "fingerprint": "drawn"}
    write_pack(pack, parts, features=features, attributes=attributes)
    return root


def read_back(layout: Layout, name: str) -> np.ndarray:
    with h5py.File(layout.embedding(STRATEGY, BACKBONE, name)) as file:
        return np.asarray(file["vectors"][:])
