"""Measures one stage from its ledgers and from names, sizes and times of its products, which are not opened."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trailers.errors import StoreError
from trailers.stages import registry
from trailers.store.atomic import TEMPORARY
from trailers.store.layout import Layout
from trailers.store.ledger import DEAD, FAILED, OK, SKIPPED, LedgerRow, read_ledger

log = logging.getLogger(__name__)

WINDOW_S = 600.0  # the rate is that of the last ten minutes


@dataclass
class Files:
    """The files in one folder of products."""

    done_s: dict[str, float] = field(default_factory=dict)  # trailer -> when its product appeared
    size: int = 0  # bytes, of all files


def list_files(folder: Path, suffix: str) -> Files:
    found = Files()
    if not folder.is_dir():
        return found
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # renamed in the meantime
                continue
            if not entry.is_file(follow_symlinks=False):
                continue
            found.size += status.st_size
            if entry.name.endswith(suffix) and not entry.name.startswith(TEMPORARY):
                found.done_s[entry.name.removesuffix(suffix)] = status.st_mtime
    return found


@dataclass(frozen=True)
class Line:
    """One row of the table: a stage, with its clip strategy and backbone if it has them."""

    key: tuple[str, ...]
    counts: Counter[str]  # status -> trailers
    waiting: int
    made: int  # of the waiting
    per_minute: float
    size: int  # bytes on disk
    expected_size: int  # bytes when all is done

    @property
    def left_s(self) -> float | None:
        """Seconds until the waiting trailers are made; None if nothing was made recently."""
        todo = self.waiting - self.made
        return 60 * todo / self.per_minute if self.per_minute else (0 if todo == 0 else None)


def measure(
    layout: Layout, key: tuple[str, ...], trailers: Sequence[str], now_s: float
) -> tuple[Line, dict[str, LedgerRow]]:
    """The line of one stage, and the rows of its ledgers."""
    rows = read_rows(layout, key, set(trailers))
    files = list_files(layout.root.joinpath(*key), suffix_of(layout, key))
    counts = Counter(row.status for row in rows.values())
    waiting = [trailer for trailer in trailers if trailer not in rows]
    made = sum(trailer in files.done_s for trailer in waiting)
    done = counts[OK] + made
    # Dead and skipped trailers get no product; waiting ones are expected to succeed as often as the others.
    decided = counts[OK] + counts[DEAD] + counts[SKIPPED]
    expected = counts[OK] + counts[FAILED] + len(waiting) * (counts[OK] / decided if decided else 1)
    ours = sum(trailer in files.done_s for trailer in trailers)
    size = round(files.size * ours / len(files.done_s)) if files.done_s else 0
    line = Line(
        key, counts, len(waiting), made,
        rate(list(files.done_s.values()), now_s), size, round(size * max(1, expected / done)) if done else 0,
    )  # fmt: skip
    return line, rows


def suffix_of(layout: Layout, key: tuple[str, ...]) -> str:
    """The suffix of the last product: a trailer with such a file is done."""
    entry = registry.find(key)
    return entry.on_disk(layout, key[1:]).suffix() if entry else ""


def read_rows(layout: Layout, key: tuple[str, ...], trailers: set[str]) -> dict[str, LedgerRow]:
    """Trailer -> its row; if shards have changed and two ledgers have it, the row of the newer one."""
    rows: dict[str, LedgerRow] = {}
    ledgers = [
        path for path in layout.root.joinpath("ledger", *key).glob("*.tsv") if not path.name.startswith(TEMPORARY)
    ]
    for path in sorted(ledgers, key=lambda path: (path.stat().st_mtime_ns, path.name)):
        try:
            found = read_ledger(path)
        except StoreError as problem:
            log.warning("status: %s", problem)
            continue
        rows.update({trailer: row for trailer, row in found.items() if trailer in trailers})
    return rows


def rate(times_s: Sequence[float], now_s: float) -> float:
    """Products per minute over the last ten minutes, or since the first product if it is newer."""
    recent = [time_s for time_s in times_s if now_s - WINDOW_S < time_s <= now_s]
    if len(recent) < 2:
        return 0.0
    began_s = now_s - WINDOW_S if len(recent) < sum(time_s <= now_s for time_s in times_s) else min(recent)
    return 60 * (len(recent) - (began_s == min(recent))) / max(now_s - began_s, 1.0)
