"""The same bytes under another name, without a second copy where the file system can."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

from trailers.store.atomic import atomic

FICLONE = 0x40049409  # linux/fs.h: share the blocks of a file until either is written to


def share(source: Path, target: Path) -> None:
    """Make ``target`` the same bytes: shared blocks where the file system can, else a hard link, else a copy.

    A hard link is one file of two names: who writes into the source in place (rather than replacing
    it) changes both.
    """
    real = source.resolve()
    with atomic(target) as temporary:
        for way in WAYS:
            try:
                way(real, temporary)
                return
            except OSError:
                temporary.unlink(missing_ok=True)
        shutil.copyfile(real, temporary)


def clone(source: Path, target: Path) -> None:
    """Raises OSError where the file system cannot share blocks."""
    with source.open("rb") as read, target.open("wb") as written:
        fcntl.ioctl(written.fileno(), FICLONE, read.fileno())


WAYS = (clone, os.link)
