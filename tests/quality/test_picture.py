"""Bars, the picture between them, and the flags of a trailer."""

import numpy as np
import pytest

from trailers.quality import judging
from trailers.quality.flags import Flag, Limits
from trailers.quality.judging import Picture
from trailers.quality.looking import look
from trailers.quality.picture import Bars, bars, edges

LIMITS = Limits(bar_share=0.05, dark_level=24, dark_mean=18, black_s=3, static_s=5, card_s=1.5, min_shots=10)


def noise(count, seed=0):
    return np.random.default_rng(seed).integers(40, 255, (count, 27, 48, 3), dtype=np.uint8)


def barred(count, *, top=0, bottom=0, left=0, right=0):
    frames = noise(count)
    frames[:, :top] = 0
    frames[:, 27 - bottom :] = 0
    frames[:, :, :left] = 0
    frames[:, :, 48 - right :] = 0
    return frames


def seen(frames):
    return look([frames[start : start + 240] for start in range(0, len(frames), 240)], [], dark_level=24)


def found_bars(frames):
    return judging.find_bars(seen(frames), LIMITS)


def test_edges_count_black_rows_and_columns_from_outside():
    assert edges(barred(1, top=4, bottom=3, left=6)[..., 0], level=24).tolist() == [[4, 3, 6, 0]]


def test_a_bar_with_a_logo_is_a_bar():
    grey = barred(1, top=4, bottom=4)[..., 0]
    grey[0, 24:26, 44:47] = 255
    assert edges(grey, level=24)[0, :2].tolist() == [4, 4]


def test_bars_throughout_are_found_with_their_size():
    assert found_bars(barred(600, top=3, bottom=3)) == (Bars(3, 3, 1.0, ()), None)
    assert found_bars(barred(600, left=6, right=6)) == (None, Bars(6, 6, 1.0, ()))


def test_a_card_without_bars_does_not_hide_the_bars_of_the_rest():
    frames = np.concatenate([noise(120), barred(480, top=3, bottom=3)])
    assert found_bars(frames)[0] == Bars(3, 3, 0.8, ((120, 600),))


def test_bars_in_a_few_scenes_are_not_bars_of_the_trailer():
    assert found_bars(np.concatenate([barred(240, top=3, bottom=3), noise(360)])) == (None, None)


def test_a_dark_floor_is_not_a_bar():
    assert found_bars(barred(600, bottom=5)) == (None, None)


def test_dark_scenes_do_not_make_bars_larger():
    frames = barred(600, top=3, bottom=3)
    frames[120:240, :8] = 0
    frames[120:240, 19:] = 0
    assert found_bars(frames)[0] == Bars(3, 3, 1.0, ())


def test_a_black_trailer_has_no_bars():
    assert found_bars(np.zeros((240, 27, 48, 3), np.uint8)) == (None, None)


def test_without_windows_there_are_no_bars():
    assert bars({}, 0, 27, 0, share=0.05) is None


def test_bars_are_measured_in_the_pixels_of_the_video():
    large = np.full((2, 256, 456, 3), 120, np.uint8)
    large[:, :33] = 0
    large[:, 224:] = 0
    assert judging.measured(large, Bars(3, 3, 1.0, ()), None, level=24) == Picture(456, 256, 0, 33, 0, 32)


def test_frames_chosen_for_measuring_show_only_the_bars():
    frames = barred(240, top=3, bottom=3)
    frames[:120, :10] = 0
    assert judging.chosen_frames(seen(frames), Bars(3, 3, 1.0, ()), None, most=3) == [120, 168, 228]


def test_a_picture_that_consists_of_bars_is_refused():
    with pytest.raises(ValueError, match="at least one pixel"):
        Picture(100, 100, 50, 0, 50, 0)


def test_bars_make_a_wide_video_vertical():
    flags = list(judging.flags_of_picture(Picture(456, 256, 156, 0, 156, 0), None, Bars(16, 16, 1.0, ())))
    assert flags == [
        Flag("pillarbox", "bars take 68.4% of the width, throughout"),
        Flag("vertical", "the picture is 144x256 px"),
    ]


def test_the_brightness_is_that_of_the_picture_between_its_bars():
    frames = np.full((48, 27, 48, 3), 100, np.uint8)
    frames[:, :6] = 0
    frames[:, 21:] = 0
    assert judging.brightness(seen(frames), Picture(480, 270, 0, 60, 0, 60)) == pytest.approx(100)


def test_black_is_not_counted_as_dark():
    frames = np.concatenate([np.zeros((100, 27, 48, 3), np.uint8), np.full((48, 27, 48, 3), 100, np.uint8)])
    assert judging.brightness(seen(frames), Picture(480, 270)) == 100


def test_black_and_still_runs_and_cards_are_flagged_with_their_times():
    card = np.full((48, 27, 48, 3), (0, 96, 40), np.uint8)
    still = np.repeat(noise(1, 5), 130, axis=0)
    black = np.zeros((80, 27, 48, 3), np.uint8)
    frames = np.concatenate([card, noise(100), black, noise(50), still, noise(300), card])
    flags = list(judging.flags_of_frames(seen(frames), LIMITS, lambda number: frames[number]))
    assert flags == [
        Flag("black", "black for 3.3 s of 31.5 s, the longest run 3.3 s", ((148, 228),)),
        Flag("start_card", "still on green for 2.0 s", ((0, 48),)),
        Flag("end_card", "still on green for 2.0 s", ((708, 756),)),
        Flag("static", "unchanged for 5.4 s of 31.5 s, the longest run 5.4 s", ((278, 408),)),
    ]


def test_dark_trailers_and_few_shots_are_flagged():
    assert list(judging.flags_of_whole(18.0, 4, 240, LIMITS)) == [
        Flag("dark", "the mean brightness of the picture is 18.0 of 255"),
        Flag("few_shots", "4 shots in 10.0 s"),
    ]
    assert list(judging.flags_of_whole(18.1, 10, 240, LIMITS)) == []


def test_an_unknown_flag_is_refused():
    with pytest.raises(ValueError, match="got 'ugly'"):
        Flag("ugly", "")
