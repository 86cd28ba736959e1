"""Detected and labelled transitions: which are matched, and how the others are counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trailers.detector.evaluation import Counts, Transition, best, by_kind, match, pooled, sweep, transitions_between
from trailers.domain import Shot


def cut(frame: int) -> Transition:
    """The cut before ``frame``."""
    return Transition(frame - 1, frame)


@pytest.mark.parametrize(
    ("tolerance", "detected", "hit"),
    [
        (0, 6, True),
        (0, 5, False),
        (1, 5, True),
        (1, 4, False),
        (2, 4, True),
        (2, 8, True),
        (2, 3, False),
        (2, 9, False),
    ],
)
def test_a_cut_matches_within_the_tolerance(tolerance, detected, hit):
    found = match([cut(6)], [cut(detected)], tolerance=tolerance)
    assert found.counts == (Counts(tp=1) if hit else Counts(fp=1, fn=1))


def test_each_transition_is_used_once_and_in_time_order():
    found = match([cut(10), cut(12)], [cut(11)], tolerance=2)
    assert found.hits == ((cut(10), cut(11)),)
    assert found.misses == (cut(12),)
    assert found.false_alarms == ()


def test_a_gradual_transition_is_hit_anywhere_inside_it():
    dissolve = Transition(50, 60)
    for frame in (50, 55, 62):
        assert match([dissolve], [cut(frame)], tolerance=2).counts == Counts(tp=1)
    assert match([dissolve], [cut(64)], tolerance=2).counts == Counts(fp=1, fn=1)


def test_shots_with_open_ends_give_the_transitions_between_them():
    assert transitions_between([Shot(0, 10), Shot(10, 20), Shot(25, 30)]) == [Transition(9, 10), Transition(19, 25)]
    assert [one.kind for one in transitions_between([Shot(0, 10), Shot(10, 20), Shot(25, 30)])] == ["cut", "gradual"]


def test_counts_are_added_and_rated():
    counts = pooled([match([cut(5)], [cut(5), cut(50)], tolerance=2), match([cut(5), cut(30)], [cut(5)], tolerance=2)])
    assert counts == Counts(tp=2, fp=1, fn=1)
    assert counts.precision == counts.recall == counts.f1 == 2 / 3
    assert (Counts().precision, Counts().recall, Counts().f1) == (0.0, 0.0, 0.0)


def test_kinds_say_what_was_missed_and_what_became_of_the_rest():
    labelled = [Transition(9, 10, "cut"), Transition(20, 30, "dissolve"), Transition(60, 70, "dissolve")]
    found = by_kind([match(labelled, [cut(10), cut(25)], tolerance=2)])
    assert found["cut"].detected_as == {"cut": 1}
    assert (found["dissolve"].labelled, found["dissolve"].missed, found["dissolve"].detected_as) == (2, 1, {"cut": 1})


def test_the_sweep_finds_the_threshold_between_right_and_wrong_flags():
    probabilities = np.zeros(40, np.float32)
    probabilities[[9, 29]] = 0.9, 0.4
    swept = sweep({"v": [cut(10)]}, {"v": probabilities}, thresholds=(0.3, 0.5, 0.95), head="single", tolerance=2)
    assert swept == {0.3: Counts(1, 1, 0), 0.5: Counts(1, 0, 0), 0.95: Counts(0, 0, 1)}
    assert best(swept) == 0.5


@given(st.lists(st.integers(1, 200), unique=True), st.lists(st.integers(1, 200), unique=True), st.integers(0, 4))
def test_every_transition_is_counted_exactly_once(labelled, detected, tolerance):
    counts = match([cut(n) for n in labelled], [cut(n) for n in detected], tolerance=tolerance).counts
    assert counts.tp + counts.fn == len(labelled)
    assert counts.tp + counts.fp == len(detected)


@given(st.lists(st.integers(1, 500), unique=True, min_size=1))
def test_the_labels_match_themselves(frames):
    assert match([cut(n) for n in frames], [cut(n) for n in frames], tolerance=2).counts == Counts(tp=len(frames))
