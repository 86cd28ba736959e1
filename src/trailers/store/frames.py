"""All frames of a trailer at 48x27, for detection: small, lossless, read back without a video decoder.

HDF5, schema ``trailer-frames/2``. ``differences`` is uint8 (3, frames, 27, 48) in blocks of 240 frames. The first
frame of a block is stored as it is, every other one minus the frame before it, modulo 256; the planes are R - G, G
and B - G. Compressed by zlib's run-length strategy, this takes five eighths of the space of the frames themselves,
and less time. Blocks carry zlib's checksum and are read one at a time, so a long film is never in memory as a whole.
Attributes describe the 24 fps video beside the file.
"""

from __future__ import annotations

import contextlib
import functools
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from trailers.errors import StoreError
from trailers.machine.threads import job_cores
from trailers.machine.watchdog import alive
from trailers.store.hdf5 import Hdf5, create_hdf5, open_hdf5
from trailers.store.hdf5_checks import FAILURES

SCHEMA = "trailer-frames/2"
SHAPE = (27, 48, 3)  # height, width, channels: TransNet V2's input
BLOCK = 240  # frames per chunk: ten seconds, 0.9 MB
AHEAD_BLOCKS = 8  # blocks that are decompressed before they are read, 7 MB
INFLATERS = 4  # threads; a detector on a GPU cannot use more


def to_differences(frames: np.ndarray) -> np.ndarray:
    """One block as it is stored, uint8 (3, frames, 27, 48), from uint8 (frames, 27, 48, 3)."""
    planes = frames.transpose(3, 0, 1, 2).copy()
    planes[0] -= planes[1]
    planes[2] -= planes[1]
    planes[:, 1:] -= planes[:, :-1].copy()
    return planes


def from_differences(planes: np.ndarray) -> np.ndarray:
    """The frames, uint8 (frames, 27, 48, 3), of a block that ``to_differences`` gave."""
    planes = planes.copy()
    for frame in range(1, planes.shape[1]):  # twice as fast as cumsum, whose steps are single bytes
        planes[:, frame] += planes[:, frame - 1]
    planes[0] += planes[1]
    planes[2] += planes[1]
    frames = np.empty((*planes.shape[1:], SHAPE[2]), np.uint8)
    for channel in range(SHAPE[2]):
        frames[..., channel] = planes[channel]
    return frames


def inflate(raw: bytes, frames: int) -> np.ndarray:
    """The block of ``frames`` frames in ``raw``. Raises ValueError if it does not have the size of a block."""
    channels, height, width = SHAPE[2], *SHAPE[:2]
    size = channels * BLOCK * height * width
    stream = zlib.decompressobj()
    found = stream.decompress(raw, size + 1)
    if len(found) != size or not stream.eof:
        raise ValueError(f"a block has {len(found)} bytes, expected {size}")
    return from_differences(np.frombuffer(found, np.uint8).reshape(channels, BLOCK, height, width)[:, :frames])


class FramesWriter:
    """Accepts frames in portions of any length and writes them in blocks."""

    def __init__(self, file: h5py.File) -> None:
        self.file = file
        height, width, channels = SHAPE
        self.differences = file.create_dataset(
            "differences", (channels, 0, height, width), np.uint8, maxshape=(channels, None, height, width),
            chunks=(channels, BLOCK, height, width), compression="gzip", compression_opts=1,
        )  # fmt: skip
        self.pending: list[np.ndarray] = []  # together fewer frames than a block
        self.count = 0

    def append(self, frames: np.ndarray) -> None:
        """Add uint8 (frames, 27, 48, 3)."""
        if frames.shape[1:] != SHAPE or frames.dtype != np.uint8:
            raise ValueError(f"expected uint8 (frames, 27, 48, 3), got {frames.dtype} {frames.shape}")
        alive()  # frames were decoded and encoded
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
        # HDF5's own gzip filter can read this, but it cannot write with the run-length strategy.
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
        """Set the attributes, which must include ``fingerprint`` and ``trailer``."""
        self.file.attrs["schema"] = SCHEMA
        for key in sorted(attributes):
            self.file.attrs[key] = attributes[key]


