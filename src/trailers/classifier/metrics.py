"""Areas under precision-recall curves: micro, macro, weighted, sample, and of each genre (Sec. 6).

Two conventions give very different numbers, so both are computed and every number names its convention:

trapezoid  straight lines between the points of the curve, from precision 1 at recall 0. The
           published numbers are these. A constant prediction scores (1 + prior) / 2.
step       average precision: each gain in recall is weighted by the precision at that point. A
           constant prediction scores its prior.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

CONVENTIONS = ("trapezoid", "step")
METRICS = ("micro", "macro", "weighted", "sample")

# A genre without trailers, or a trailer without genres, is left out of the means. The alternative follows
# scikit-learn: recall is 1 at every threshold, so the trapezoid is one half and average precision is 0.
LEFT_OUT, AS_SKLEARN = NO_POSITIVES = ("left_out", "sklearn")
WITHOUT_POSITIVES = {"trapezoid": 0.5, "step": 0.0}


def areas(labels: np.ndarray, scores: np.ndarray) -> dict[str, np.ndarray]:
    """Convention -> area (rows,) under the precision-recall curve of every row, in [0, 1].

    Equal scores are one point of the curve. The areas of a row without positives are NaN, as its recall is undefined.

    Args:
        labels: (rows, n), 0 or 1.
        scores: (rows, n), higher is more likely.

    Raises:
        ValueError: shapes differ, a label is not 0 or 1, or a score is NaN.
    """
    labels, scores = np.asarray(labels, np.float64), np.asarray(scores, np.float64)
    if labels.shape != scores.shape or labels.ndim != 2:
        raise ValueError(f"labels {labels.shape} and scores {scores.shape} must have the same shape (rows, n)")
    if not np.isin(labels, (0, 1)).all() or np.isnan(scores).any():
        raise ValueError("labels must be 0 or 1, and scores must be numbers")
    rows, n = labels.shape
    if not n:
        return {convention: np.full(rows, np.nan) for convention in CONVENTIONS}
    order = np.argsort(-scores, axis=1, kind="stable")
    ranked = np.take_along_axis(scores, order, axis=1)
    hits = np.take_along_axis(labels, order, axis=1).cumsum(axis=1)
    # Only the last of equal scores is a point of the curve; the others repeat the preceding point.
    last_of_equals = np.ones((rows, n), bool)
    last_of_equals[:, :-1] = ranked[:, :-1] != ranked[:, 1:]
    point = np.maximum.accumulate(np.where(last_of_equals, np.arange(n), -1), axis=1)
    has_point, point = point >= 0, np.maximum(point, 0)
    found = np.take_along_axis(hits, point, axis=1)
    precision, recall = np.ones((rows, n + 1)), np.zeros((rows, n + 1))
    precision[:, 1:] = np.where(has_point, found / (point + 1), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        recall[:, 1:] = np.where(has_point, found, 0) / hits[:, -1:]
    gained = np.diff(recall, axis=1)
    return {
        "trapezoid": (gained * (precision[:, 1:] + precision[:, :-1]) / 2).sum(axis=1),
        "step": (gained * precision[:, 1:]).sum(axis=1),
    }


def scores_of(
    labels: np.ndarray, probabilities: np.ndarray, genres: Sequence[str], *, no_positives: str = LEFT_OUT
) -> dict[str, Any]:
    """All metrics of a test set, in percent; None where a metric is undefined.

    ``{"metrics": {convention: {metric: value}}, "genres": {genre: {"positives": n, convention: value}}}``.
    Args:
        labels: (trailers, genres), 0 or 1.
        probabilities: (trailers, genres).
        no_positives: ``left_out`` leaves a genre without positives, and a trailer without genres, out of the means;
            ``sklearn`` counts them with the value that scikit-learn gives.
    """
    labels = np.asarray(labels)
    of_genres = areas(labels.T, probabilities.T)
    micro, genre, sample = (
        filled(found, no_positives)
        for found in (
            areas(labels.reshape(1, -1), probabilities.reshape(1, -1)),
            of_genres,
            areas(labels, probabilities),
        )
    )
    positives = labels.sum(axis=0)
    return {
        "metrics": {
            convention: {
                "micro": percent(micro[convention]),
                "macro": percent(genre[convention]),
                "weighted": percent(genre[convention], positives),
                "sample": percent(sample[convention]),
            }
            for convention in CONVENTIONS
        },
        "genres": {
            name: {"positives": int(positives[i])} | {c: percent(of_genres[c][i : i + 1]) for c in CONVENTIONS}
            for i, name in enumerate(genres)
        },
    }


def filled(found: dict[str, np.ndarray], no_positives: str) -> dict[str, np.ndarray]:
    """The areas (rows,) of ``areas``, with the undefined ones replaced if ``no_positives`` is ``sklearn``."""
    if no_positives == LEFT_OUT:
        return found
    return {name: np.where(np.isnan(rows), WITHOUT_POSITIVES[name], rows) for name, rows in found.items()}


def percent(areas: np.ndarray, weights: np.ndarray | None = None) -> float | None:
    """Mean of the areas that are defined, x 100."""
    defined = ~np.isnan(areas)
    if not defined.any() or (weights is not None and not weights[defined].sum()):
        return None
    return float(100 * np.average(areas[defined], weights=None if weights is None else weights[defined]))


def floor(
    train_labels: np.ndarray, labels: np.ndarray, genres: Sequence[str], *, no_positives: str = LEFT_OUT
) -> dict[str, Any]:
    """The metrics of a constant prediction: for every trailer, the genres' shares of the training subset."""
    prior = np.asarray(train_labels, np.float64).mean(axis=0)
    guess = np.broadcast_to(prior, labels.shape)
    found: dict[str, Any] = scores_of(labels, guess, genres, no_positives=no_positives)["metrics"]
    return found


def mean_and_deviation(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Mean and standard deviation (ddof = 1) over splits.

    Both are None if a split has no value; the deviation is None for a single split.
    """
    known = [value for value in values if value is not None]
    if not known or len(known) != len(values):
        return None, None
    return float(np.mean(known)), float(np.std(known, ddof=1)) if len(known) > 1 else None


def cross_entropy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean binary cross entropy over trailers and genres; logarithms are limited to -100, as in torch."""
    with np.errstate(divide="ignore"):
        yes, no = np.maximum(np.log(probabilities), -100), np.maximum(np.log1p(-probabilities), -100)
    return float(-(labels * yes + (1 - labels) * no).mean())


def undefined(labels: np.ndarray, genres: Sequence[str]) -> list[str]:
    """The genres that no trailer has."""
    return [genre for genre, count in zip(genres, np.asarray(labels).sum(axis=0), strict=True) if not count]


Counts = Mapping[str, int]


def positives(labels: np.ndarray, genres: Sequence[str]) -> Counts:
    """Genre -> number of trailers that have it."""
    return {genre: int(count) for genre, count in zip(genres, np.asarray(labels).sum(axis=0), strict=True)}


def precision_recall(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision (points,) in [0, 1] of the curve whose area ``areas`` gives; it begins at (0, 1).

    Args:
        labels: (trailers,), 0 or 1; at least one is 1.
        scores: (trailers,).
    """
    order = np.argsort(-scores, kind="stable")
    hits, ranked = np.cumsum(np.asarray(labels)[order]), np.asarray(scores)[order]
    # Only the last of equal scores is a point of the curve.
    points = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    recall, precision = hits[points] / hits[-1], hits[points] / (points + 1)
    return np.insert(recall, 0, 0.0), np.insert(precision, 0, 1.0)
