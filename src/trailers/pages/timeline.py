"""Numbers over time, small enough for a page: one byte per value, in base64."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

MOST_VALUES = 20_000  # maximum number of values of a curve; longer trailers show the highest of every few frames


def curve(probabilities: np.ndarray) -> dict[str, Any]:
    """``values``, a byte per ``step`` frames: their highest probability, 255 for a probability of 1.

    Args:
        probabilities: float32 (frames,), 0 to 1.
    """
    step = max(1, -(-len(probabilities) // MOST_VALUES))
    padded = np.zeros(-(-len(probabilities) // step) * step, np.float32)
    padded[: len(probabilities)] = probabilities
    return {"step": step, "values": packed(np.rint(padded.reshape(-1, step).max(axis=1) * 255))}


def packed(values: np.ndarray) -> str:
    """Bytes in base64, of numbers from 0 to 255."""
    return base64.b64encode(values.astype(np.uint8).tobytes()).decode("ascii")


def colours(pictures: np.ndarray, frames: np.ndarray) -> Mapping[str, Any]:
    """The mean colour of each picture, three bytes in base64, and the frame that it shows.

    Args:
        pictures: uint8 (pictures, height, width, 3), RGB.
        frames: int (pictures,), ascending.
    """
    means = pictures.reshape(len(pictures), -1, 3).mean(axis=1)
    return {"frames": [int(frame) for frame in frames], "values": packed(np.rint(means))}
