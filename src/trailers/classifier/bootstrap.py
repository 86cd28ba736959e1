"""The bootstrap: how much a metric would change with other test trailers.

Trailers are drawn with replacement, about as many as there are (the Poisson bootstrap). A draw is a weight per
trailer (how often it was drawn), so every curve is sorted once and all draws are sums over the same order.
"""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import numpy as np

from trailers.classifier.metrics import CONVENTIONS, LEFT_OUT, METRICS, areas, filled
from trailers.domain import SPLITS

MOST_WITHOUT = 0.05  # maximum share of draws without a value; an interval also leaves out this share
BLOCK = 1 << 17  # weights processed together: 1 MB, which stays in a cache


@functools.lru_cache(maxsize=len(SPLITS))
def draw(trailers: tuple[str, ...], *, draws: int) -> np.ndarray:
    """Float64 (draws, trailers), read-only: how often each trailer was drawn, Poisson with mean 1.

    A trailer's numbers come from its id alone, so in one draw it counts the same in every experiment and in every test
    set that contains it. With separate draws for each test set, a trailer that several of them share would count as
    several trailers, and the interval of a mean over splits would be too narrow.
    """
    found = np.empty((draws, len(trailers)))
    for number, trailer in enumerate(trailers):
        seed = int.from_bytes(hashlib.sha256(trailer.encode()).digest()[:16], "little")
        found[:, number] = np.random.default_rng(seed).poisson(1.0, draws)
    found.flags.writeable = False
    return found


def resampled(
    labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray, *, no_positives: str = LEFT_OUT
) -> dict[str, dict[str, np.ndarray]]:
    """Convention -> metric -> float64 (draws,), in percent: the metrics of ``scores_of`` for every draw.

    Args:
        labels: (trailers, genres), 0 or 1.
        probabilities: (trailers, genres).
        weights: (draws, trailers), as ``draw`` gives.
        no_positives: as in ``scores_of``.
    """
    genres = labels.shape[1]
    micro = weighted_areas(labels.ravel(), probabilities.ravel(), weights, repeat=genres)
    of_genre = [weighted_areas(labels[:, genre], probabilities[:, genre], weights) for genre in range(genres)]
    of_trailer = filled(areas(labels, probabilities), no_positives)
    positives = weights @ labels
    found: dict[str, dict[str, np.ndarray]] = {}
    for convention in CONVENTIONS:
        rows: Any = np.stack([area[convention] for area in of_genre], axis=1)
        rows = filled({convention: rows}, no_positives)[convention]
        values = (
            micro[convention],
            mean_of_rows(rows, np.ones_like(rows)),
            mean_of_rows(rows, positives),
            mean_of_rows(np.broadcast_to(of_trailer[convention], weights.shape), weights),
        )
        found[convention] = dict(zip(METRICS, (100 * value for value in values), strict=True))
    return found


def mean_of_rows(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weighted mean of each row without its NaN; NaN if all weights are 0."""
    weights = np.where(np.isnan(values), 0, weights)
    with np.errstate(invalid="ignore"):
        mean: np.ndarray = (np.nan_to_num(values) * weights).sum(axis=1) / weights.sum(axis=1)
    return mean


def weighted_areas(
    labels: np.ndarray, scores: np.ndarray, weights: np.ndarray, *, repeat: int = 1
) -> dict[str, np.ndarray]:
    """Convention -> area (draws,) under the precision-recall curve, each item counting as often as it was drawn.

    Args:
        labels: (n,), 0 or 1.
        scores: (n,).
        weights: (draws, n / repeat); ``repeat`` consecutive items belong to one trailer.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # the last of equal scores
    hits, trailers = labels[order].astype(np.float64), order // repeat
    found: dict[str, list[np.ndarray]] = {convention: [] for convention in CONVENTIONS}
    size = max(1, BLOCK // len(order))
    for first in range(0, len(weights), size):
        drawn = weights[first : first + size][:, trailers]
        counted = np.cumsum(drawn, axis=1)[:, ends]
        found_hits = np.cumsum(drawn * hits, axis=1)[:, ends]
        with np.errstate(invalid="ignore"):
            precision = np.where(counted > 0, found_hits / np.maximum(counted, 1), 1.0)
            gained = np.diff(found_hits / found_hits[:, -1:], axis=1, prepend=0.0)
        before = np.concatenate([np.ones((len(drawn), 1)), precision[:, :-1]], axis=1)
        found["trapezoid"].append((gained * (precision + before) / 2).sum(axis=1))
        found["step"].append((gained * precision).sum(axis=1))
    return {convention: np.concatenate(parts) for convention, parts in found.items()}


def interval(values: np.ndarray, *, level: float = 0.95) -> tuple[float, float] | None:
    """The percentile interval of ``values`` (draws,); None if more than MOST_WITHOUT of them are NaN.

    A draw of a small test set may contain no trailer of a genre, or no trailer; such draws are left out.
    """
    if not len(values) or np.isnan(values).mean() > MOST_WITHOUT:
        return None
    low, high = np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
