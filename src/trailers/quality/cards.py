"""Cards: unchanging pictures on a background of one colour, at the start or the end of a trailer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trailers.domain import FPS
from trailers.quality.flags import Span

START_S, END_S = 8.0, 12.0  # the parts at the start and at the end that are searched for cards
LEVELS = 8  # steps of each of R, G and B in which colours of the background are distinguished
PLAIN = 0.4  # minimum share of the pixels of a card that have the most common colour


def candidates(still: Sequence[Span], frames: int, *, shortest_s: float) -> tuple[list[Span], list[Span]]:
    """The runs of still frames that could be cards at the start, and at the end."""
    long = [(start, end) for start, end in still if end - start >= shortest_s * FPS]
    first = [span for span in long if span[0] < START_S * FPS]
    last = [span for span in long if span not in first and span[1] > frames - END_S * FPS]
    return first, last


def background(frame: np.ndarray) -> tuple[tuple[int, int, int], float]:
    """The most common colour of uint8 (height, width, 3), and the share of the pixels that have it."""
    pixels = frame.reshape(-1, 3).astype(np.int64) // (256 // LEVELS)
    codes = pixels @ np.array([LEVELS * LEVELS, LEVELS, 1])
    counts = np.bincount(codes, minlength=LEVELS**3)
    commonest = int(counts.argmax())
    red, green, blue = np.median(frame.reshape(-1, 3)[codes == commonest], axis=0).astype(int)
    return (int(red), int(green), int(blue)), float(counts[commonest] / len(codes))


def is_plain(frame: np.ndarray) -> bool:
    return background(frame)[1] >= PLAIN


def colour_name(colour: tuple[int, int, int]) -> str:
    """black, white, grey, green, red, yellow or blue, which distinguish rating cards."""
    red, green, blue = colour
    if max(colour) <= 40:
        return "black"
    if max(colour) - min(colour) <= 24:
        return "white" if min(colour) >= 200 else "grey"
    if min(red, green) > 1.3 * blue and abs(red - green) <= 0.35 * max(red, green):
        return "yellow"
    return max(("red", red), ("green", green), ("blue", blue), key=lambda pair: pair[1])[0]
