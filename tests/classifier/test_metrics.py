"""Areas under precision-recall curves, computed by hand and by scikit-learn."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import auc, average_precision_score, precision_recall_curve

from trailers.classifier.metrics import areas, cross_entropy, floor, mean_and_deviation, scores_of
from trailers.domain import GENRES


def area(labels, scores):
    """Trapezoid and step of one row."""
    found = areas(np.array([labels]), np.array([scores]))
    return [found["trapezoid"][0], found["step"][0]]


@pytest.mark.parametrize(
    ("labels", "scores", "trapezoid", "step"),
    [
        # A perfect ranking: precision 1 everywhere.
        ([1, 1, 0, 0], [0.9, 0.8, 0.2, 0.1], 1, 1),
        # Points (recall, precision): (0, 1), (1/2, 1), (1/2, 1/2), (1, 2/3).
        ([1, 0, 1], [0.9, 0.8, 0.7], 0.5 + 0.5 * (1 / 2 + 2 / 3) / 2, 0.5 + 0.5 * 2 / 3),
        # The only positive comes last of four: (0, 1), (0, 0), ..., (1, 1/4).
        ([0, 0, 0, 1], [0.9, 0.8, 0.7, 0.6], 1 / 8, 1 / 4),
        # A constant prediction is one point, (1, prior): (1 + 1/4) / 2 by trapezoid, 1/4 by step.
        ([0, 1, 0, 0], [0.3, 0.3, 0.3, 0.3], 0.625, 0.25),
        # The positive ties with one negative: in either order, one point (1, 1/2).
        ([1, 0, 0], [0.5, 0.5, 0.1], 0.75, 0.5),
        ([0, 1, 0], [0.5, 0.5, 0.1], 0.75, 0.5),
        # Everything positive.
        ([1, 1], [0.1, 0.2], 1, 1),
    ],
)
def test_curves_worked_by_hand(labels, scores, trapezoid, step):
    assert area(labels, scores) == pytest.approx([trapezoid, step])


def test_a_row_without_positives_has_no_area():
    assert np.isnan(area([0, 0], [0.1, 0.2])).all()


def test_rows_do_not_disturb_each_other():
    found = areas(
        np.array([[1, 0, 1], [0, 0, 0], [0, 0, 1]]), np.array([[0.9, 0.8, 0.7], [0.5, 0.5, 0.5], [0.2, 0.2, 0.2]])
    )
    assert found["step"] == pytest.approx([5 / 6, np.nan, 1 / 3], nan_ok=True)


scored = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=40)


@given(scored)
def test_areas_are_those_of_scikit_learn(pairs):
    labels, scores = [int(label) for label, _ in pairs], [score / 6 for _, score in pairs]
    if not any(labels):
        return
    precision, recall, _ = precision_recall_curve(labels, scores)
    assert area(labels, scores) == pytest.approx([auc(recall, precision), average_precision_score(labels, scores)])


def test_all_metrics_are_those_of_scikit_learn_on_scores_with_ties():
    random = np.random.default_rng(0)
    labels = (random.random((500, 10)) < 0.25).astype(int)
    labels[:, 0] |= labels.sum(axis=1) == 0
    scores = np.round(random.random((500, 10)) + 0.3 * labels, 2)
    found = scores_of(labels, scores, GENRES)["metrics"]["step"]
    for name, average in (("micro", "micro"), ("macro", "macro"), ("weighted", "weighted"), ("sample", "samples")):
        assert found[name] == pytest.approx(100 * average_precision_score(labels, scores, average=average)), name


def test_trapezoid_metrics_are_those_of_scikit_learn():
    random = np.random.default_rng(1)
    labels = (random.random((60, 10)) < 0.3).astype(int)
    labels[:, 3] |= labels.sum(axis=1) == 0
    scores = np.round(random.random((60, 10)), 1)

    def by_trapezoid(truth, guess):
        precision, recall, _ = precision_recall_curve(truth, guess)
        return 100 * auc(recall, precision)

    found = scores_of(labels, scores, GENRES)
    genres = [by_trapezoid(labels[:, i], scores[:, i]) for i in range(10)]
    assert found["metrics"]["trapezoid"] == pytest.approx(
        {
            "micro": by_trapezoid(labels.ravel(), scores.ravel()),
            "macro": np.mean(genres),
            "weighted": np.average(genres, weights=labels.sum(axis=0)),
            "sample": np.mean([by_trapezoid(*row) for row in zip(labels, scores, strict=True)]),
        }
    )
    assert [found["genres"][genre]["trapezoid"] for genre in GENRES] == pytest.approx(genres)


def test_weights_are_the_positives():
    # action: 1 of 3, found last (step 1/3); drama: 2 of 3, found first (step 1).
    found = scores_of(
        np.array([[1, 0], [0, 1], [0, 1]]), np.array([[0.1, 0.1], [0.2, 0.9], [0.3, 0.8]]), ("action", "drama")
    )
    assert found["metrics"]["step"]["macro"] == pytest.approx(100 * (1 / 3 + 1) / 2)
    assert found["metrics"]["step"]["weighted"] == pytest.approx(100 * (1 / 3 + 2) / 3)


def test_a_genre_without_trailers_is_undefined_and_left_out_of_the_means():
    found = scores_of(np.array([[1, 0], [0, 0]]), np.array([[0.9, 0.5], [0.1, 0.6]]), ("action", "drama"))
    assert found["genres"]["drama"] == {"positives": 0, "trapezoid": None, "step": None}
    assert found["metrics"]["step"]["macro"] == found["metrics"]["step"]["weighted"] == 100


def test_metrics_of_no_trailers_are_undefined_and_not_an_error():
    for labels in (np.zeros((3, 2)), np.zeros((0, 2))):
        metrics = scores_of(labels, np.full(labels.shape, 0.5), ("action", "drama"))["metrics"]
        assert metrics["trapezoid"] == {"micro": None, "macro": None, "weighted": None, "sample": None}


@pytest.mark.parametrize(
    ("labels", "scores"),
    [([[1, 0]], [[0.1, np.nan]]), ([[1, 2]], [[0.1, 0.2]]), ([[1, 0]], [[0.1]]), ([1, 0], [0.1, 0.2])],
)
def test_invalid_labels_or_scores_are_refused(labels, scores):
    with pytest.raises(ValueError, match="labels"):
        areas(np.array(labels), np.array(scores))


def test_a_constant_predictor_scores_as_computed_from_the_real_labels(shared_data):
    """The published numbers are by trapezoid, in which a constant prediction already scores mAP 62.6."""
    with (shared_data / "trailers12k" / "mtgc.csv").open() as file:
        rows = list(csv.DictReader(file))
    labels = np.array([[int(row[genre]) for genre in GENRES] for row in rows])
    split = np.array([int(row["split0"]) for row in rows])
    found = floor(labels[split == 0], labels[split == 2], GENRES)
    assert round(found["trapezoid"]["macro"], 1) == 62.6
    assert round(found["trapezoid"]["weighted"], 1) == 65.2
    assert round(found["step"]["macro"], 1) == 25.2
    assert round(found["step"]["weighted"], 1) == 30.4


def test_the_floor_comes_from_the_training_subset():
    # In training, drama is more frequent than action; the only test trailer is action.
    found = floor(np.array([[1, 1], [0, 1]]), np.array([[1, 0]]), ("action", "drama"))
    assert found["step"]["sample"] == 50


def test_mean_and_deviation_over_splits():
    assert mean_and_deviation([1.0, 2.0, 6.0]) == (3.0, pytest.approx(7**0.5))
    assert mean_and_deviation([4.0]) == (4.0, None)
    assert mean_and_deviation([4.0, None]) == (None, None)
    assert mean_and_deviation([]) == (None, None)


def test_cross_entropy_by_hand_and_at_the_ends():
    assert cross_entropy(np.array([[1.0, 0.0]]), np.array([[0.5, 0.75]])) == pytest.approx((np.log(2) + np.log(4)) / 2)
    assert cross_entropy(np.array([[1.0, 0.0]]), np.array([[1.0, 0.0]])) == 0
    assert cross_entropy(np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]])) == 100


def test_a_genre_without_positives_counts_as_in_scikit_learn():
    from sklearn.metrics import auc, average_precision_score, precision_recall_curve

    labels = np.array([[1, 0, 0], [0, 0, 1], [1, 0, 0]])
    scores = np.array([[0.9, 0.2, 0.3], [0.6, 0.1, 0.2], [0.4, 0.7, 0.1]])
    found = scores_of(labels, scores, ("action", "drama", "horror"), no_positives="sklearn")
    with pytest.warns(UserWarning, match="No positive class"):
        curves = [precision_recall_curve(labels[:, genre], scores[:, genre]) for genre in range(3)]
    trapezoids = [auc(recall, precision) for precision, recall, _ in curves]
    assert trapezoids[1] == 0.5
    assert found["metrics"]["trapezoid"]["macro"] == pytest.approx(100 * np.mean(trapezoids))
    with pytest.warns(UserWarning, match="No positive class"):
        steps = [average_precision_score(labels[:, genre], scores[:, genre]) for genre in range(3)]
    assert found["metrics"]["step"]["macro"] == pytest.approx(100 * np.mean(steps))
    assert found["genres"]["drama"] == {"positives": 0, "trapezoid": None, "step": None}
    left_out = scores_of(labels, scores, ("action", "drama", "horror"))
    assert left_out["metrics"]["trapezoid"]["macro"] == pytest.approx(100 * (trapezoids[0] + trapezoids[2]) / 2)
