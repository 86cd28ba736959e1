"""HDF5 files on disks that fill up and on file systems without locks.

When a write fails inside HDF5, the file cannot be closed any more: its space stays taken until the
process ends, which it does with a segmentation fault, and the error that Python sees has no errno.

No file is locked: each is written under a name of its own and read only when it is whole, and there
are file systems of clusters on which every lock fails.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import h5py

from trailers.store.atomic import unfailing


@contextlib.contextmanager
def create_hdf5(path: Path) -> Iterator[h5py.File]:
    """A new HDF5 file to fill; it appears as ``path`` when the block ends well.

    Raises:
        OSError: it could not be written, such as on a full disk.
    """
    with unfailing(path) as raw, h5py.File(raw, "w") as file:
        yield file


def open_hdf5(path: Path) -> h5py.File:
    """The HDF5 file at ``path``, to read. Raises OSError as h5py does."""
    return h5py.File(path, "r", locking=False)
