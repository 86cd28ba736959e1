"""Files are complete or absent; nothing is written or deleted through a link."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from trailers.errors import MACHINE, StoreError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

TEMPORARY = ".tmp-"  # every unfinished file starts so, in the folder of the finished one


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path to write to; renamed to ``path`` if the block succeeds, removed if it fails.

    The temporary name keeps the suffix, because ffmpeg and others choose the format by it. Two
    writers of one path do not interfere: each has its own temporary file, and the later rename wins.

    Raises:
        OSError: it could not be written; of a full disk and the like with ``path`` as its file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}-{path.name}")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    except OSError as problem:
        # A write to an open file names none, and nobody knows the temporary one.
        names = (problem.filename, problem.filename2)
        if problem.errno in MACHINE and (names == (None, None) or str(temporary) in map(str, names)):
            raise OSError(problem.errno, problem.strerror, str(path)) from problem
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def unfailing(path: Path) -> Iterator[Unfailing]:
    """A file for a library that cannot handle write errors; an error is raised after the library has closed the file.

    Raises:
        OSError: it could not be written, such as on a full disk.
    """
    with atomic(path) as temporary, Unfailing(temporary) as file:
        try:
            yield file
        finally:
            # Whatever the library made of a file that lacks bytes, this is the cause.
            file.raise_problem()


def sync(path: Path) -> None:
    """Wait until ``path`` is on the disk, so that a rename never outlives what it names."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def refuse_links(path: Path, *, below: Path) -> None:
    """Raise StoreError when a folder on the way from ``below`` to ``path``, or ``path``, is a symbolic link.

    ``below`` itself may be a link: a results folder, or that of a stage, may be on another disk.

    Raises:
        ValueError: ``path`` does not lie below ``below``.
    """
    parts = path.relative_to(below).parts
    if ".." in parts:
        raise ValueError(f"{path} contains '..'")
    for part in list(itertools.accumulate(parts, Path.joinpath, initial=below))[1:]:
        if part.is_symlink():
            raise StoreError(
                "is a symbolic link, and nothing is written or deleted through one",
                where=part,
                remedy="Remove the link and rerun.",
            )


def make_folder(path: Path, *, below: Path) -> None:
    """Make ``path`` a folder of the project's own; StoreError when a link stands there or on the way from ``below``."""
    refuse_links(path, below=below)
    path.mkdir(parents=True, exist_ok=True)


def remove(path: Path, *, below: Path) -> bool:
    """Delete the file at ``path``, or the link itself; whether there was one. A folder stays.

    Raises:
        StoreError: a folder on the way from ``below`` is a link, so the file may be somebody else's.
    """
    refuse_links(path.parent, below=below)
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        return False
    path.unlink(missing_ok=True)
    return True


def write_text(path: Path, text: str) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


class Unfailing(io.FileIO):
    """A new file whose writes always seem to succeed; stores the first error for ``raise_problem``."""

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
