"""Windows of one or several videos, and their batches."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector_lab import pixels, plain_probabilities, same, stand_in, video, with_network
from trailers.detector.detector import Video
from trailers.detector.windows import read_windows, window_count
from trailers.errors import StoreError


@pytest.mark.parametrize(("frames", "windows"), [(1, 1), (49, 1), (50, 1), (51, 2), (100, 2), (101, 3), (6000, 120)])
def test_a_window_begins_every_fifty_frames(frames, windows):
    assert window_count(frames) == windows


def test_a_video_has_at_least_one_frame():
    with pytest.raises(ValueError, match="at least one frame"):
        window_count(0)


def test_windows_are_padded_with_copies_of_the_first_and_last_frame():
    frames = np.arange(60, dtype=np.uint8)
    first, second = read_windows(lambda start, end: frames[start:end], 60, [0, 1])
    assert first.tolist() == [0] * 25 + list(range(60)) + [59] * 15
    assert second.tolist() == list(range(25, 60)) + [59] * 65


@given(st.integers(1, 6000), st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_scores_equal_those_of_one_window_at_a_time(count, batch_windows, seed):
    frames = pixels(count, seed)
    scores = with_network(stand_in, batch_windows=batch_windows).scores(video(frames))
    plain = plain_probabilities(frames)
    assert same(scores.single, plain[:, 0])
    assert same(scores.many, plain[:, 1])


def test_frames_are_read_in_small_portions():
    frames, portions = pixels(5000), []

    def read(start, end):
        portions.append(end - start)
        return frames[start:end]

    with_network(stand_in, batch_windows=2).scores(Video(5000, read))
    assert max(portions) == 500


@given(st.lists(st.integers(0, 300), min_size=1, max_size=8), st.integers(1, 9))
@settings(max_examples=40)
def test_windows_of_several_videos_share_batches_and_are_assigned_to_their_video(counts, batch_windows):
    """A count of 0 means a video that cannot be opened; every seventh video breaks off."""

    def open_video(number, count):
        if count == 0:
            raise StoreError(f"video {number}")
        frames = pixels(count, number)

        def read(start, end):
            if count % 7 == 0 and end > 100:
                raise StoreError(f"video {number}")
            return frames[start:end]

        return Video(count, read)

    detector = with_network(stand_in, batch_windows=batch_windows)
    found = list(detector.stream([functools.partial(open_video, *pair) for pair in enumerate(counts)]))
    assert len(found) == len(counts)
    for number, (count, scores) in enumerate(zip(counts, found, strict=True)):
        if isinstance(scores, StoreError):
            assert str(scores) == f"video {number}"
            assert count == 0 or (count % 7 == 0 and count > 75)
        else:
            assert same(scores.single, plain_probabilities(pixels(count, number))[:, 0])
