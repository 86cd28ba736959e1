"""Divides a video of any length into windows, and says which rows of their scores are kept.

    frames        0        25       50       75       100 ...
    window 0   |--25 copies--|========50 kept=======|--25--|        of frames [-25, 75)
    window 1              |--25--|========50 kept=======|--25--|    of frames [25, 125)

A window has 100 frames, and one starts every 50 frames. Outside the video, its first and last frame are repeated. Rows
25 to 74 of every window are kept, up to the length of the video. Several well-known implementations leave out the
repeated frames at the end and differ in the last frames of nearly every video.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

WINDOW = 100  # frames per window
STRIDE = 50  # frames from one window to the next, and kept rows per window
CONTEXT = 25  # frames of a window before and after the kept ones

Read = Callable[[int, int], np.ndarray]  # (start, end) -> uint8 (end - start, 27, 48, 3)


def window_count(frames: int) -> int:
    """Number of windows of a video with ``frames`` frames."""
    if frames < 1:
        raise ValueError(f"a video has at least one frame, got {frames}")
    return -(-frames // STRIDE)


def kept_rows(window: int, frames: int) -> tuple[int, int]:
    """The frames [start, end) whose scores ``window`` gives."""
    return window * STRIDE, min((window + 1) * STRIDE, frames)


def read_windows(read: Read, frames: int, windows: Sequence[int]) -> np.ndarray:
    """The frames of some windows, uint8 (len(windows), 100, 27, 48, 3).

    Args:
        read: gives the frames [start, end) of the video; called once for all windows.
        frames: number of frames of the whole video.
        windows: numbers of windows, ascending; frames between them are read too, so they should be near each other.
    """
    starts = np.asarray(windows)[:, None] * STRIDE - CONTEXT
    wanted = np.clip(starts + np.arange(WINDOW), 0, frames - 1)
    first = int(wanted[0, 0])
    return read(first, int(wanted[-1, -1]) + 1)[wanted - first]


def windows_with(rows: np.ndarray) -> np.ndarray:
    """The numbers of the windows whose kept rows have a true value in ``rows``, bool (frames,)."""
    return np.unique(np.flatnonzero(rows) // STRIDE)
