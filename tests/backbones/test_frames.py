"""Which frames of a clip a backbone uses."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as some

from trailers.backbones.row import Row, Transform, Weights, clip_frames
from trailers.backbones.rows import ROWS
from trailers.domain import ClipStrategy


def row_3d(frames: int | None, least: int = 1) -> Row:
    transform = Transform((8,), (8, 8), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    return Row("made-up", "own", "made-up", 3, 4, transform, Weights("none", "none.pth"), frames, least)


@pytest.mark.parametrize(
    ("frames", "shown", "taken"),
    [
        (None, 5, [0, 1, 2, 3, 4]),
        (4, 4, [0, 1, 2, 3]),
        (16, 24, [0, 1, 3, 4, 6, 7, 9, 10, 12, 13, 15, 16, 18, 19, 21, 23]),
        (8, 24, [0, 3, 6, 9, 13, 16, 19, 23]),
        (
            32,
            24,
            [
                0,
                0,
                1,
                2,
                2,
                3,
                4,
                5,
                5,
                6,
                7,
                8,
                8,
                9,
                10,
                11,
                11,
                12,
                13,
                14,
                14,
                15,
                16,
                17,
                17,
                18,
                19,
                20,
                20,
                21,
                22,
                23,
            ],
        ),
        (4, 1, [0, 0, 0, 0]),
    ],
)
def test_wanted_frames_are_spread_from_the_first_shown_to_the_last(
    frames: int | None, shown: int, taken: list[int]
) -> None:
    assert list(row_3d(frames).take(shown)) == taken


def test_a_network_that_needs_more_frames_than_are_shown_gets_some_twice() -> None:
    assert row_3d(None, least=5).take(3) == (0, 0, 1, 1, 2)


@given(wanted=some.integers(2, 64), shown=some.integers(1, 64))
def test_chosen_frames_ascend_and_include_the_first_and_the_last(wanted: int, shown: int) -> None:
    taken = row_3d(wanted).take(shown)
    assert len(taken) == wanted
    assert (taken[0], taken[-1]) == (0, shown - 1)
    assert all(0 <= b - a <= max(1, -(-(shown - 1) // (wanted - 1))) for a, b in itertools.pairwise(taken))


def test_padding_is_black_for_3d_networks_and_not_read_by_2d_networks() -> None:
    strategy = ClipStrategy.parse("shot8")
    assert clip_frames(row_3d(None), strategy, start=10, valid=3, frame=11) == [10, 11, 12, -1, -1, -1, -1, -1]
    assert clip_frames(row_3d(4), strategy, start=10, valid=8, frame=11) == [10, 12, 14, 17]
    assert clip_frames(ROWS["resnet50"], strategy, start=10, valid=3, frame=11) == [11]


def test_a_lower_frame_rate_shows_the_first_frame_of_every_step() -> None:
    strategy = ClipStrategy.parse("shot24-fps8")
    assert clip_frames(row_3d(None), strategy, start=100, valid=24, frame=103) == [
        100,
        103,
        106,
        109,
        112,
        115,
        118,
        121,
    ]
    # 7 valid frames contain the steps at 0, 3 and 6.
    assert clip_frames(row_3d(None), strategy, start=100, valid=7, frame=103) == [100, 103, 106, -1, -1, -1, -1, -1]
