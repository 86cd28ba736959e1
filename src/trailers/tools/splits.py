"""Make three splits whose subsets have the genres, and the pairs of genres, of the whole set (Sec. 3).

in   a manifest with genres
out  the same manifest with split0, split1 and split2: 70 % train, 10 % validation, 20 % test; trailers that
     share a video share their subsets, those without genres are in none
     to the screen, and with --report as JSON: how far the subsets are from the whole set, beside random
     splits and the splits that the manifest had before
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trailers.classifier import splits
from trailers.domain import GENRES, SPLITS, SUBSETS, Trailer
from trailers.errors import ManifestError
from trailers.store.atomic import write_text
from trailers.store.manifest import moved, read_manifest, write_manifest
from trailers.store.videos import shared_videos

RANDOM_SPLITS = 10  # compared with, so that luck evens out


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--manifest", type=Path, required=True, help="CSV of trailers with genres")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="CSV", help="the manifest to write; may be the same"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of the first split; the others take the next two (default 0)"
    )
    parser.add_argument("--report", type=Path, metavar="JSON", help="write the comparison there too")


def run(arguments: argparse.Namespace) -> None:
    trailers = read_manifest(arguments.manifest, links=False)
    first = first_of_video(trailers, arguments.manifest.parent)
    labelled = [trailer for trailer in trailers if trailer.genres and first[trailer.trailer] == trailer.trailer]
    if len(labelled) < len(SUBSETS):
        raise ManifestError(
            f"{arguments.manifest}: {len(labelled)} trailers have genres; three subsets need at least three. "
            "Fill in genres."
        )
    labels = np.array([[genre in trailer.genres for genre in GENRES] for trailer in labelled])
    ours = [splits.stratify(labels, seed=arguments.seed + n) for n in SPLITS]
    report = compare(labels, labelled, ours, arguments.seed)
    codes = {trailer.trailer: tuple(int(split[n]) for split in ours) for n, trailer in enumerate(labelled)}
    written = with_splits(trailers, first, codes)
    write_manifest(arguments.output, moved(written, arguments.manifest.parent, arguments.output.parent))
    if arguments.report:
        write_text(arguments.report, json.dumps(report, indent=1) + "\n")
    print(as_text(report))
    counted = sum(bool(trailer.genres) for trailer in trailers)
    print(f"splits: {counted} trailers, {len(trailers) - counted} without genres in no subset: {arguments.output}")
    if counted > len(labelled):
        print(f"splits: {counted - len(labelled)} trailers go with another one that has the same video")


def first_of_video(trailers: Sequence[Trailer], base: Path) -> dict[str, str]:
    """Trailer id -> that of the first trailer with genres that shares a video with it, its own where none does."""
    first = {trailer.trailer: trailer.trailer for trailer in trailers}
    order = {name: place for place, name in enumerate(first)}

    def leader(name: str) -> str:
        while first[name] != name:
            name = first[name]
        return name

    for group in shared_videos((trailer for trailer in trailers if trailer.genres), base):
        leaders = sorted({leader(trailer.trailer) for trailer in group}, key=order.__getitem__)
        first |= dict.fromkeys(leaders, leaders[0])
    return {name: leader(name) for name in first}


def with_splits(
    trailers: Sequence[Trailer], first: Mapping[str, str], codes: Mapping[str, tuple[int, ...]]
) -> list[Trailer]:
    """The trailers with the ``codes`` of the first of their video; those without genres are in no subset."""
    found = [codes[first[trailer.trailer]] if trailer.genres else (None,) * len(SPLITS) for trailer in trailers]
    return [
        dataclasses.replace(trailer, splits=(one, two, three))
        for trailer, (one, two, three) in zip(trailers, found, strict=True)
    ]


def compare(labels: np.ndarray, trailers: Sequence[Trailer], ours: Sequence[np.ndarray], seed: int) -> dict[str, Any]:
    """Kind of split -> what ``splits.describe`` says of each."""
    drawn = [splits.random_split(len(labels), seed=seed + n) for n in range(RANDOM_SPLITS)]
    found = {
        "stratified": [splits.describe(labels, split) for split in ours],
        "random": [splits.describe(labels, split) for split in drawn],
    }
    there = [n for n in SPLITS if {trailer.splits[n] for trailer in trailers} == {0, 1, 2}]
    before = [np.array([trailer.splits[n] for trailer in trailers]) for n in there]
    if before:
        found["before"] = [splits.describe(labels, split) for split in before]
    return found


def as_text(report: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    lines = [f"{'split':<14}{'train':>8}{'valid.':>8}{'test':>8}{'genres':>12}{'pairs':>12}"]
    for kind, rows in report.items():
        shown = rows if kind != "random" else [mean_of(rows)]
        for number, row in enumerate(shown):
            name = f"{kind} {number}" if kind != "random" else "random, mean"
            sizes = "".join(f"{size:>8}" for size in row["sizes"])
            lines.append(f"{name:<14}{sizes}{row['labels']:>12.6f}{row['pairs']:>12.6f}")
    return "\n".join([*lines, "genres, pairs: divergence from the whole set (LD, LPD); 0 is perfect"])


def mean_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    means = {key: float(np.mean([row[key] for row in rows])) for key in ("labels", "pairs")}
    return {"sizes": rows[0]["sizes"], **means}
