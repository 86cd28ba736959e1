"""The frames that a page shows."""

from __future__ import annotations

import numpy as np

from trailers.domain import Clip, Shot
from trailers.pages.choice import MOST_FRAMES, frames_of_clips, frames_of_shots, most_varied

SHOTS = [Shot(0, 30), Shot(30, 40)]
CLIPS = [Clip(0, 0, 24, 0, 7), Clip(0, 24, 30, 18, 25), Clip(1, 30, 40, 14, 33)]


def test_the_picture_of_a_shot_is_the_representative_frame_of_its_middle_clip():
    assert frames_of_shots(SHOTS, {"seq24": [Clip(0, 0, 40, 0)], "shot24": CLIPS}) == [25, 33]


def test_without_shot_clips_the_picture_of_a_shot_is_its_middle_frame():
    assert frames_of_shots(SHOTS, {"seq24": [Clip(0, 0, 40, 0)]}) == [15, 35]


def test_pictures_of_a_clip_are_its_first_representative_and_last_frame():
    assert frames_of_clips({"shot24": CLIPS}) == [0, 7, 24, 25, 29, 30, 33, 39]  # 23 looks like 24


def test_if_there_are_too_many_frames_those_of_the_first_strategy_are_kept():
    first = [Clip(n, 10 * n, 10 * n + 10, 0, 10 * n + 5) for n in range(300)]
    second = [Clip(0, 7 * n, 7 * n + 7, 0, 7 * n + 3) for n in range(2000)]
    frames = frames_of_clips({"shot10": first, "seq7": second})
    assert len(frames) == MOST_FRAMES
    assert {frame for clip in first for frame in (clip.start, clip.frame, clip.end - 1)} <= set(frames)


def test_the_thumbnail_is_neither_black_nor_a_card_of_text():
    black = np.zeros((16, 16, 3), np.uint8)
    card = black.copy()
    card[6:9, 2:14] = 255
    varied = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    assert most_varied(np.stack([black, card, varied, black])) == 2
