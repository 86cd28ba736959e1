"""Transition probabilities -> shots."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import numpy as np

from trailers.domain import FPS, Shot

SINGLE = "single"  # one frame marks a transition: it is the last of its shot
MANY = "many"  # every frame of a transition is marked; none belongs to a shot
HEADS = (SINGLE, MANY)
# In frames. The most common shot of a trailer has 24 frames, the mean is 32 (Sec. 7.1).
SHORT_MEDIAN = 6
LONG_SHOT = 720


def find_shots(probabilities: np.ndarray, *, threshold: float, head: str, min_frames: int) -> list[Shot]:
    """Shots of at least ``min_frames`` frames; there may be none.

    With ``head`` single these are the scenes of the reference, with open ends: the first flagged
    frame closes its shot, the next opens at the first frame after the run of flags. What is left
    out are the later frames of a run, a run at the start, and a run at the end but for its first frame.

        flags   0 0 0 1 1 1 0 0 0 0 1 0 0
        single  |-------)   |---------|---)
        many    |-----)     |-------) |---)

    Args:
        probabilities: (frames,) of that head.
        threshold: a frame is flagged above it.
        head: single or many.
        min_frames: shorter shots are dropped.

    Raises:
        ValueError: there are no probabilities.
    """
    if len(probabilities) == 0:
        raise ValueError("no probabilities, no shots: the video has no frames")
    flags = probabilities > threshold
    if flags.all():
        # The reference says so too: where all is transition, the whole is one shot.
        runs = [(0, len(flags))]
    else:
        edges = np.diff(np.concatenate(([True], flags, [True])).astype(np.int8))
        starts, ends = np.flatnonzero(edges == -1), np.flatnonzero(edges == 1)
        # Under the single head the frame that flags the transition still belongs to the shot it closes.
        extra = 1 if head == SINGLE else 0
        runs = [
            (start, min(end + extra, len(flags))) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        ]
    return [Shot(start, end) for start, end in runs if end - start >= min_frames]


def implausible(shots: Sequence[Shot], frames: int) -> str:
    """What is unlikely of a trailer's shots, as one sentence; empty where nothing is."""
    median, longest = statistics.median(map(len, shots)), max(map(len, shots))
    if len(shots) == 1:
        return f"a single shot in {frames} frames: no transition was found"
    if median < SHORT_MEDIAN:
        return f"half of its {len(shots)} shots are shorter than {SHORT_MEDIAN} frames"
    if longest > LONG_SHOT:
        return f"a shot lasts {longest} frames, {longest / FPS:.0f} s"
    return ""
