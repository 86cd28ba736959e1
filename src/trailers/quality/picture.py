"""The active picture: the part of a frame without black bars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trailers.domain import FPS
from trailers.quality.flags import Span

WINDOW = 5 * FPS  # frames that are judged together: within five seconds some frame is bright up to its edges
EVERY = 12  # one of so many frames is measured
FILLED = 0.92  # minimum black share of a row or column of a bar; less than 1, because a bar may contain a logo
USUAL = 0.5  # minimum share of the windows with bars, for a trailer that has bars
EVEN = 2  # maximum difference between opposite bars, in rows or columns


@dataclass(frozen=True)
class Bars:
    """Bars on two opposite sides, in rows or columns of the measured frames."""

    first: int
    last: int
    stable: float  # share of the windows that show them
    spans: tuple[Span, ...]  # where they are, if not everywhere


def edges(grey: np.ndarray, *, level: int) -> np.ndarray:
    """int (frames, 4): black rows at top and bottom, black columns at left and right, of uint8 (frames, H, W)."""
    dark = grey <= level
    rows, columns = dark.mean(axis=2) >= FILLED, dark.mean(axis=1) >= FILLED
    sides = rows, rows[:, ::-1], columns, columns[:, ::-1]
    return np.stack([np.cumprod(side, axis=1, dtype=np.int64).sum(axis=1) for side in sides], axis=1)


def smallest(found: np.ndarray, frames: np.ndarray, *, black: np.ndarray) -> dict[int, np.ndarray]:
    """First frame of a window -> the smallest edges (4,) in it; windows of only black frames are left out.

    Args:
        found: of ``edges``, one row for each of ``frames``.
        frames: their numbers.
        black: bool (all frames,); black frames have no edges.
    """
    bright = ~black[frames]
    starts = frames[bright] // WINDOW * WINDOW
    return {int(start): found[bright][starts == start].min(axis=0) for start in np.unique(starts)}


def bars(windows: dict[int, np.ndarray], side: int, size: int, count: int, *, share: float) -> Bars | None:
    """The bars at the edges ``side`` and ``side + 1`` that most windows show; None if fewer do.

    Args:
        windows: of ``smallest``.
        side: 0 for top and bottom, 2 for left and right.
        size: rows or columns of a frame.
        count: frames of the trailer.
        share: of ``size``, the minimum of both bars together.
    """
    pairs = {start: edge[side : side + 2] for start, edge in windows.items()}
    # The last, mixed row counts as picture, so a bar may be almost a row higher on either side.
    with_bars = {
        start: pair
        for start, pair in pairs.items()
        if pair.min() > 0 and abs(int(pair[0] - pair[1])) <= EVEN and pair.sum() + 1 >= share * size
    }
    if not pairs or len(with_bars) < USUAL * len(pairs):
        return None
    first, last = np.percentile(np.stack(list(with_bars.values())), 25, axis=0, method="lower")
    spans = () if len(with_bars) == len(pairs) else joined(sorted(with_bars), count)
    return Bars(int(first), int(last), len(with_bars) / len(pairs), spans)


def joined(starts: list[int], count: int) -> tuple[Span, ...]:
    """The windows that start at ``starts``; adjacent windows are joined."""
    found: list[Span] = []
    for start in starts:
        end = min(start + WINDOW, count)
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return tuple(found)
