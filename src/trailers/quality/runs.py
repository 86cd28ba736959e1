"""Runs of frames that are black, or that do not change."""

from __future__ import annotations

import numpy as np

from trailers.quality.flags import Span

STEP = 2  # brightness that a cell of a thumbnail may differ from the frame before, as encoders leave it
DRIFT = 8  # and from the first frame of its run: a slow fade or zoom is not a still


def runs_of(which: np.ndarray) -> list[Span]:
    """The runs of True in bool (frames,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], np.asarray(which, bool), [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def black_frames(thumbnails: np.ndarray, *, level: int) -> np.ndarray:
    """bool (frames,): which of uint8 (frames, 9, 16) have no cell brighter than ``level``."""
    found: np.ndarray = thumbnails.reshape(len(thumbnails), -1).max(axis=1, initial=0) <= level
    return found


def still_runs(thumbnails: np.ndarray) -> list[Span]:
    """The runs of at least two frames of uint8 (frames, 9, 16) that hardly differ."""
    cells = thumbnails.reshape(len(thumbnails), -1).astype(np.int16)
    like_before = np.abs(np.diff(cells, axis=0)).max(axis=1, initial=0) <= STEP
    found: list[Span] = []
    for start, end in runs_of(like_before):
        found += without_drift(cells, start, end + 1)
    return found


def without_drift(cells: np.ndarray, start: int, end: int) -> list[Span]:
    """[start, end) cut where a frame differs too much from the first of its part; parts of one frame are left out."""
    found: list[Span] = []
    while end - start > 1:
        apart = np.abs(cells[start:end] - cells[start]).max(axis=1) > DRIFT
        stop = start + int(apart.argmax()) if apart.any() else end
        if stop - start > 1:
            found.append((start, stop))
        start = max(stop, start + 1)
    return found
