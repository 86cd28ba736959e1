"""Whether the files of a trained experiment are whole and belong together."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trailers.domain import GENRES
from trailers.errors import StoreError
from trailers.store.experiment import (
    CURVES,
    LEFT_OUT,
    METRICS,
    PREDICTIONS,
    REMEDY,
    WEIGHTS,
    read_metrics,
    read_weights,
)

COLUMNS = {
    PREDICTIONS: ("trailer", "subset", *GENRES, *(f"is_{genre}" for genre in GENRES)),
    CURVES: ("epoch", "learning_rate", "train_loss", "validation_loss"),
    LEFT_OUT: ("trailer", "reason", "backbone", "subset", "genres"),
}
WORDS = {PREDICTIONS: 2, CURVES: 0, LEFT_OUT: 5}  # columns that hold words; numbers follow


def check_experiment(folder: Path, name: str) -> None:
    """Read the file ``name`` of an experiment whole, and compare it with its metrics.json. Imports torch for weights.

    Raises:
        StoreError: it is missing, damaged, or of another training.
    """
    metrics = read_metrics(folder / METRICS)
    if name == WEIGHTS:
        trained = read_weights(folder / WEIGHTS)
        if trained.fingerprint != metrics.get("fingerprint"):
            raise StoreError("belongs to another training than its metrics.json", where=folder / WEIGHTS, remedy=REMEDY)
    elif name in COLUMNS:
        rows = read_table(folder / name)
        wanted = rows_of(name, metrics, folder / METRICS)
        if len(rows) != wanted:
            wrong = f"has {len(rows)} rows, but its metrics.json says {wanted}"
            raise StoreError(wrong, where=folder / name, remedy=REMEDY)


def rows_of(name: str, metrics: Mapping[str, Any], path: Path) -> int:
    """How many rows the table ``name`` must have."""
    try:
        if name == PREDICTIONS:
            return int(metrics["trailers"]["validation"] + metrics["trailers"]["test"])
        if name == CURVES:
            return int(metrics["epochs"])
        return sum(count for count in metrics["left_out"].values() if isinstance(count, int))
    except (KeyError, TypeError, AttributeError) as problem:
        raise StoreError(f"is damaged: {problem!r}", where=path, remedy=REMEDY) from None


def read_table(path: Path) -> list[list[str]]:
    """The rows of a table of an experiment, without its header.

    Raises:
        StoreError: it is missing, cut off, or holds words where numbers belong.
    """
    columns, words = COLUMNS[path.name], WORDS[path.name]
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise StoreError(f"cannot be read: {problem}", where=path, remedy=REMEDY) from None
    rows = list(csv.reader(text.splitlines()))
    if not rows or tuple(rows[0]) != columns:
        raise StoreError(f"expected columns {', '.join(columns)}", where=path, remedy=REMEDY)
    if not text.endswith("\n"):
        raise StoreError("is truncated", where=path, remedy=REMEDY)
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(columns) or not all(map(is_number, row[words:])):
            raise StoreError(f"line {number} is damaged", where=path, remedy=REMEDY)
    return rows[1:]


def is_number(word: str) -> bool:
    try:
        return float(word) == float(word)  # which NaN is not
    except ValueError:
        return False


def files_of(metrics: Path) -> Sequence[Path]:
    """What stands beside ``metrics``, a metrics.json, and it."""
    return [metrics.with_name(name) for name in (METRICS, WEIGHTS, PREDICTIONS, CURVES, LEFT_OUT)]
