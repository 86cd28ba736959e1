"""Small grey pictures of frames, from which all flags are derived."""

from __future__ import annotations

import numpy as np

# The weights of BT.709 in thousandths; integers, so that every machine gives the same bytes.
WEIGHTS = np.array([213, 715, 72], np.uint32)
CELL = 3  # width and height of a thumbnail's cell, in pixels of the 48x27 frame


def luma(frames: np.ndarray) -> np.ndarray:
    """uint8 (frames, height, width): the brightness of uint8 (frames, height, width, 3), RGB."""
    weighted: np.ndarray = (frames @ WEIGHTS + 500) // 1000
    return weighted.astype(np.uint8)


def thumbnails(grey: np.ndarray) -> np.ndarray:
    """uint8 (frames, 9, 16): the mean of every 3x3 pixels of uint8 (frames, 27, 48)."""
    count, height, width = grey.shape
    cells = grey.reshape(count, height // CELL, CELL, width // CELL, CELL).astype(np.uint16)
    means: np.ndarray = (cells.sum(axis=(2, 4)) + CELL * CELL // 2) // (CELL * CELL)
    return means.astype(np.uint8)
