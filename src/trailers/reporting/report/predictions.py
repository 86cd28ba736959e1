"""Predictions of experiments for the trailers of their test sets: curves, and the best and worst examples."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trailers.classifier.metrics import areas, precision_recall
from trailers.domain import GENRES
from trailers.errors import StoreError
from trailers.genres import check_same
from trailers.reporting.drawing.curves import GenreScores
from trailers.store import experiment_files
from trailers.store.experiment import PREDICTIONS, read_metrics

log = logging.getLogger(__name__)

SHOWN = 4  # number of examples of each kind per genre


@dataclass(frozen=True)
class Predictions:
    """The test trailers of one split. ``probabilities`` and ``labels`` are (trailers, genres)."""

    trailers: tuple[str, ...]
    probabilities: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Examples:
    """Example trailers of one genre with their predicted probabilities."""

    genre: str
    found: tuple[tuple[str, float], ...]  # have it, most probable first
    missed: tuple[tuple[str, float], ...]  # have it, least probable first
    claimed: tuple[tuple[str, float], ...]  # do not have it, most probable first


def read_predictions(metrics: Sequence[Path], genres: Sequence[str] = GENRES) -> dict[str, list[Predictions]]:
    """Experiment -> the predictions on each of its splits; experiments without predictions are left out.

    Raises:
        StoreError: an experiment was trained on other genres.
    """
    found: dict[str, list[Predictions]] = {}
    for path in metrics:
        try:
            name = str(read_metrics(path)["experiment"])
            known, rows = experiment_files.read_predictions(path.with_name(PREDICTIONS))
        except StoreError as problem:
            log.warning("report: %s", problem)
            continue
        check_same(known, genres, path.parent)
        found.setdefault(name, []).append(test_rows(rows, len(genres)))
    return found


def test_rows(rows: Sequence[Sequence[str]], genres: int) -> Predictions:
    """The rows of test trailers; ``genres`` is how many there are."""
    chosen = [row for row in rows if row[1] == "test"]
    numbers = np.array([row[2:] for row in chosen], np.float64).reshape(len(chosen), 2 * genres)
    return Predictions(tuple(row[0] for row in chosen), numbers[:, :genres], numbers[:, genres:].astype(int))


def genre_scores(splits: Sequence[Predictions], genres: Sequence[str] = GENRES) -> list[GenreScores]:
    """Areas and curves of each genre that any test set has; a split without a trailer of the genre gives none."""
    scores = []
    for number, genre in enumerate(genres):
        known = [(split.labels[:, number], split.probabilities[:, number]) for split in splits]
        known = [(labels, predicted) for labels, predicted in known if labels.any()]
        if not known:
            continue
        scores.append(
            GenreScores(
                genre,
                tuple(100 * float(areas(labels[None], predicted[None])["trapezoid"][0]) for labels, predicted in known),
                tuple(100 * float(labels.mean()) for labels, _ in known),
                tuple(precision_recall(labels, predicted) for labels, predicted in known),
            )
        )
    return scores


def examples(splits: Sequence[Predictions], genres: Sequence[str] = GENRES, count: int = SHOWN) -> list[Examples]:
    """The clearest hits, misses and false alarms of each genre; a trailer in several test sets counts in the first."""
    seen: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for split in splits:
        for trailer, predicted, labels in zip(split.trailers, split.probabilities, split.labels, strict=True):
            seen.setdefault(trailer, (predicted, labels))
    return [examples_of(number, genre, seen, count) for number, genre in enumerate(genres)]


def examples_of(number: int, genre: str, seen: Mapping[str, tuple[np.ndarray, np.ndarray]], count: int) -> Examples:
    with_it = [(trailer, float(found[number])) for trailer, (found, labels) in seen.items() if labels[number]]
    without = [(trailer, float(found[number])) for trailer, (found, labels) in seen.items() if not labels[number]]
    falling = sorted(with_it, key=lambda each: -each[1])
    found = falling[:count]
    missed = [each for each in falling[::-1] if each not in found][:count]
    return Examples(genre, tuple(found), tuple(missed), tuple(sorted(without, key=lambda each: -each[1])[:count]))
