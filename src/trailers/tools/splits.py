"""Make three splits whose subsets have the same shares of genres, and of pairs of genres, as the whole set (Sec. 3).

in   a manifest with genres
out  the same manifest with split0, split1 and split2: 70 % train, 10 % validation, 20 % test; trailers with
     the same video (with --group-duplicates also copies) are in one subset; trailers without genres are not in any
     to the screen, and with --report as JSON: how far the subsets deviate from the whole set, compared with random
     splits and with the previous splits of the manifest
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trailers.classifier import splits
from trailers.domain import SPLITS, Trailer
from trailers.errors import ManifestError
from trailers.genres import add_genres_flag, genres_of
from trailers.plan.splitting import largest_deviation, make_splits
from trailers.store.atomic import write_text
from trailers.store.duplicates import Duplicate, grouped, read_rows
from trailers.store.manifest import read_manifest, with_paths_from, write_manifest

RANDOM_SPLITS = 10  # number of random splits whose mean is compared


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--manifest", type=Path, required=True, help="CSV of trailers with genres")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="CSV", help="the manifest to write; may be the same"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="random seed of the first split; the others take the next two numbers (default 0)",
    )
    parser.add_argument(
        "--group-duplicates", type=Path, metavar="CSV",
        help="results/quality/duplicates.csv: keep copies of one trailer in the same subset",
    )  # fmt: skip
    add_genres_flag(parser)
    parser.add_argument("--report", type=Path, metavar="JSON", help="also write the comparison to this file")


def run(arguments: argparse.Namespace) -> None:
    genres = genres_of(arguments)
    trailers = read_manifest(arguments.manifest, links=False, genres=genres)
    copies = grouped(read_rows(arguments.group_duplicates, Duplicate)) if arguments.group_duplicates else {}
    try:
        made = make_splits(trailers, arguments.manifest.parent, seed=arguments.seed, copies=copies, genres=genres)
    except ManifestError as problem:
        raise ManifestError(problem.what, where=arguments.manifest, remedy=problem.remedy) from None
    report = compare(made.labels, made.labelled, made.codes, arguments.seed)
    written = made.trailers
    write_manifest(arguments.output, with_paths_from(written, arguments.manifest.parent, arguments.output.parent))
    if arguments.report:
        write_text(arguments.report, json.dumps(report, indent=1) + "\n")
    print(as_text(report))
    counted = sum(bool(trailer.genres) for trailer in trailers)
    print(f"splits: {counted} trailers, {len(trailers) - counted} without genres in no subset: {arguments.output}")
    if counted > len(made.labelled):
        alike = "has the same video or is a copy" if copies else "has the same video"
        print(f"splits: {counted - len(made.labelled)} trailers get the splits of another one, which {alike}")
    for split in SPLITS:
        apart, genre, subset = largest_deviation(written, split)
        print(
            f"split{split}: a genre's share in a subset deviates from its share in the whole set by up to "
            f"{100 * apart:.2f} percentage points ({genre}, {subset})"
        )


def compare(labels: np.ndarray, trailers: Sequence[Trailer], ours: Sequence[np.ndarray], seed: int) -> dict[str, Any]:
    """Kind of split -> the result of ``splits.describe`` for each split."""
    drawn = [splits.random_split(len(labels), seed=seed + n) for n in range(RANDOM_SPLITS)]
    found = {
        "stratified": [splits.describe(labels, split) for split in ours],
        "random": [splits.describe(labels, split) for split in drawn],
    }
    existing = [n for n in SPLITS if {trailer.splits[n] for trailer in trailers} == {0, 1, 2}]
    before = [np.array([trailer.splits[n] for trailer in trailers]) for n in existing]
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
    return "\n".join([*lines, "genres, pairs: how far the subsets differ from the whole set (LD, LPD); 0: not at all"])


def mean_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    means = {key: float(np.mean([row[key] for row in rows])) for key in ("labels", "pairs")}
    return {"sizes": rows[0]["sizes"], **means}
