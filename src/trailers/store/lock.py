"""A lock that one process holds at a time; it is released when the process ends, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

LOCK = "lock"


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Use ``folder`` in this process only; it is created if needed and removed at the end if it is empty.

    Two jobs may need the same folder, for example a new job and a job that a killed run left behind: the second one
    waits. ``kill -9`` releases the lock too. If the file system has no locks, a single job is assumed.
    """
    path = folder / LOCK
    handle = take(path)
    try:
        yield
    finally:
        if list(folder.iterdir()) == [path]:
            path.unlink()
            with contextlib.suppress(OSError):  # another job has just made its lock in the folder
                folder.rmdir()
        os.close(handle)


def take(path: Path) -> int:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        except FileNotFoundError:  # another job removed the folder between the two lines
            continue
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        # The previous holder may have removed the file that is locked now.
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(handle).st_ino:
                return handle
        os.close(handle)
