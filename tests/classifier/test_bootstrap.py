"""The bootstrap gives, for every draw, the metrics of the drawn trailers."""

from __future__ import annotations

import numpy as np
import pytest

from trailers.classifier.bootstrap import draw, interval, resampled
from trailers.classifier.metrics import CONVENTIONS, METRICS, scores_of

NAMES = tuple(f"t{number}" for number in range(40))


def labels_and_scores(trailers=40, genres=3, ties=False):
    random = np.random.default_rng(5)
    labels = (random.random((trailers, genres)) < 0.3).astype(float)
    labels[:, 0] = np.maximum(labels[:, 0], labels.sum(axis=1) == 0)
    scores = random.random((trailers, genres))
    return labels, np.round(scores, 1) if ties else scores


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("no_positives", ["left_out", "sklearn"])
def test_every_draw_gives_the_metrics_of_the_drawn_trailers(ties, no_positives):
    labels, scores = labels_and_scores(ties=ties)
    labels[:, 2] = 0
    labels[3, 2] = 1  # so that some draws have no trailer of this genre
    weights = draw(NAMES, draws=25)
    found = resampled(labels, scores, weights, no_positives=no_positives)
    assert {weights[n, 3] for n in range(25)} >= {0.0, 1.0}
    for number in range(25):
        drawn = np.repeat(np.arange(40), weights[number].astype(int))
        expected = scores_of(labels[drawn], scores[drawn], "abc", no_positives=no_positives)["metrics"]
        for convention in CONVENTIONS:
            for metric in METRICS:
                assert found[convention][metric][number] == pytest.approx(expected[convention][metric], abs=1e-9)


def test_drawing_every_trailer_once_gives_the_plain_metrics():
    labels, scores = labels_and_scores()
    found = resampled(labels, scores, np.ones((1, 40)))
    expected = scores_of(labels, scores, "abc")["metrics"]
    assert found["trapezoid"]["micro"][0] == pytest.approx(expected["trapezoid"]["micro"])


def test_a_trailer_counts_the_same_in_every_test_set_of_a_draw():
    one, other = draw(("a", "b", "c"), draws=200), draw(("c", "d", "a"), draws=200)
    assert (one[:, [0, 2]] == other[:, [2, 0]]).all()
    assert (one[:, 0] != one[:, 1]).any()


def test_a_trailer_is_drawn_once_on_average():
    weights = draw(tuple(f"t{number}" for number in range(400)), draws=500)
    assert weights.mean() == pytest.approx(1, abs=0.01)
    assert weights.var() == pytest.approx(1, abs=0.02)


def test_the_interval_leaves_one_fortieth_on_either_side():
    assert interval(np.arange(1001.0)) == pytest.approx((25.0, 975.0))
    assert interval(np.array([1.0, np.nan])) is None
    assert interval(np.append(np.arange(1001.0), np.nan)) == pytest.approx((25.0, 975.0))
    assert interval(np.array([])) is None
