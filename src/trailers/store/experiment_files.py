"""Checks that the files of a trained experiment are complete and belong together."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trailers.errors import ConfigError, StoreError
from trailers.genres import checked_genres
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
    CURVES: ("epoch", "learning_rate", "train_loss", "validation_loss"),
    LEFT_OUT: ("trailer", "reason", "backbone", "subset", "genres"),
}
WORDS = {PREDICTIONS: 2, CURVES: 0, LEFT_OUT: 5}  # columns that hold words; numbers follow


def check_experiment(folder: Path, name: str) -> None:
    """Read all of the file ``name`` of an experiment and compare it with metrics.json. Imports torch for weights.

    Raises:
        StoreError: it is missing or damaged, or belongs to another training.
    """
    metrics = read_metrics(folder / METRICS)
    if name == WEIGHTS:
        trained = read_weights(folder / WEIGHTS)
        if trained.fingerprint != metrics.get("fingerprint"):
            raise StoreError("belongs to another training than its metrics.json", where=folder / WEIGHTS, remedy=REMEDY)
    elif name in WORDS:
        rows = read_table(folder / name)[1]
        wanted = rows_of(name, metrics, folder / METRICS)
        if len(rows) != wanted:
            wrong = f"has {len(rows)} rows, but its metrics.json says {wanted}"
            raise StoreError(wrong, where=folder / name, remedy=REMEDY)


def rows_of(name: str, metrics: Mapping[str, Any], path: Path) -> int:
    """Number of rows that the table ``name`` must have."""
    try:
        if name == PREDICTIONS:
            return int(metrics["trailers"]["validation"] + metrics["trailers"]["test"])
        if name == CURVES:
            return int(metrics["epochs"])
        return sum(count for count in metrics["left_out"].values() if isinstance(count, int))
    except (KeyError, TypeError, AttributeError) as problem:
        raise StoreError(f"is damaged: {problem!r}", where=path, remedy=REMEDY) from None


def read_predictions(path: Path) -> tuple[tuple[str, ...], list[list[str]]]:
    """The genres of predictions.csv, and its rows: trailer, subset, a probability per genre, a label per genre.

    Raises:
        StoreError: as ``read_table``.
    """
    columns, rows = read_table(path)
    return genres_of_columns(columns), rows


def genres_of_columns(columns: tuple[str, ...]) -> tuple[str, ...]:
    """The genres that the header of predictions.csv names; example names for the message if they are not valid."""
    genres = columns[2 : 2 + len(columns[2:]) // 2]
    try:
        return checked_genres(genres)
    except ConfigError:
        return "GENRE", "..."


def prediction_columns(genres: Sequence[str]) -> tuple[str, ...]:
    return ("trailer", "subset", *genres, *(f"is_{genre}" for genre in genres))


def read_table(path: Path) -> tuple[tuple[str, ...], list[list[str]]]:
    """The header of a table of an experiment, and its rows.

    Raises:
        StoreError: it is missing or truncated, or contains words where numbers are expected.
    """
    words = WORDS[path.name]
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise StoreError(f"cannot be read: {problem}", where=path, remedy=REMEDY) from None
    rows = list(csv.reader(text.splitlines()))
    columns = tuple(rows[0]) if rows else ()
    check_columns(path, columns)
    if not text.endswith("\n"):
        raise StoreError("is truncated", where=path, remedy=REMEDY)
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(columns) or not all(map(is_number, row[words:])):
            raise StoreError(f"line {number} is damaged", where=path, remedy=REMEDY)
    return columns, rows[1:]


def check_columns(path: Path, columns: tuple[str, ...]) -> None:
    """Raise StoreError if a table of this name must have other columns; those of predictions name its genres."""
    wanted = COLUMNS[path.name] if path.name in COLUMNS else prediction_columns(genres_of_columns(columns))
    if columns != wanted:
        raise StoreError(f"expected columns {', '.join(wanted)}", where=path, remedy=REMEDY)


def is_number(word: str) -> bool:
    try:
        return float(word) == float(word)  # false for NaN
    except ValueError:
        return False


def files_of(metrics: Path) -> Sequence[Path]:
    """``metrics``, a metrics.json, and the other files of its experiment."""
    return [metrics.with_name(name) for name in (METRICS, WEIGHTS, PREDICTIONS, CURVES, LEFT_OUT)]
