import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trailers.domain import Clip, ClipStrategy, Shot
from trailers.stages.clips import colour_histograms, cut_into_clips, representative_frame, spans_of

lengths = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 200)), max_size=30)


def shots_of(pairs):
    """Shots from pairs of (gap before the shot, length)."""
    shots, at = [], 0
    for gap, length in pairs:
        shots.append(Shot(at + gap, at + gap + length))
        at += gap + length
    return shots


def test_the_last_clip_of_a_shot_is_padded():
    assert cut_into_clips([Shot(0, 30)], frames=24) == [Clip(0, 0, 24, 0), Clip(0, 24, 30, 18)]


def test_a_shot_of_just_one_clip_has_no_padding():
    assert cut_into_clips([Shot(3, 27)], frames=24) == [Clip(0, 3, 27, 0)]


def test_every_shot_starts_a_new_clip():
    assert cut_into_clips([Shot(0, 1), Shot(2, 50)], frames=24) == [
        Clip(0, 0, 1, 23),
        Clip(1, 2, 26, 0),
        Clip(1, 26, 50, 0),
    ]


@given(lengths, st.integers(1, 40))
def test_clips_cover_their_shots_exactly_and_have_equal_lengths(pairs, frames):
    shots = shots_of(pairs)
    clips = cut_into_clips(shots, frames=frames)
    assert all(len(clip) == frames for clip in clips)
    covered = [(clip.shot, frame) for clip in clips for frame in range(clip.start, clip.end)]
    assert covered == [(n, frame) for n, shot in enumerate(shots) for frame in range(shot.start, shot.end)]


def test_sequences_ignore_shots_and_pad_their_end():
    whole = spans_of(ClipStrategy.parse("seq24"), [Shot(0, 10), Shot(12, 50)], 50)
    assert cut_into_clips(whole, frames=24) == [Clip(0, 0, 24, 0), Clip(0, 24, 48, 0), Clip(0, 48, 50, 22)]


def test_a_histogram_counts_the_pixels_of_each_channel():
    frame = np.array([[[[0, 127, 255], [0, 128, 255]]]], np.uint8)  # one frame of 1x2 pixels
    assert colour_histograms(frame, 2).tolist() == [[2, 0, 1, 1, 0, 2]]


def grey(*levels):
    return np.stack([np.full((27, 48, 3), level, np.uint8) for level in levels])


def test_the_most_frequent_picture_represents_the_clip():
    assert representative_frame(grey(10, 200, 200, 200, 10), bins=8) == 1


def test_the_earliest_of_equally_near_frames_represents_the_clip():
    assert representative_frame(grey(10, 200), bins=8) == 0
    assert representative_frame(grey(7, 7, 7), bins=8) == 0


def test_small_noise_does_not_change_the_histogram():
    assert representative_frame(grey(0, 70, 64, 80), bins=8) == 1  # 64..95 is one bin of eight


@given(st.integers(0, 2**32 - 1), st.integers(1, 24))
def test_the_frame_is_the_nearest_to_the_mean_histogram(seed, count):
    frames = np.random.default_rng(seed).integers(0, 256, (count, 3, 4, 3), dtype=np.uint8)
    histograms = np.stack(
        [np.concatenate([np.histogram(f[..., c], bins=8, range=(0, 256))[0] for c in range(3)]) for f in frames]
    )
    distances = np.linalg.norm(histograms - histograms.mean(axis=0), axis=1)
    chosen = representative_frame(frames, bins=8)
    assert distances[chosen] == pytest.approx(distances.min())
    assert not (distances[:chosen] < distances[chosen] - 1e-9).any()


def test_a_clip_without_frames_or_an_unsuitable_number_of_bins_is_refused():
    with pytest.raises(ValueError, match="without frames"):
        representative_frame(np.empty((0, 27, 48, 3), np.uint8), bins=8)
    with pytest.raises(ValueError, match="divide 256"):
        representative_frame(grey(1), bins=7)