@contextlib.contextmanager
def write_frames(path: Path) -> Iterator[FramesWriter]:
    """A writer for ``path``, which appears only if the block succeeds."""
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
            StoreError: the file is damaged, or does not have these frames.
        """
        if not 0 <= start <= end <= len(self):
            raise StoreError(
                f"has {len(self)} frames, not [{start}, {end})", where=self.path,
                remedy="Rerun the normalise stage.",
            )  # fmt: skip
        frames = np.empty((end - start, *SHAPE), np.uint8)
        for first in range(start - start % BLOCK, end, BLOCK):
            block = self.read_block(first)
            low, high = max(start, first), min(end, first + BLOCK)
            frames[low - start : high - start] = block[low - first : high - first]
        return frames

    def read_block(self, first: int) -> np.ndarray:
        """The block that starts at frame ``first``; kept, because the next clip or window often needs it too."""
        if self.block[0] != first:
            try:
                self.block = (first, inflate(self.raw(first), min(BLOCK, len(self) - first)))
            except (*FAILURES, zlib.error) as problem:
                raise self.file.damaged(problem) from None
        return self.block[1]

    def raw(self, first: int) -> bytes:
        """The compressed block that starts at frame ``first``. Raises StoreError if it cannot be read."""
        try:
            skipped, raw = self.differences.id.read_direct_chunk((0, first, 0, 0))
        except FAILURES as problem:
            raise self.file.damaged(problem) from None
        if skipped:
            raise self.file.damaged("a block is not compressed")
        return bytes(raw)


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


class FramesAhead:
    """Reads a trailer's frames from start to end, while other threads read the next blocks.

    One thread decompresses 30,000 frames/s, fewer than a GPU can process. No file stays open between reads.
    """

    def __init__(self, path: Path, count: int) -> None:
        self.path = path
        self.count = count
        self.blocks: dict[int, Future[np.ndarray]] = {}
        self.end = 0  # of the last read

    def read(self, start: int, end: int) -> np.ndarray:
        """uint8 (end - start, 27, 48, 3), RGB. Raises StoreError as ``Frames.read`` does."""
        if not 0 <= start < end <= self.count:
            raise ValueError(f"{self.path}: expected 0 <= start < end <= {self.count}, got [{start}, {end})")
        wanted = range(start - start % BLOCK, end, BLOCK)
        self.begin(wanted, onward=start <= self.end)
        self.end = end
        blocks = [self.result(first) for first in wanted]
        return np.concatenate(blocks)[start - wanted[0] : end - wanted[0]]

    def begin(self, wanted: range, *, onward: bool) -> None:
        """Start to decompress ``wanted``, and the following blocks when reading ``onward``; drop earlier blocks."""
        self.blocks = {first: block for first, block in self.blocks.items() if first >= wanted[0]}
        missing = [first for first in wanted if first not in self.blocks]
        following = wanted[-1] + BLOCK
        if onward and (missing or following not in self.blocks):
            last = min(self.count, following + AHEAD_BLOCKS * BLOCK)
            missing += [first for first in range(following, last, BLOCK) if first not in self.blocks]
        if not missing:
            return
        with open_frames(self.path) as frames:
            for first in missing:
                length = min(BLOCK, self.count - first)
                self.blocks[first] = inflaters().submit(inflate, frames.raw(first), length)

    def result(self, first: int) -> np.ndarray:
        try:
            return self.blocks[first].result()
        except (ValueError, zlib.error) as problem:
            with open_frames(self.path) as frames:
                raise frames.file.damaged(problem) from None


@functools.cache
def inflaters() -> ThreadPoolExecutor:
    """Threads that decompress; zlib and numpy release the interpreter lock."""
    return ThreadPoolExecutor(min(INFLATERS, job_cores()), thread_name_prefix="inflate")
