"""Measurements of a trailer's frames at 48x27, block by block, so that a long film need not fit into memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from trailers.quality import picture
from trailers.quality.light import luma, thumbnails
from trailers.quality.runs import black_frames


@dataclass(frozen=True)
class Seen:
    """The measurements from which the flags are decided."""

    thumbnails: np.ndarray  # uint8 (frames, 9, 16)
    black: np.ndarray  # bool (frames,)
    edges: np.ndarray  # int (looked at, 4), as ``picture.edges``
    looked_at: np.ndarray  # int (looked at,): the frames whose edges were measured
    print_frames: np.ndarray  # int (pictures,): the frames of which fingerprints are computed
    prints_from: np.ndarray  # uint8 (pictures, 27, 48): their brightness

    def __len__(self) -> int:
        return len(self.thumbnails)


def look(blocks: Iterable[np.ndarray], wanted: list[int], *, dark_level: int) -> Seen:
    """The measurements of ``blocks``, consecutive uint8 (frames, 27, 48, 3).

    Args:
        blocks: the whole trailer, in order.
        wanted: frames of which fingerprints are computed, ascending.
        dark_level: maximum brightness of black.
    """
    small, edges, looked_at, kept = [], [], [], []
    numbers = np.asarray(wanted, np.int64)
    start = 0
    for block in blocks:
        grey = luma(block)
        end = start + len(grey)
        small.append(thumbnails(grey))
        chosen = np.arange(-(-start // picture.EVERY) * picture.EVERY, end, picture.EVERY)
        edges.append(picture.edges(grey[chosen - start], level=dark_level))
        looked_at.append(chosen)
        kept.append(grey[numbers[(numbers >= start) & (numbers < end)] - start])
        start = end
    if not small:
        raise ValueError("the trailer has no frames")
    whole = np.concatenate(small)
    return Seen(
        whole, black_frames(whole, level=dark_level), np.concatenate(edges), np.concatenate(looked_at),
        numbers[numbers < start], np.concatenate(kept),
    )  # fmt: skip
