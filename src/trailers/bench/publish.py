"""Writing results as a data set: MB of vectors per second and peak memory of `trailers publish`, for two sizes.

publish  `python -m trailers publish` in a separate process
copy     the same files copied with cp, which shows the speed of the disk

Memory must not grow with the number of trailers, so the peak is measured for all of them and for a quarter. The set is
made in --folder if it does not exist.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np

from trailers.bench import harness
from trailers.domain import Clip, Shot, Trailer
from trailers.store.embeddings import write_embedding
from trailers.store.layout import Layout
from trailers.store.ledger import OK, LedgerRow, write_ledger
from trailers.store.manifest import write_manifest
from trailers.store.receipt import Receipt, write_receipt
from trailers.store.shards import make_shards
from trailers.store.spans import CLIPS_SCHEMA, SHOTS_SCHEMA, write_spans

STRATEGY, BACKBONE, MARK = "shot24", "drawn", "0123456789abcdef"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--folder", type=Path, default=Path("results/bench/publish"), help="folder of the set, which is reused"
    )
    parser.add_argument("--trailers", type=int, default=400, help="trailers of the set (400)")
    parser.add_argument("--features", type=int, default=768, help="F (768)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each way (3)")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    sizes = {"all": arguments.trailers, "a quarter": max(1, arguments.trailers // 4)}
    figures: dict[str, dict[str, Any]] = {}
    for name, count in sizes.items():
        folder = make_set(arguments.folder, count, arguments.features)
        ours = [publish(folder) for _ in range(arguments.rounds)]
        megabytes = vectors_mb(folder)
        figures[f"publish, {name}"] = {
            "trailers": count,
            "vectors_mb": megabytes,
            "mb_per_second": statistics.median(megabytes / usage.wall_s for usage in ours),
            "peak_mb": statistics.median(usage.peak_mb for usage in ours),
        }
        copied = [copy(folder) for _ in range(arguments.rounds)]
        figures[f"copy, {name}"] = {"mb_per_second": statistics.median(megabytes / usage.wall_s for usage in copied)}
    whole, quarter = figures["publish, all"], figures["publish, a quarter"]
    return {"figures": figures, "ratios": {"peak_all_to_quarter": whole["peak_mb"] / quarter["peak_mb"]}}


def vectors_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in (folder / "results" / "embed").rglob("*.h5")) / 1e6


def publish(folder: Path) -> harness.Usage:
    """Write one release, measure it and delete it."""
    output = folder / "release"
    shutil.rmtree(output, ignore_errors=True)
    words = ["--output", str(output), "--results", str(folder / "results"), "--manifest", str(folder / "manifest.csv")]
    command = [sys.executable, "-m", "trailers", "publish", *words, "--pairs", f"{STRATEGY}/{BACKBONE}"]
    usage = harness.process_usage(command)
    shutil.rmtree(output)
    return usage


def copy(folder: Path) -> harness.Usage:
    target = folder / "copy"
    usage = harness.process_usage(["cp", "-r", str(folder / "results" / "embed"), str(target)])
    shutil.rmtree(target)
    return usage


def make_set(folder: Path, count: int, features: int) -> Path:
    """A results folder of ``count`` trailers with 30 to 300 random vectors each, with its ledgers and its manifest."""
    root = folder / f"{count}x{features}"
    manifest = root / "manifest.csv"
    if manifest.is_file():
        return root
    random, layout = np.random.default_rng(0), Layout(root / "results")
    names = [f"t{number:05d}" for number in range(count)]
    for name in names:
        make_trailer(layout, name, random.standard_normal((int(random.integers(30, 301)), features), np.float32))
    for shard, members in make_shards(names, size=100, letter="s").items():
        rows = [LedgerRow(name, OK, "x", MARK) for name in members]
        for key in (("download",), ("normalise",), ("shots",), ("clips", STRATEGY), ("embed", STRATEGY, BACKBONE)):
            write_ledger(layout.ledger(key[0], shard, *key[1:]), rows)
    write_manifest(manifest, [Trailer(name, (f"https://example.org/{name}",), genres=("drama",)) for name in names])
    return root


def make_trailer(layout: Layout, name: str, vectors: np.ndarray) -> None:
    clips = [Clip(n, 24 * n, 24 * n + 24, 0) for n in range(len(vectors))]
    shots = [Shot(clip.start, clip.end) for clip in clips]
    header: dict[str, str | int] = {"trailer": name, "frames": 24 * len(clips), "fingerprint": MARK}
    write_receipt(layout.receipt(name), Receipt(name, OK, f"{name}.mp4", "0" * 64, MARK))
    write_spans(layout.shots(name), shots, kind=Shot, header=header, schema=SHOTS_SCHEMA)
    write_spans(layout.clips(STRATEGY, name), clips, kind=Clip, header=header, schema=CLIPS_SCHEMA)
    attributes = {"trailer": name, "fingerprint": MARK, "backbone": BACKBONE, "F": vectors.shape[1]}
    write_embedding(layout.embedding(STRATEGY, BACKBONE, name), vectors, clips, attributes)
