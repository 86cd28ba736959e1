"""All frames of a trailer at 48x27, for detection: small, lossless, read back without a video decoder.

HDF5, schema ``trailer-frames/1``: ``frames`` uint8 (frames, 27, 48, 3), RGB, compressed and
checksummed in blocks, so that a long film never lies in memory as a whole. Attributes hold what
is known of the 24 fps video beside it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from trailers.errors import StoreError
from trailers.store.atomic import atomic

SCHEMA = "trailer-frames/1"
SHAPE = (27, 48, 3)  # height, width, channels: TransNet V2's input
BLOCK = 240  # frames a chunk: ten seconds, 0.9 MB


class FramesWriter:
    """Takes frames in any portions and writes them in blocks."""

    def __init__(self, file: h5py.File) -> None:
        self.file = file
        self.frames = file.create_dataset(
            "frames", (0, *SHAPE), np.uint8, maxshape=(None, *SHAPE), chunks=(BLOCK, *SHAPE),
            compression="gzip", compression_opts=1, shuffle=False, fletcher32=True,
        )  # fmt: skip

    def append(self, frames: np.ndarray) -> None:
        """Add uint8 (frames, 27, 48, 3)."""
        if frames.shape[1:] != SHAPE or frames.dtype != np.uint8:
            raise ValueError(f"expected uint8 (frames, 27, 48, 3), got {frames.dtype} {frames.shape}")
        count = len(self.frames)
        self.frames.resize(count + len(frames), axis=0)
        self.frames[count:] = frames

    def __len__(self) -> int:
        return len(self.frames)

    def describe(self, attributes: Mapping[str, Any]) -> None:
        """Set the attributes; ``fingerprint`` and ``trailer`` are among them."""
        self.file.attrs["schema"] = SCHEMA
        for key in sorted(attributes):
            self.file.attrs[key] = attributes[key]


@contextlib.contextmanager
def write_frames(path: Path) -> Iterator[FramesWriter]:
    """A writer for ``path``, which appears only when the block ends well."""
    with atomic(path) as temporary, h5py.File(temporary, "w") as file:
        yield FramesWriter(file)


class Frames:
    """The frames of one trailer on disk."""

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path = path
        self.frames = file["frames"]
        self.attributes: dict[str, Any] = {
            key: value.item() if isinstance(value, np.generic) else value for key, value in file.attrs.items()
        }

    def __len__(self) -> int:
        return len(self.frames)

    def read(self, start: int, end: int) -> np.ndarray:
        """uint8 (end - start, 27, 48, 3), RGB.

        Raises:
            StoreError: the file is damaged, or has no such frames.
        """
        if not 0 <= start <= end <= len(self):
            raise StoreError(f"{self.path}: has {len(self)} frames, not [{start}, {end}). Run the stage normalise again.")
        try:
            return np.asarray(self.frames[start:end])
        except OSError as problem:
            raise damaged(self.path, problem) from None


@contextlib.contextmanager
def open_frames(path: Path) -> Iterator[Frames]:
    """The frames at ``path``.

    Raises:
        StoreError: the file is missing, damaged, or of another schema.
    """
    try:
        file = h5py.File(path, "r")
    except FileNotFoundError:
        raise StoreError(f"{path}: is not there. Run the stage normalise first.") from None
    except OSError as problem:
        raise damaged(path, problem) from None
    with file:
        if file.attrs.get("schema") != SCHEMA or "frames" not in file or file["frames"].shape[1:] != SHAPE:
            raise damaged(path, f"schema is {file.attrs.get('schema')!r}, not '{SCHEMA}'")
        yield Frames(path, file)


def damaged(path: Path, problem: object) -> StoreError:
    return StoreError(f"{path}: is damaged: {problem}. Remove it and run the stage normalise again.")
