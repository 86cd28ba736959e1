"""All frames of a trailer at 48x27, for detection: small, lossless, read back without a video decoder.

HDF5, schema ``trailer-frames/2``. ``differences`` is uint8 (3, frames, 27, 48): of every block of
240 frames the first as it is and the others less the one before, modulo 256; the planes are
R - G, G and B - G. That, with a zlib that looks for runs alone, takes five eighths of the space of
the frames themselves, and less time. Blocks carry zlib's checksum and are read one at a time, so a
long film never lies in memory as a whole. Attributes hold what is known of the 24 fps video beside it.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from trailers.errors import StoreError
from trailers.machine.watchdog import alive
from trailers.store.hdf5 import FAILURES, Hdf5, create_hdf5, open_hdf5

SCHEMA = "trailer-frames/2"
SHAPE = (27, 48, 3)  # height, width, channels: TransNet V2's input
BLOCK = 240  # frames a chunk: ten seconds, 0.9 MB


def to_differences(frames: np.ndarray) -> np.ndarray:
    """uint8 (3, frames, 27, 48), as stored, of one block: uint8 (frames, 27, 48, 3)."""
    planes = frames.transpose(3, 0, 1, 2).copy()
    planes[0] -= planes[1]
    planes[2] -= planes[1]
    planes[:, 1:] -= planes[:, :-1].copy()
    return planes


def from_differences(planes: np.ndarray) -> np.ndarray:
    """The block that ``to_differences`` took."""
    planes = np.cumsum(planes, axis=1, dtype=np.uint8)
    planes[0] += planes[1]
    planes[2] += planes[1]
    return np.ascontiguousarray(planes.transpose(1, 2, 3, 0))


class FramesWriter:
    """Takes frames in any portions and writes them in blocks."""

    def __init__(self, file: h5py.File) -> None:
        self.file = file
        height, width, channels = SHAPE
        self.differences = file.create_dataset(
            "differences", (channels, 0, height, width), np.uint8, maxshape=(channels, None, height, width),
            chunks=(channels, BLOCK, height, width), compression="gzip", compression_opts=1,
        )  # fmt: skip
        self.pending: list[np.ndarray] = []  # less than a block, together
        self.count = 0

    def append(self, frames: np.ndarray) -> None:
        """Add uint8 (frames, 27, 48, 3)."""
        if frames.shape[1:] != SHAPE or frames.dtype != np.uint8:
            raise ValueError(f"expected uint8 (frames, 27, 48, 3), got {frames.dtype} {frames.shape}")
        alive()  # a frame that was decoded and encoded
        self.count += len(frames)
        rest = np.concatenate([*self.pending, frames])
        while len(rest) >= BLOCK:
            self.write(rest[:BLOCK])
            rest = rest[BLOCK:]
        self.pending = [rest.copy()]

    def write(self, block: np.ndarray) -> None:
        start = self.differences.shape[1]
        self.differences.resize(start + len(block), axis=1)
        planes = np.zeros(self.differences.chunks, np.uint8)
        planes[:, : len(block)] = to_differences(block)
        # HDF5's own gzip filter reads this too; it only cannot be told to look for runs.
        runs = zlib.compressobj(1, strategy=zlib.Z_RLE)
        self.differences.id.write_direct_chunk((0, start, 0, 0), runs.compress(planes.tobytes()) + runs.flush())

    def finish(self) -> None:
        """Write the last, shorter block."""
        for block in self.pending:
            if len(block):
                self.write(block)
        self.pending = []

    def __len__(self) -> int:
        return self.count

    def describe(self, attributes: Mapping[str, Any]) -> None:
        """Set the attributes; ``fingerprint`` and ``trailer`` are among them."""
        self.file.attrs["schema"] = SCHEMA
        for key in sorted(attributes):
            self.file.attrs[key] = attributes[key]


@contextlib.contextmanager
def write_frames(path: Path) -> Iterator[FramesWriter]:
    """A writer for ``path``, which appears only when the block ends well."""
    with create_hdf5(path) as file:
        writer = FramesWriter(file)
        yield writer
        writer.finish()


class Frames:
    """The frames of one trailer on disk."""

    def __init__(self, file: Hdf5, differences: h5py.Dataset) -> None:
        self.file = file
        self.path = file.path
        self.differences = differences
        self.block: tuple[int, np.ndarray] = (-1, np.empty((0, *SHAPE), np.uint8))  # the last one read
        self.attributes = file.attributes

    def __len__(self) -> int:
        return int(self.differences.shape[1])

    def read(self, start: int, end: int) -> np.ndarray:
        """uint8 (end - start, 27, 48, 3), RGB.

        Raises:
            StoreError: the file is damaged, or has no such frames.
        """
        if not 0 <= start <= end <= len(self):
            raise StoreError(
                f"has {len(self)} frames, not [{start}, {end})", where=self.path,
                remedy="Run the stage normalise again.",
            )  # fmt: skip
        frames = np.empty((end - start, *SHAPE), np.uint8)
        for first in range(start - start % BLOCK, end, BLOCK):
            block = self.read_block(first)
            low, high = max(start, first), min(end, first + BLOCK)
            frames[low - start : high - start] = block[low - first : high - first]
        return frames

    def read_block(self, first: int) -> np.ndarray:
        """The block that starts at frame ``first``; kept, since clips and windows come one after the other."""
        if self.block[0] != first:
            try:
                self.block = (first, from_differences(self.differences[:, first : first + BLOCK]))
            except FAILURES as problem:
                raise self.file.damaged(problem) from None
        return self.block[1]


@contextlib.contextmanager
def open_frames(path: Path) -> Iterator[Frames]:
    """The frames at ``path``.

    Raises:
        StoreError: the file is missing, damaged, or of another schema.
    """
    height, width, channels = SHAPE
    with open_hdf5(path, schema=SCHEMA, stage="normalise", compressed=True) as file:
        differences = file.dataset("differences", np.uint8, (channels, None, height, width))
        if differences.chunks != (channels, BLOCK, height, width):
            raise file.damaged(f"'differences' has chunks of {differences.chunks}")
        yield Frames(file, differences)
