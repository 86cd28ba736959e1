"""The nearest trailers of each trailer, by the mean of the vectors of their clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

SHOWN = 8  # nearest trailers of one page
BLOCK = 512  # trailers that are compared with all others in one matrix product


@dataclass(frozen=True)
class Near:
    """Cosine similarities of mean vectors, with their clip strategy and backbone."""

    clips: str
    backbone: str
    of: Mapping[str, Sequence[tuple[str, float]]]  # trailer -> the nearest others, the nearest first

    def method(self) -> str:
        return f"Cosine similarity of the mean vectors of their clips: {self.clips}, {self.backbone}."


def nearest(trailers: Sequence[str], means: np.ndarray, *, shown: int = SHOWN) -> dict[str, list[tuple[str, float]]]:
    """Trailer -> the others whose mean vectors have the largest cosine with its own, the largest first.

    Equal ones keep their order. Memory grows with ``BLOCK`` times the number of trailers, not with its square.

    Args:
        trailers: ids.
        means: float32 (trailers, F); a row of zeros has a cosine of 0 with all others.
    """
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    unit = (means / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    found = {}
    for start in range(0, len(trailers), BLOCK):
        similar = np.round(unit[start : start + BLOCK] @ unit.T, 4)
        rows = np.arange(len(similar))
        similar[rows, start + rows] = -2  # itself
        order = np.argsort(-similar, axis=1, kind="stable")[:, : min(shown, len(trailers) - 1)]
        for row, others in enumerate(order):
            found[trailers[start + row]] = [(trailers[n], float(similar[row, n])) for n in others]
    return found
