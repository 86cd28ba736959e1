"""One process at a time, for as long as it lives."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

LOCK = "lock"


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[None]:
    """``folder`` for this process alone; made at first, and gone at the end if nothing is left in it.

    Two jobs may come for one thing, such as an orphan of a killed run: the second waits. The lock
    goes with its process, also through kill -9. A file system without locks is trusted to have one
    job.
    """
    path = folder / LOCK
    handle = take(path)
    try:
        yield
    finally:
        if list(folder.iterdir()) == [path]:
            path.unlink()
            with contextlib.suppress(OSError):  # another job has just made its lock in there
                folder.rmdir()
        os.close(handle)


def take(path: Path) -> int:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        except FileNotFoundError:  # the folder went between the two lines
            continue
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        # Who held it before may have removed the file that is locked now.
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(handle).st_ino:
                return handle
        os.close(handle)
