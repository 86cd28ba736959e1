"""Fingerprints of pictures: 128 bits, most of which a copy of the picture shares, for any encoding.

A grey picture is scaled to 16x16, its mean is subtracted, and the signs of its lowest frequencies are kept. The sign
of a frequency seldom changes with another size, encoder, brightness or contrast, or a logo in a corner. Cropping
changes it, so each picture also has fingerprints of cropped views.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import numpy as np

from trailers.domain import Shot

BITS = 128
SIDE = 16  # width and height of the scaled picture, in pixels
FIRST = 12  # frames from the start of a shot to its first picture, after a possible fade from the shot before
EVERY = 24  # frames between the pictures of one shot
PLAIN = 6.0  # standard deviation of brightness below which a picture has too little detail to be distinguished

# Share of width and height of the active picture that each view keeps, around its centre. A cropped copy as a whole
# looks like one of these views of the original.
VIEWS = {
    "whole": (1.0, 1.0),
    "cut5": (0.95, 0.95),
    "cut10": (0.9, 0.9),
    "cut20": (0.8, 0.8),
    "sides": (0.75, 1.0),  # 16:9 shown as 4:3, or 2.39:1 as 16:9
}


def picture_frames(shots: Sequence[Shot]) -> list[int]:
    """The frames of which fingerprints are computed, counted from the starts of shots, which copies share."""
    chosen = []
    for shot in shots:
        first = shot.start + min(FIRST, len(shot) // 2)
        chosen += list(range(first, max(first + 1, shot.end - 2), EVERY))
    return chosen


def prints_of(grey: np.ndarray, box: tuple[float, float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Fingerprints of pictures, uint8 (views, pictures, 16), and which have enough detail, bool (pictures,).

    Args:
        grey: uint8 (pictures, height, width).
        box: top, bottom, left and right of the active picture, as shares of height and width.
    """
    drawn = [draw(grey, zoomed(box, *kept)) for kept in VIEWS.values()]
    return np.stack([signs(picture) for picture in drawn]), drawn[0].std(axis=(1, 2)) >= PLAIN


def stacked(prints: Mapping[str, np.ndarray], views: Iterable[str]) -> np.ndarray:
    """uint8 (views, pictures, 16) from the stored fingerprints of each view. Raises KeyError if one is missing."""
    return np.stack([prints[view] for view in views])


def zoomed(box: tuple[float, float, float, float], width: float, height: float) -> tuple[float, float, float, float]:
    """The part of ``box`` around its centre that has the shares ``width`` and ``height`` of it."""
    top, bottom, left, right = box
    middle, centre = (top + bottom) / 2, (left + right) / 2
    half, side = (bottom - top) / 2 * height, (right - left) / 2 * width
    return middle - half, middle + half, centre - side, centre + side


def draw(grey: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """float32 (pictures, 16, 16): the part ``box`` of uint8 (pictures, height, width), scaled by averaging."""
    top, bottom, left, right = box
    rows = means(grey.shape[1], top, bottom)
    columns = means(grey.shape[2], left, right)
    drawn: np.ndarray = np.einsum("ih,nhw,jw->nij", rows, grey.astype(np.float32), columns, optimize=True)
    return drawn


def means(size: int, start: float, end: float) -> np.ndarray:
    """float32 (16, size): the weights of ``size`` pixels in the mean of each sixteenth of the span of shares."""
    edges = np.linspace(start * size, end * size, SIDE + 1)
    pixels = np.arange(size)
    low = np.maximum(edges[:-1, None], pixels)
    high = np.minimum(edges[1:, None], pixels + 1)
    held = np.clip(high - low, 0, None)
    shares: np.ndarray = held / held.sum(axis=1, keepdims=True)
    return shares.astype(np.float32)


def signs(pictures: np.ndarray) -> np.ndarray:
    """uint8 (pictures, 16): the signs of the 128 lowest frequencies of (pictures, 16, 16), without the mean."""
    waves, order = cosines(), lowest()
    found = np.einsum("ki,nij,lj->nkl", waves, pictures, waves, optimize=True)
    bits = found.reshape(len(pictures), -1)[:, order] > 0
    return np.packbits(bits, axis=1)


@cache
def cosines() -> np.ndarray:
    """float32 (16, 16): the waves of the discrete cosine transform, one per row."""
    places = np.arange(SIDE)
    return np.cos(np.pi * (places[None, :] + 0.5) * places[:, None] / SIDE).astype(np.float32)


@cache
def lowest() -> np.ndarray:
    """The positions of the 128 lowest frequencies among 16x16, without the mean."""
    height, width = np.divmod(np.arange(SIDE * SIDE), SIDE)
    return np.lexsort((height, height + width))[1 : BITS + 1]


def differing_bits(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """int (...,): how many bits of uint8 (..., 16) differ."""
    found: np.ndarray = np.bitwise_count(one ^ other).sum(axis=-1, dtype=np.int64)
    return found
