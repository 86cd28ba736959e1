"""A file is complete or not there."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

TEMPORARY = ".tmp-"  # every unfinished file starts so, in the folder of the finished one


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path to write; it becomes ``path`` when the block ends well and goes when it does not.

    The temporary name keeps the suffix, since ffmpeg and others choose the format by it. Two
    writers of one path do not meet: each has its own temporary file, and the later rename wins.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}-{path.name}")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until ``path`` is on the disk, so that a rename never outlives what it names."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")
