"""Trailers of one status, each with stage, reason and sentence, as text or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence

from trailers.stages import registry
from trailers.stages.outcome import WARNING, Rows, sentence
from trailers.store.ledger import STATUSES, LedgerRow

COLUMNS = ("trailer", "stage", "status", "reason", "sentence")
WAITING = "waiting"
LISTED = (*STATUSES, WARNING, WAITING)


def listed(rows: Rows, counted: Callable[[str], Sequence[str]], status: str) -> Iterator[tuple[str, ...]]:
    """A row of ``COLUMNS`` for each trailer and stage with this status; stages in running order.

    ``counted`` gives the trailers of a stage: those of the manifest, or the titles of the search.
    """
    for key in sorted(rows, key=registry.order):
        for trailer in counted(key[0]):
            row = rows[key].get(trailer)
            if row is None and status == WAITING:
                yield trailer, " ".join(key), WAITING, "", ""
            elif row is not None and is_of(row, status):
                yield trailer, " ".join(key), status, reason(row), sentence(key, row)


def is_of(row: LedgerRow, status: str) -> bool:
    return bool(row.warnings or row.facts.get("quality")) if status == WARNING else row.status == status


def reason(row: LedgerRow) -> str:
    return row.reason or ", ".join(map(str, row.facts.get("quality") or ()))


def as_csv(rows: Iterator[tuple[str, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return text.getvalue().rstrip("\n")


def as_text(rows: Iterator[tuple[str, ...]]) -> str:
    return "\n".join(": ".join(parts(*row)) for row in rows)


def parts(trailer: str, stage: str, status: str, reason: str, sentence: str) -> Iterator[str]:
    """The non-empty cells of a row; the reason is left out if the sentence begins with it."""
    return filter(None, (trailer, stage, status, "" if sentence.startswith(reason) else reason, sentence))
