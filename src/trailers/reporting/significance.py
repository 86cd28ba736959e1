"""Whether two experiments of a table differ by more than chance, from the predictions that classify stores.

Interval: the 95 % bootstrap interval of the mean over splits, over draws of test trailers. A trailer in several test
sets is drawn for all of them together.
Difference: the paired difference of two experiments on the same split; its mean and deviation over splits, and the
95 % interval over draws that both experiments share.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trailers.classifier.bootstrap import draw, interval, resampled
from trailers.classifier.metrics import METRICS, mean_and_deviation
from trailers.errors import StoreError
from trailers.store.experiment import PREDICTIONS

REMEDY = "Remove metrics.json beside it and rerun the classify stage."


@dataclass(frozen=True)
class Draws:
    """One experiment on one split: the trailers it was tested on, and each metric (trapezoid) per draw."""

    trailers: tuple[str, ...]
    metrics: Mapping[str, np.ndarray]


def read_test_predictions(path: Path) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Test trailers, labels (trailers, genres), probabilities (trailers, genres) of a predictions.csv.

    Raises:
        StoreError: the file is missing or damaged.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            table = csv.reader(file)
            columns = next(table)
            genres = (len(columns) - 2) // 2
            rows = [row for row in table if row[1] == "test"]
        values = np.array([row[2:] for row in rows], np.float64).reshape(len(rows), 2 * genres)
    except (OSError, UnicodeDecodeError, StopIteration, IndexError, ValueError) as problem:
        raise StoreError(f"cannot be read as predictions: {problem}", where=path, remedy=REMEDY) from None
    return tuple(row[0] for row in rows), values[:, genres:], values[:, :genres]


def draws_of(metrics_file: Path, metrics: Mapping[str, Any], *, draws: int) -> Draws | None:
    """The draws of one experiment on one split; None if there are no predictions beside its metrics."""
    path = metrics_file.with_name(PREDICTIONS)
    if not path.exists():
        return None
    trailers, labels, probabilities = read_test_predictions(path)
    weights = draw(trailers, draws=draws)
    counted = metrics["settings"].get("no_positives", "left_out")
    return Draws(trailers, resampled(labels, probabilities, weights, no_positives=counted)["trapezoid"])


def intervals(splits: Mapping[int, Draws | None]) -> dict[str, list[float] | None]:
    """Metric -> [low, high] of the mean over ``splits``; None if a split has no predictions."""
    known = [found for found in splits.values() if found is not None]
    if not known or len(known) < len(splits):
        return dict.fromkeys(METRICS)
    return {name: as_list(interval(np.mean([found.metrics[name] for found in known], axis=0))) for name in METRICS}


def difference(
    ours: Mapping[int, Mapping[str, Any]],
    other: Mapping[int, Mapping[str, Any]],
    our_draws: Mapping[int, Draws | None],
    other_draws: Mapping[int, Draws | None],
) -> dict[str, dict[str, list[float | None] | None]]:
    """Metric -> {"mean": [mean, deviation] over the splits that both have, "interval": [low, high] or None}.

    Args:
        ours, other: split -> metrics.json.
        our_draws, other_draws: split -> draws. There is an interval only if both have the same test trailers.
    """
    common = sorted(ours.keys() & other.keys())
    pairs = [(our_draws.get(split), other_draws.get(split)) for split in common]
    paired = [(one, two) for one, two in pairs if one and two and one.trailers == two.trailers]
    found: dict[str, dict[str, list[float | None] | None]] = {}
    for name in METRICS:
        values = [subtract(value_of(ours[split], name), value_of(other[split], name)) for split in common]
        drawn = [one.metrics[name] - two.metrics[name] for one, two in paired]
        whole = bool(drawn) and len(drawn) == len(common)
        found[name] = {
            "mean": list(mean_and_deviation(values)),
            "interval": as_list(interval(np.mean(drawn, axis=0))) if whole else None,
        }
    return found


def value_of(metrics: Mapping[str, Any], name: str) -> float | None:
    value: float | None = metrics["metrics"]["trapezoid"][name]
    return value


def subtract(one: float | None, two: float | None) -> float | None:
    return None if one is None or two is None else one - two


def as_list(pair: Sequence[float] | None) -> list[Any] | None:
    return None if pair is None else list(pair)
