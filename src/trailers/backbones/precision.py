"""The precisions that a device computes faster, and their errors: cosines of vectors of synthetic clips."""

from __future__ import annotations

import numpy as np

from trailers.backbones.row import Row

TOLERANCE = 0.9995  # lowest accepted cosine between a clip's vectors in reduced precision and in float32


def sample_clips(row: Row, count: int = 4, *, shown_frames: int = 24) -> np.ndarray:
    """Synthetic clips for comparing precisions: uint8 (count, frames, height, width, 3).

    Smooth moving shapes of all sizes, from bright to nearly black; the last clip is black.
    """
    height, width = row.transform.crop
    frames = row.wanted_frames(shown_frames)
    random = np.random.default_rng(0)
    y, x = np.mgrid[0:height, 0:width]
    time = np.arange(frames)[:, None, None]
    clips = np.zeros((count, frames, height, width, 3), np.uint8)
    for number in range(count - 1):
        for channel in range(3):
            field = np.zeros((frames, height, width))
            for octave in range(1, 6):
                fx, fy, speed, phase = random.normal(size=4) * (2**octave, 2**octave, 1, 3)
                field += np.sin(2 * np.pi * (fx * x / width + fy * y / height) + speed * time / 4 + phase) / octave
            clips[number, ..., channel] = np.clip((field * 50 + 128) * (0.5**number), 0, 255)
    return clips


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """float64 (n,): the cosine of each pair of vectors (n, F); 1 for equal vectors, also zero vectors."""
    left, right = left.astype(np.float64), right.astype(np.float64)
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((left == right).all(axis=1), 1.0, (left * right).sum(axis=1) / lengths)
