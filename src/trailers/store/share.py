"""Copies files so that copy and original share disk blocks, if the file system supports it."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path

from trailers.store.atomic import atomic

FICLONE = 0x40049409  # linux/fs.h: share the blocks of a file until one of the two files is written to


def share(source: Path, target: Path) -> None:
    """Copy ``source`` to ``target``, with shared blocks if the file system has reflinks (btrfs, XFS).

    The copy is never a hard link, because a write to one name would change the other.
    """
    real = source.resolve()
    with atomic(target) as temporary:
        try:
            clone(real, temporary)
        except OSError:
            temporary.unlink(missing_ok=True)
            shutil.copyfile(real, temporary)


def clone(source: Path, target: Path) -> None:
    """Make ``target`` share the blocks of ``source``. Raises OSError if the file system cannot do that."""
    with source.open("rb") as read, target.open("wb") as written:
        fcntl.ioctl(written.fileno(), FICLONE, read.fileno())
