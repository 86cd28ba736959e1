"""Finds shots in transition probabilities."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import numpy as np

from trailers.domain import FPS, Shot

SINGLE = "single"  # one frame marks a transition: the last frame of its shot
MANY = "many"  # all frames of a transition are marked; they do not belong to a shot
HEADS = (SINGLE, MANY)
# In frames. The most common length of shots in trailers is 24 frames, the mean is 32 (Sec. 7.1).
SHORT_MEDIAN = 6
LONG_SHOT = 720


def find_shots(probabilities: np.ndarray, *, threshold: float, head: str, min_frames: int) -> list[Shot]:
    """Shots of ``min_frames`` or more frames; there may be none.

    With the head single, these are the scenes of the reference, with open ends: the first flagged frame ends its shot,
    and the next shot starts at the first frame after the run of flags. The later frames of a run, the frames of a run
    at the start, and those of a run at the end except its first frame do not belong to a shot.

        flags   0 0 0 1 1 1 0 0 0 0 1 0 0
        single  |-------)   |---------|---)
        many    |-----)     |-------) |---)

    Args:
        probabilities: (frames,) of the head.
        threshold: frames with a higher probability are flagged.
        head: single or many.
        min_frames: shorter shots are dropped.

    Raises:
        ValueError: there are no probabilities.
    """
    if len(probabilities) == 0:
        raise ValueError("the video has no frames, so there are no probabilities")
    flags = probabilities > threshold
    if flags.all():
        # As in the reference: if all frames are flagged, the whole video is one shot.
        runs = [(0, len(flags))]
    else:
        edges = np.diff(np.concatenate(([True], flags, [True])).astype(np.int8))
        starts, ends = np.flatnonzero(edges == -1), np.flatnonzero(edges == 1)
        # With the single head, the frame that marks the transition still belongs to the shot that it ends.
        extra = 1 if head == SINGLE else 0
        runs = [
            (start, min(end + extra, len(flags))) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        ]
    return [Shot(start, end) for start, end in runs if end - start >= min_frames]


def implausible(shots: Sequence[Shot], frames: int) -> str:
    """One sentence if the shots of a trailer are implausible, otherwise ""."""
    median, longest = statistics.median(map(len, shots)), max(map(len, shots))
    if len(shots) == 1:
        return f"a single shot in {frames} frames: no transition was found"
    if median < SHORT_MEDIAN:
        return f"half of its {len(shots)} shots are shorter than {SHORT_MEDIAN} frames"
    if longest > LONG_SHOT:
        return f"a shot lasts {longest} frames, {longest / FPS:.0f} s"
    return ""
