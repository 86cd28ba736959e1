"""Copies of files that share disk blocks with the original if the file system supports it."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path

from trailers.store.atomic import atomic

FICLONE = 0x40049409  # linux/fs.h: share the blocks of a file until either is written to


def share(source: Path, target: Path) -> None:
    """Copy to ``target``: with shared blocks if the file system has reflinks (btrfs, XFS), otherwise as a plain copy.

    Never as a hard link, because a write to one name would change the other.
    """
    real = source.resolve()
    with atomic(target) as temporary:
        try:
            clone(real, temporary)
        except OSError:
            temporary.unlink(missing_ok=True)
            shutil.copyfile(real, temporary)


def clone(source: Path, target: Path) -> None:
    """Raises OSError where the file system cannot share blocks."""
    with source.open("rb") as read, target.open("wb") as written:
        fcntl.ioctl(written.fileno(), FICLONE, read.fileno())
