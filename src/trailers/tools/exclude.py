"""List the trailers that quality flags exclude from training and test.

in   the ledgers of the quality stage; results/quality/duplicates.csv
out  results/quality/excluded.csv: trailer, flag, reason; one row per flag
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from trailers.quality.flags import DUPLICATE, EXCLUDABLE
from trailers.store.duplicates import Duplicate, Excluded, read_rows, write_rows
from trailers.store.ledger import OK, LedgerRow, read_ledger
from trailers.store.manifest import read_manifest
from trailers.store.shards import shard_files

log = logging.getLogger(__name__)


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ledgers",
        type=Path,
        nargs="+",
        required=True,
        metavar="LEDGER",
        help="ledgers of the quality stage, or their folder",
    )
    parser.add_argument(
        "--shards",
        metavar="LETTER+SIZE",
        help="which ledgers of a folder: the study's letter and the shard size, such as s100",
    )
    parser.add_argument("--manifest", type=Path, required=True, metavar="CSV", help="the trailers, for a folder")
    parser.add_argument(
        "--duplicates",
        type=Path,
        required=True,
        metavar="CSV",
        help="duplicates.csv of the duplicates stage",
    )
    parser.add_argument("--flags", nargs="+", choices=EXCLUDABLE, required=True, help="flags that exclude a trailer")
    parser.add_argument("--output", type=Path, required=True, metavar="CSV", help="the excluded trailers")


def run(arguments: argparse.Namespace) -> None:
    ids = [trailer.trailer for trailer in read_manifest(arguments.manifest, links=False, genres=None)]
    rows: dict[str, LedgerRow] = {}
    for path in shard_files(arguments.ledgers, arguments.shards, ids):
        rows |= read_ledger(path)
    out = flagged(ids, rows, arguments.flags)
    if DUPLICATE in arguments.flags:
        out += copies(ids, read_rows(arguments.duplicates, Duplicate), {row.trailer for row in out})
    place = {trailer: number for number, trailer in enumerate(ids)}
    out.sort(key=lambda row: (place[row.trailer], row.flag))
    write_rows(arguments.output, out, Excluded, {"flags": ",".join(arguments.flags)})
    left_out = len({row.trailer for row in out})
    log.info("exclude: %d of %d trailers are left out: %s", left_out, len(ids), arguments.output)


def flagged(trailers: Sequence[str], rows: Mapping[str, LedgerRow], flags: Sequence[str]) -> list[Excluded]:
    """The trailers that have one of ``flags``; a trailer without a result of the quality stage is not excluded."""
    found = []
    for trailer in trailers:
        row = rows.get(trailer)
        carried = row.facts.get("flags") or {} if row is not None and row.status == OK else {}
        found += [Excluded(trailer, flag, str(reason)) for flag, reason in carried.items() if flag in flags]
    return found


def copies(trailers: Sequence[str], rows: Sequence[Duplicate], excluded: set[str]) -> list[Excluded]:
    """All trailers of each group of copies but one: the first of the manifest that is not ``excluded`` already."""
    place = {trailer: number for number, trailer in enumerate(trailers)}
    members: dict[str, dict[str, None]] = {}
    for row in rows:
        members.setdefault(row.group, {}).update(dict.fromkeys((row.copy_of, row.trailer)))
    found = []
    for group in members.values():
        known = sorted((name for name in group if name in place), key=place.__getitem__)
        kept = next((name for name in known if name not in excluded), known[0] if known else "")
        found += [Excluded(name, DUPLICATE, f"copy of {kept}") for name in known if name != kept]
    return found
