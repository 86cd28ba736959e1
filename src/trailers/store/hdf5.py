"""HDF5 files on disks that fill up and on file systems without locks.

When a write fails inside HDF5, the file cannot be closed any more: its space stays taken until the
process ends, which it does with a segmentation fault, and the error that Python sees has no errno.
So HDF5 is handed a file whose writes never fail; what went wrong is kept, and raised when HDF5 has
let go of it.

No file is locked: each is written under a name of its own and read only when it is whole, and there
are file systems of clusters on which every lock fails.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import h5py

from trailers.store.atomic import atomic

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


@contextlib.contextmanager
def create_hdf5(path: Path) -> Iterator[h5py.File]:
    """A new HDF5 file to fill; it appears as ``path`` when the block ends well.

    Raises:
        OSError: it could not be written, such as on a full disk.
    """
    with atomic(path) as temporary, Unfailing(temporary) as raw:
        try:
            with h5py.File(raw, "w") as file:
                yield file
        finally:
            # Whatever HDF5 made of a file that lacks bytes, this is the cause.
            raw.raise_problem()


def open_hdf5(path: Path) -> h5py.File:
    """The HDF5 file at ``path``, to read. Raises OSError as h5py does."""
    return h5py.File(path, "r", locking=False)


class Unfailing(io.FileIO):
    """A new file whose writes seem to go well; keeps the first error for ``raise_problem``."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+b")
        self.problem: OSError | None = None

    def write(self, data: ReadableBuffer) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while len(rest) and self.problem is None:
                rest = rest[super().write(rest) or 0 :]  # a system may take a part of it
        except OSError as problem:
            self.keep(problem)
        return size

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as problem:
            self.keep(problem)
            return size or 0

    def keep(self, problem: OSError) -> None:
        if self.problem is None:
            self.problem = OSError(problem.errno, problem.strerror, str(self.name))

    def raise_problem(self) -> None:
        """Raises the first error that a write met, if there was one."""
        if self.problem is not None:
            raise self.problem
