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

TEMPORARY = ".tmp-"  # prefix of unfinished files; they are in the folder of the finished one


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path to write to; renamed to ``path`` if the block succeeds, removed if it fails.

    The temporary name keeps the suffix, because ffmpeg and others choose the format by it. Two
    writers of one path do not interfere: each has its own temporary file, and the later rename wins.

    Raises:
        OSError: the file could not be written; if the disk is full or fails, the error names ``path``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}-{path.name}")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    except OSError as problem:
        # The error of a write to an open file names no file, and the temporary name means nothing to the user.
        names = (problem.filename, problem.filename2)
        if problem.errno in MACHINE and (names == (None, None) or str(temporary) in map(str, names)):
            raise OSError(problem.errno, problem.strerror, str(path)) from problem
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def deferring_errors(path: Path) -> Iterator[DeferringFile]:
    """A file for a library that cannot handle write errors; an error is raised after the library has closed the file.

    Raises:
        OSError: it could not be written, such as on a full disk.
    """
    with atomic(path) as temporary, DeferringFile(temporary) as file:
        try:
            yield file
        finally:
            # If the library raised an error because bytes are missing, this one is its cause.
            file.raise_problem()


def sync(path: Path) -> None:
    """Wait until ``path`` is on the disk, so that a rename never outlives what it names."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def refuse_links(path: Path, *, below: Path) -> None:
    """Raise StoreError if ``path`` or a folder between ``below`` and it is a symbolic link.

    ``below`` itself may be a link: a results folder, or that of a stage, may be on another disk.

    Raises:
        ValueError: ``path`` is not below ``below``.
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
    """Make the folder ``path``. Raises StoreError if it or a folder between ``below`` and it is a link."""
    refuse_links(path, below=below)
    path.mkdir(parents=True, exist_ok=True)


def remove(path: Path, *, below: Path) -> bool:
    """Delete the file or the link at ``path``, but not a folder. Returns whether something was deleted.

    Raises:
        StoreError: a folder between ``below`` and ``path`` is a link, so the file may be somebody else's.
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


class DeferringFile(io.FileIO):
    """A new file whose writes always seem to succeed; stores the first error for ``raise_problem``."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+b")
        self.problem: OSError | None = None

    def write(self, data: ReadableBuffer) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while len(rest) and self.problem is None:
                rest = rest[super().write(rest) or 0 :]  # the system may write only a part
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
        """Raise the first error of a write, if there was one."""
        if self.problem is not None:
            raise self.problem
