"""Modified copies are found; other trailers are not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trailers.domain import Shot
from trailers.quality import prints
from trailers.quality.matching import Match, Pictures, groups, leaks, members_of, near_duplicates

WHOLE = (0.0, 1.0, 0.0, 1.0)


def scenes(count, seed):
    """uint8 (count, 108, 192): smooth random pictures, as brightness."""
    random = np.random.default_rng(seed)
    coarse = random.normal(size=(count, 7, 12))
    fine = random.normal(size=(count, 14, 24)) * 0.5
    drawn = coarse.repeat(18, 1).repeat(18, 2)[:, :108, :192] + fine.repeat(9, 1).repeat(9, 2)[:, :108, :192]
    drawn = blurred(blurred(drawn, 1), 2)
    return np.clip(128 + 60 * drawn, 0, 255).astype(np.uint8)


def blurred(pictures, axis):
    return np.mean([np.roll(pictures, step, axis=axis) for step in range(-6, 7)], axis=0)


def small(pictures):
    """The picture at 48x27."""
    height, width = pictures.shape[1:]
    rows, columns = (np.linspace(0, size, cells + 1).astype(int)[:-1] for size, cells in ((height, 27), (width, 48)))
    sums = np.add.reduceat(np.add.reduceat(pictures.astype(float), rows, 1), columns, 2)
    parts = np.add.reduceat(np.add.reduceat(np.ones((1, height, width)), rows, 1), columns, 2)
    return (sums / parts).astype(np.uint8)


def pictures(large, *, frames=None, box=WHOLE):
    found, tells = prints.prints_of(small(large), box)
    assert tells.all()
    return Pictures(np.arange(len(large)) * 31 + 12 if frames is None else np.asarray(frames), found)


ORIGINAL = scenes(30, 1)


def marked(large):
    large = large.copy()
    large[:, 6:18, 150:180] = 250
    return large


COPIES = {
    "the same": ORIGINAL,
    "noisy": np.clip(ORIGINAL + np.random.default_rng(2).normal(0, 12, ORIGINAL.shape), 0, 255),
    "brighter": np.clip(ORIGINAL * 0.8 + 50, 0, 255),
    "cropped by 4 %": ORIGINAL[:, 2:-2, 4:-4],
    "cropped by 10 %": ORIGINAL[:, 5:-5, 10:-10],
    "cropped by 20 %": ORIGINAL[:, 11:-11, 19:-19],
    "cropped to 4:3": ORIGINAL[:, :, 24:-24],
    "marked": marked(ORIGINAL),
}


@pytest.mark.parametrize("what", COPIES)
def test_a_copy_is_found(what):
    (match,) = near_duplicates([pictures(ORIGINAL), pictures(COPIES[what])], share=0.5)
    assert (match.first, match.second, match.offset, match.speed) == (0, 1, 0, 1.0)
    assert match.share > 0.9


def test_a_copy_with_bars_is_found_by_the_picture_between_them():
    boxed = np.zeros((30, 144, 192), np.uint8)
    boxed[:, 18:126] = ORIGINAL
    (match,) = near_duplicates([pictures(ORIGINAL), pictures(boxed, box=(0.125, 0.875, 0, 1))], share=0.5)
    assert match.share == 1.0


def test_a_trimmed_copy_is_found_with_the_time_between_them():
    cut = pictures(ORIGINAL[10:20], frames=np.arange(10) * 31 + 12 + 100)
    (match,) = near_duplicates([pictures(ORIGINAL), cut], share=0.5)
    assert match == Match(0, 1, 1.0, 10, 100 - 310, 1.0)


def test_a_copy_at_25_frames_per_second_is_found():
    faster = pictures(ORIGINAL, frames=np.round((np.arange(30) * 31 + 12) * 24 / 25).astype(int))
    (match,) = near_duplicates([pictures(ORIGINAL), faster], share=0.5)
    assert (match.pictures, match.speed) == (30, 24 / 25)


def test_a_trailer_with_another_end_is_a_copy():
    other_end = np.concatenate([ORIGINAL[:22], scenes(8, 7)])
    (match,) = near_duplicates([pictures(ORIGINAL), pictures(other_end)], share=0.5)
    assert match.pictures == 22
    assert match.share == pytest.approx(22 / 30)


def test_trailers_of_one_film_that_share_some_scenes_at_other_times_are_not_copies():
    random = np.random.default_rng(3)
    other = np.concatenate([ORIGINAL[:12], scenes(18, 8)])[random.permutation(30)]
    assert near_duplicates([pictures(ORIGINAL), pictures(other)], share=0.5) == []


def test_different_scenes_are_not_copies():
    assert near_duplicates([pictures(scenes(30, seed)) for seed in range(20)], share=0.3) == []


def test_trailers_that_share_a_logo_are_not_copies():
    logo = scenes(6, 99)
    trailers = [pictures(np.concatenate([logo, scenes(24, seed)])) for seed in range(8)]
    assert near_duplicates(trailers, share=0.5) == []


def test_trailers_without_pictures_are_not_copies():
    nothing = Pictures(np.empty(0, np.int64), np.empty((len(prints.VIEWS), 0, 16), np.uint8))
    assert near_duplicates([nothing, nothing], share=0.5) == []
    assert near_duplicates([pictures(ORIGINAL), nothing], share=0.5) == []
    assert near_duplicates([], share=0.5) == []


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 20), st.integers(6, 10), st.integers(-500, 500))
def test_any_part_of_a_trailer_is_found_at_any_time(start, length, shift):
    frames = np.arange(length) * 31 + 1000 + shift
    part = pictures(ORIGINAL[start : start + length], frames=frames)
    (match,) = near_duplicates([pictures(ORIGINAL), part], share=0.5)
    assert match.offset == 1000 + shift - 31 * start - 12


def test_copies_of_copies_are_one_group():
    matches = [Match(4, 7, 1.0, 9, 0, 1.0), Match(1, 2, 1.0, 9, 0, 1.0), Match(2, 4, 1.0, 9, 0, 1.0)]
    assert groups(matches) == {1: 1, 2: 1, 4: 1, 7: 1}
    assert list(members_of(groups(matches[:2]))) == [[1, 2], [4, 7]]


def test_copies_in_several_subsets_are_reported_as_leaks():
    subsets = ("train", "validation", "test")
    assert leaks([0, 2, 0], subsets) == "train/test"
    assert leaks([1, 1, None], subsets) == ""


def test_the_times_of_pictures_are_counted_from_the_starts_of_shots():
    assert prints.picture_frames([Shot(0, 5), Shot(10, 70), Shot(70, 71)]) == [2, 22, 46, 70]
