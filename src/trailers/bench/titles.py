"""titles: choosing titles from tables as large as IMDb's, which are read as streams.

It writes invented, compressed tables of ``--rows`` titles in IMDb's format, a seventh of them with ratings, and
measures the time and peak memory of the command on them in a separate process. The limit is 500 MB.
"""

from __future__ import annotations

import argparse
import gzip
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from trailers.bench.harness import process_usage
from trailers.store.titles import read_titles
from trailers.tools.titles import BASICS, BASICS_COLUMNS, RATINGS, RATINGS_COLUMNS

TYPES = ("movie", "short", "tvSeries", "tvEpisode", "video")
SHARES = (0.06, 0.09, 0.03, 0.79, 0.03)  # of the published tables, roughly
GENRES = ("Action", "Comedy", "Drama", "Documentary", "Horror", "Sci-Fi", "Thriller", "Crime,Drama", r"\N")
RATED = 7  # one in so many titles has ratings
CHUNK = 50_000  # rows that are made together
MOST_MB = 500


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=11_000_000, metavar="N", help="titles in the tables (11000000)")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_table(folder / BASICS, BASICS_COLUMNS, basics(arguments.rows))
        write_table(folder / RATINGS, RATINGS_COLUMNS, ratings(arguments.rows))
        output = folder / "titles.csv"
        words = [sys.executable, "-m", "trailers", "titles", "--imdb", name, "--output", str(output)]
        used = process_usage(words)
        found = len(read_titles(output))
    row = {"titles": found, "wall_s": used.wall_s, "cpu_s": used.cpu_s, "peak_mb": used.peak_mb}
    return {
        "figures": {f"{arguments.rows:,} rows": row},
        "ratios": {"peak_mb": used.peak_mb, "million_rows_per_s": arguments.rows / 1e6 / used.wall_s},
        "failed": ["peak memory"] if used.peak_mb > MOST_MB else [],
    }


def write_table(path: Path, columns: tuple[str, ...], rows: Iterator[str]) -> None:
    with gzip.open(path, "wt", compresslevel=1, encoding="utf-8", newline="") as file:
        file.write("\t".join(columns) + "\n")
        while lines := list(islice(rows, CHUNK)):
            file.write("".join(lines))


def basics(count: int) -> Iterator[str]:
    random = np.random.default_rng(0)
    for first in range(0, count, CHUNK):
        size = min(CHUNK, count - first)
        kinds, genres = random.choice(len(TYPES), size, p=SHARES), random.integers(0, len(GENRES), size)
        years, minutes = random.integers(1900, 2025, size), random.integers(1, 200, size)
        for n, (kind, genre, year, length) in enumerate(zip(kinds, genres, years, minutes, strict=True), first):
            title = f"A title of middling length, number {n}"
            cells = (f"tt{n:08d}", TYPES[kind], title, title, "0", str(year), r"\N", str(length), GENRES[genre])
            yield "\t".join(cells) + "\n"


def ratings(count: int) -> Iterator[str]:
    """Ratings of one in seven titles; votes are distributed as in the published table: one in fourteen has 1,000."""
    random = np.random.default_rng(1)
    for n in range(0, count, RATED):
        yield f"tt{n:08d}\t{random.uniform(1, 10):.1f}\t{int(5 + random.pareto(0.6) * 15)}\n"
