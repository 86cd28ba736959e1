"""The same bytes under another name, on blocks that both share where the file system can."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path

from trailers.store.atomic import atomic

FICLONE = 0x40049409  # linux/fs.h: share the blocks of a file until either is written to


def share(source: Path, target: Path) -> None:
    """Make ``target`` the same bytes: shared blocks where the file system has reflinks (btrfs, XFS), else a copy.

    Never a hard link: that is one file of two names, and who writes into one changes the other.
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
