"""The flags of commands that report on a whole study: its manifest, ledgers, metrics and products."""

from __future__ import annotations

import argparse
from pathlib import Path

from trailers.genres import add_genres_flag


def add_study_flags(parser: argparse.ArgumentParser, *, output: str) -> None:
    """Adds the flags; ``output`` is the help of --output."""
    parser.add_argument("--manifest", type=Path, required=True, metavar="CSV", help="the study's trailers")
    parser.add_argument(
        "--ledgers",
        type=Path,
        nargs="*",
        default=[],
        metavar="LEDGER",
        help="ledgers of all stages: files, or their folders",
    )
    parser.add_argument(
        "--shards",
        metavar="LETTER+SIZE",
        help="which ledgers of a folder: the study's letter and the shard size, such as s100",
    )
    parser.add_argument(
        "--metrics", type=Path, nargs="*", default=[], metavar="JSON", help="metrics.json of all experiments and splits"
    )
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="FOLDER", help="folder of all products"
    )
    add_genres_flag(parser)
    parser.add_argument("--output", type=Path, required=True, metavar="HTML", help=output)
