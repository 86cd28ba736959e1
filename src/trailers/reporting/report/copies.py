"""Trailers that are copies of each other, copies in different subsets, and trailers that flags exclude."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from trailers.domain import SPLITS
from trailers.errors import StoreError
from trailers.store.duplicates import Duplicate, Excluded, read_rows
from trailers.store.layout import Layout

log = logging.getLogger(__name__)

Row = TypeVar("Row", Duplicate, Excluded)


@dataclass(frozen=True)
class Copy:
    """One pair of copies, as the page shows it."""

    trailer: str
    copy_of: str
    share: str
    leaks: str  # the different subsets of the two, by split


def copies_of(trailers: Sequence[str], layout: Layout) -> dict[str, Any]:
    """Values of the template: pairs of copies, how many each split divides, and how many trailers flags exclude."""
    known = set(trailers)
    pairs = [row for row in rows_of_file(layout.duplicates(), Duplicate) if {row.trailer, row.copy_of} <= known]
    out = [row for row in rows_of_file(layout.excluded(), Excluded) if row.trailer in known]
    return {
        "copies": [Copy(row.trailer, row.copy_of, f"{row.share:.0%}", subsets_text(divided(row))) for row in pairs],
        "leaking": {f"split{n}": count for n in SPLITS if (count := sum(n in divided(row) for row in pairs))},
        "left_out": by_flag(out),
        "left_out_trailers": len({row.trailer for row in out}),
    }


def rows_of_file(path: Path, kind: type[Row]) -> list[Row]:
    """The rows of a file; empty if it is missing. A damaged file is logged; `verify` repairs it."""
    if not path.is_file():
        return []
    try:
        return read_rows(path, kind)
    except StoreError as problem:
        log.warning("report: %s", problem)
        return []


def divided(row: Duplicate) -> dict[int, str]:
    """Split -> the subsets of the two trailers, if they differ."""
    return {n: found for n, found in zip(SPLITS, (row.split0, row.split1, row.split2), strict=True) if found}


def subsets_text(divided: Mapping[int, str]) -> str:
    return ", ".join(f"split{n}: {subsets}" for n, subsets in divided.items())


def by_flag(rows: Sequence[Excluded]) -> dict[str, int]:
    """Flag -> how many trailers it excludes, most frequent first."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.flag] = counts.get(row.flag, 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
