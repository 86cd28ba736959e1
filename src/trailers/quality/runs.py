"""Runs of frames that are black, or that do not change."""

from __future__ import annotations

import numpy as np

from trailers.quality.flags import Span

STEP = 2  # maximum difference in brightness of a thumbnail's cell from the frame before, which encoders cause
DRIFT = 8  # maximum difference from the first frame of the run, so that a slow fade or zoom is not still


def runs_of(which: np.ndarray) -> list[Span]:
    """The runs of True in bool (frames,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], np.asarray(which, bool), [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def black_frames(thumbnails: np.ndarray, *, level: int) -> np.ndarray:
    """bool (frames,): whether all cells of uint8 (frames, 9, 16) have a brightness of ``level`` or less."""
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
    """[start, end), cut wherever a frame differs too much from the first of its part, without parts of one frame."""
    found: list[Span] = []
    while end - start > 1:
        drifted = np.abs(cells[start:end] - cells[start]).max(axis=1) > DRIFT
        stop = start + int(drifted.argmax()) if drifted.any() else end
        if stop - start > 1:
            found.append((start, stop))
        start = max(stop, start + 1)
    return found
