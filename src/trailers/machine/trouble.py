"""Turns errors of full or failed disks and of wrong paths into messages with the folder and a remedy."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from trailers.errors import MACHINE, ConfigError, SystemicError
from trailers.store.atomic import TEMPORARY

STAYS = "and rerun; finished products are kept."
# errno -> what is wrong with the folder, and the remedy.
DISK = {
    errno.ENOSPC: ("the disk of this folder is full", "Free some space on it"),
    errno.EDQUOT: (
        "your quota on the disk of this folder is used up",
        "Remove some files or raise the quota",
    ),
    errno.EROFS: ("this folder is on a read-only disk", "Mount it for writing or choose another folder"),
    errno.EFBIG: (
        "a file in this folder became larger than the system allows",
        "Check `ulimit -f` or use a file system for large files",
    ),
}
NO_INODES = "the disk of this folder has free space but cannot hold more files (inodes)"
FILES = "too many files are open"


# Errors of a path that belongs to another user, or is of another kind than expected.
PATHS = frozenset(
    {errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP}
)


def systemic(problem: OSError, *folders: Path, then: str = STAYS) -> SystemicError | None:
    """The message for ``problem`` if it is a problem of the machine, otherwise None.

    Args:
        problem: the error.
        folders: folders in which files were being written, for errors that name no file.
        then: what to do after the remedy, and what is kept.
    """
    if problem.errno not in MACHINE:
        return None
    if problem.errno not in DISK:
        return SystemicError(FILES, remedy=f"Raise `ulimit -n` {then}", reason=FILES)
    what, remedy = DISK[problem.errno]
    place = place_of(problem, folders)
    if problem.errno == errno.ENOSPC and has_no_inodes(place):
        what = NO_INODES
        remedy = "Remove some files there"
    return SystemicError(what, where=place, remedy=f"{remedy} {then}", reason=what)


def of_path(problem: OSError) -> ConfigError | None:
    """The message for ``problem`` if a path cannot be used for its purpose, otherwise None."""
    named = problem.filename2 or problem.filename
    if problem.errno not in PATHS or not isinstance(named, str | bytes):
        return None
    path = Path(os.fsdecode(named))
    # The name of a temporary file means nothing to the user.
    place = path.parent if path.name.startswith(TEMPORARY) else path
    return ConfigError(
        f"cannot be used: {str(problem.strerror).lower()}", where=place,
        remedy="Choose another path, or change the file or folder there.",
    )  # fmt: skip


def place_of(problem: OSError, folders: Sequence[Path]) -> Path:
    """The folder whose disk failed: that of the file that was written, which is the last one in the error."""
    named = problem.filename2 or problem.filename
    if isinstance(named, str | bytes):
        return existing(Path(os.fsdecode(named)).absolute().parent)
    # The error of a write to an open file names no file. The file is in one of ``folders``, or is temporary.
    return min((*map(existing, folders), Path(tempfile.gettempdir())), key=free_bytes)


def existing(folder: Path) -> Path:
    """``folder``, or the nearest existing folder above it."""
    return next((place for place in (folder, *folder.parents) if place.is_dir()), folder)


def free_bytes(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0


def has_no_inodes(folder: Path) -> bool:
    """Whether a disk limits the number of files, and has reached the limit."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_files > 0 and found.f_favail == 0
