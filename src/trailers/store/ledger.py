"""The ledger of one stage on one shard: the outcome of every trailer.

It is written last and atomically, and its content is deterministic: it is the only output that a job declares, and
its bytes decide whether later stages run again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trailers.errors import StoreError
from trailers.store.atomic import write_text
from trailers.store.shards import is_whole

COLUMNS = ("trailer", "status", "path", "fingerprint", "facts", "error")

OK = "ok"
DEAD = "dead"  # permanent: removed, private, not a video
FAILED = "failed"  # temporary: the next run tries again
SKIPPED = "skipped"  # the stage before was not ok
STATUSES = (OK, DEAD, FAILED, SKIPPED)


@dataclass(frozen=True)
class LedgerRow:
    """The outcome of one trailer in one stage; ``path`` is relative to the results folder."""

    trailer: str
    status: str
    path: str = ""
    fingerprint: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"a status is one of {', '.join(STATUSES)}, got '{self.status}'")

    @property
    def reason(self) -> str:
        """A few words that are the same for all trailers with the same problem; empty if the trailer is ok."""
        if self.status == SKIPPED:
            return "an earlier stage was not ok"
        return str(self.facts.get("reason") or "no reason recorded") if self.status in (DEAD, FAILED) else ""

    @property
    def warnings(self) -> str:
        """Warnings about a trailer that is ok, as sentences; empty if there are none."""
        return str(self.facts.get("warnings") or "") if self.status == OK else ""


def check_fingerprint(row: LedgerRow, stored: str, path: Path, ledger: object = "its ledger") -> None:
    """Refuse a product that another run replaced since ``row`` was written; not checked if the row has no fingerprint.

    Raises:
        StoreError: ``stored``, the fingerprint in the product at ``path``, is not that of the row.
    """
    if row.fingerprint not in ("", stored):
        raise StoreError(
            f"its fingerprint is {stored}, but {ledger} says {row.fingerprint}: another run replaced it",
            where=path,
            remedy="Rerun snakemake to make it again; if it finds nothing to do, run "
            "`python -m trailers verify --repair` first.",
        )


def one_line(text: str) -> str:
    return " ".join(text.split())


def write_ledger(path: Path, rows: Iterable[LedgerRow]) -> None:
    lines = ["\t".join(COLUMNS)]
    for row in rows:
        facts = json.dumps(row.facts, sort_keys=True, ensure_ascii=False)
        lines.append(
            "\t".join((row.trailer, row.status, row.path, row.fingerprint, one_line(facts), one_line(row.error)))
        )
    write_text(path, "\n".join(lines) + "\n")


def read_ledger(path: Path) -> dict[str, LedgerRow]:
    """Trailer -> row, in the ledger's order.

    Raises:
        StoreError: the file is missing or truncated, or is not a ledger.
    """
    remedy = "Remove it and rerun snakemake."
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise StoreError(f"cannot be read as a ledger: {problem}", where=path, remedy=remedy) from None
    lines = text.splitlines()
    if not lines or tuple(lines[0].split("\t")) != COLUMNS:
        raise StoreError(f"expected columns {', '.join(COLUMNS)} in line 1", where=path, remedy=remedy)
    rows = {}
    for number, line in enumerate(lines[1:], start=2):
        try:
            trailer, status, where, fingerprint, facts, error = line.split("\t")
            rows[trailer] = LedgerRow(trailer, status, where, fingerprint, json.loads(facts), error)
        except ValueError as problem:
            raise StoreError(f"line {number} is damaged: {problem}", where=path, remedy=remedy) from None
    if not text.endswith("\n") or not is_whole(path, list(rows)):
        raise StoreError(f"is truncated, or its {len(rows)} trailers do not match its name", where=path, remedy=remedy)
    return rows
