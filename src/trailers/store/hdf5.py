"""HDF5 files: written safely on disks that fill up and on file systems without locks, and read as untrusted input.

When a write fails inside HDF5, the file can no longer be closed: its space stays occupied until the process ends,
with a segmentation fault, and the error in Python has no errno.

Files are not locked: each is written under a temporary name and read only when it is complete, and on some cluster
file systems every lock fails.

Every file is read through ``open_hdf5``, which checks everything in its root group (``hdf5_checks``) before any
value is read.
"""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from trailers.errors import MACHINE, StoreError
from trailers.store.atomic import deferring_errors
from trailers.store.hdf5_checks import (
    FAILURES,
    UnexpectedError,
    check_members,
    read_attributes,
    trouble_with_heaps,
)


@contextlib.contextmanager
def create_hdf5(path: Path) -> Iterator[h5py.File]:
    """A new HDF5 file to write to; it appears as ``path`` if the block ends without an error.

    Raises:
        OSError: it could not be written, for example because the disk is full.
    """
    with deferring_errors(path) as raw, h5py.File(raw, "w") as file:
        yield file


@contextlib.contextmanager
def open_hdf5(path: Path, *, schema: str | tuple[str, ...], stage: str, compressed: bool = False) -> Iterator[Hdf5]:
    """The HDF5 file at ``path``, for reading; without links to other files, and without sizes that exceed the file's.

    Args:
        schema: the value of its attribute ``schema``, or several allowed values.
        stage: the stage that makes it, for the remedy.
        compressed: whether its datasets may be compressed, so that a reader takes one chunk at a time.

    Raises:
        StoreError: it is missing or damaged, has another schema, or is not a file that this project could have written.
    """
    size, allocated = size_of(path, stage)
    schemas = (schema,) if isinstance(schema, str) else schema
    remedy = f"Remove it and rerun the {stage} stage."
    try:
        file = h5py.File(path, "r", locking=False)
    except FAILURES as problem:
        raise StoreError(f"is damaged: {problem}", where=path, remedy=remedy) from None
    with file:
        # HDF5 reports a damaged header only when it first needs it.
        try:
            trouble, used = check_members(file, size, allocated, compressed)
            heaps = trouble_with_heaps(path, size, used)
            if heaps:
                raise UnexpectedError(trouble or heaps)
            attributes = read_attributes(file)
            found = attributes.get("schema")
            is_ours = isinstance(found, str) and found in schemas
            if is_ours and trouble:
                raise UnexpectedError(trouble)
        except FAILURES as problem:
            raise StoreError(f"is damaged: {problem}", where=path, remedy=remedy) from None
        if not is_ours:
            raise StoreError(
                f"schema is {found!r}, not '{schemas[0]}'", where=path,
                remedy=f"It was made by something else: move it away and rerun the {stage} stage.",
            )  # fmt: skip
        yield Hdf5(path, file, attributes, remedy)


def size_of(path: Path, stage: str) -> tuple[int, int]:
    """Size of the file, and the space it occupies on the disk, in bytes.

    Raises:
        StoreError: the file does not exist or cannot be opened.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait forever
            raise StoreError("is not a file", where=path, remedy=f"Remove it and rerun the {stage} stage.")
        path.open("rb").close()
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError("does not exist", where=path, remedy=f"Run the {stage} stage first.") from None
    except OSError as problem:
        if problem.errno in MACHINE:
            raise
        words = problem.strerror or problem
        raise StoreError(f"cannot be read: {words}", where=path, remedy="Check its permissions and its disk.") from None
    return status.st_size, status.st_blocks * 512


class Hdf5:
    """An open file whose datasets were checked; reads them one by one."""

    def __init__(self, path: Path, file: h5py.File, attributes: dict[str, Any], remedy: str) -> None:
        self.path = path
        self.file = file
        self.attributes = attributes
        self.remedy = remedy

    def damaged(self, problem: object) -> StoreError:
        """The error that says what is wrong with this file."""
        return StoreError(f"is damaged: {problem}", where=self.path, remedy=self.remedy)

    def dataset(self, name: str, dtype: Any, shape: Sequence[int | None]) -> h5py.Dataset:
        """The dataset called ``name``.

        Args:
            dtype: its type, exactly.
            shape: its shape; None stands for any length.

        Raises:
            StoreError: it is missing, or has another type or shape.
        """
        wanted = f"{np.dtype(dtype)} ({', '.join('any' if side is None else str(side) for side in shape)})"
        try:
            found = self.file.get(name)
            if not isinstance(found, h5py.Dataset):
                raise UnexpectedError(f"it has no dataset '{name}', expected {wanted}")
            fits = len(found.shape) == len(shape) and all(
                side in (None, n) for n, side in zip(found.shape, shape, strict=True)
            )
            if found.dtype != np.dtype(dtype) or not fits:
                raise UnexpectedError(f"'{name}' is {found.dtype} {found.shape}, expected {wanted}")
        except FAILURES as problem:  # h5py notices a damaged type only when it is asked for
            raise self.damaged(problem) from None
        return found

    def read(self, name: str, dtype: Any, shape: Sequence[int | None]) -> np.ndarray:
        """The values of a dataset. Raises StoreError as ``dataset`` does, or if the checksum is wrong."""
        dataset = self.dataset(name, dtype, shape)
        try:
            return np.asarray(dataset[()])
        except FAILURES as problem:
            raise self.damaged(problem) from None

    def place(self, name: str, dtype: Any, shape: Sequence[int | None]) -> tuple[int, tuple[int, ...]]:
        """Byte at which a contiguous dataset starts, and its shape, for mapping it into memory.

        Raises:
            StoreError: as ``dataset``, or if it is not contiguous.
        """
        dataset = self.dataset(name, dtype, shape)
        if dataset.id.get_create_plist().get_layout() != h5py.h5d.CONTIGUOUS:
            raise self.damaged(f"'{name}' is not one contiguous table")
        return int(dataset.id.get_offset() or 0), tuple(map(int, dataset.shape))


def walk(path: Path) -> None:
    """Read everything in a file except its values, in a process that may crash. Errors are ignored."""
    size, allocated = size_of(path, "")
    with contextlib.suppress(StoreError, *FAILURES), h5py.File(path, "r", locking=False) as file:
        _, used = check_members(file, size, allocated, True)
        if not trouble_with_heaps(path, size, used):
            read_attributes(file)
