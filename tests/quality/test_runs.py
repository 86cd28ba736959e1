"""Black and still runs, and cards."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trailers.quality import cards
from trailers.quality.light import luma, thumbnails
from trailers.quality.runs import black_frames, runs_of, still_runs


def levels(*values):
    """A thumbnail of one brightness per frame."""
    return np.stack([np.full((9, 16), value, np.uint8) for value in values])


def test_green_has_the_largest_weight_in_brightness():
    colours = np.array([[[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]]], np.uint8)
    assert luma(colours).tolist() == [[[54, 182, 18, 255]]]


def test_a_cell_is_the_mean_of_nine_pixels():
    grey = np.zeros((1, 27, 48), np.uint8)
    grey[0, 0, 0] = 90
    assert thumbnails(grey)[0, 0, :2].tolist() == [10, 0]


def test_runs_are_spans_of_true():
    assert runs_of(np.array([1, 1, 0, 1], bool)) == [(0, 2), (3, 4)]
    assert runs_of(np.array([], bool)) == []


@given(st.lists(st.booleans(), max_size=40))
def test_runs_cover_exactly_the_true_frames(which):
    covered = [frame for start, end in runs_of(np.array(which, bool)) for frame in range(start, end)]
    assert covered == [frame for frame, value in enumerate(which) if value]


def test_a_bright_spot_is_not_black():
    frames = levels(0, 24, 25)
    frames[0, 4, 7] = 60
    assert black_frames(frames, level=24).tolist() == [False, True, False]


def test_frames_that_differ_only_by_encoding_are_still():
    assert still_runs(levels(100, 102, 100, 101, 180, 181)) == [(0, 4), (4, 6)]


def test_a_slow_fade_is_not_still():
    assert max(end - start for start, end in still_runs(levels(*range(60, 120)))) == 9


def test_one_moving_cell_is_enough_to_be_moving():
    frames = levels(100, 100, 100)
    frames[1, 0, 0] = 120
    assert still_runs(frames) == []


def test_cards_are_searched_only_near_the_start_and_the_end():
    still = [(0, 72), (600, 700), (2300, 2350), (2380, 2390)]
    assert cards.candidates(still, 2400, shortest_s=1.5) == ([(0, 72)], [(2300, 2350)])


def test_a_card_has_much_of_one_colour_unlike_a_scene():
    card = np.full((27, 48, 3), (0, 96, 40), np.uint8)
    card[5:12] = 255
    assert cards.is_plain(card)
    assert cards.background(card) == ((0, 96, 40), 20 / 27)
    assert not cards.is_plain(np.random.default_rng(1).integers(0, 255, (27, 48, 3), np.uint8))


def test_rating_cards_are_recognised_by_their_colour():
    named = {(0, 96, 40): "green", (150, 20, 20): "red", (200, 170, 30): "yellow", (5, 5, 6): "black"}
    named |= {(240, 240, 250): "white", (20, 40, 120): "blue", (120, 120, 125): "grey"}
    assert {colour: cards.colour_name(colour) for colour in named} == named
