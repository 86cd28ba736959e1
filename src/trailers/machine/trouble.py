"""What a disk that takes no more means for the user: which folder, and what to do."""

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
# Errors of the system -> what is wrong with a folder, and what to do first.
DISK = {
    errno.ENOSPC: ("the disk of this folder is full", "Free some space on it"),
    errno.EDQUOT: (
        "your quota on the disk of this folder is used up",
        "Remove some files or raise the quota",
    ),
    errno.EROFS: ("this folder is on a read-only disk", "Mount it for writing or choose another"),
    errno.EFBIG: (
        "a file in this folder became larger than the system allows",
        "Check `ulimit -f` or use a file system for large files",
    ),
}
NO_INODES = "the disk of this folder has free space but cannot hold more files (inodes)"
FILES = "too many files are open"

# A path that is not theirs who started the program, or of another kind than it should be.
PATHS = frozenset(
    {errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP}
)


def systemic(problem: OSError, *folders: Path, then: str = STAYS) -> SystemicError | None:
    """The error that tells ``problem``, where it is one of the machine; else None.

    Args:
        problem: raised on the way.
        folders: where files were being written, for errors that name none.
        then: what to do afterwards, and what is kept.
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
    """The error that tells ``problem``, where a path that somebody gave cannot be what it was given for; else None."""
    named = problem.filename2 or problem.filename
    if problem.errno not in PATHS or not isinstance(named, str | bytes):
        return None
    path = Path(os.fsdecode(named))
    # Of a temporary file nobody has heard.
    place = path.parent if path.name.startswith(TEMPORARY) else path
    return ConfigError(
        f"cannot be used: {str(problem.strerror).lower()}", where=place,
        remedy="Choose another path, or change the file or folder there.",
    )  # fmt: skip


def place_of(problem: OSError, folders: Sequence[Path]) -> Path:
    """The folder whose disk refused to take more: of the file that was written, which comes last in an error."""
    named = problem.filename2 or problem.filename
    if isinstance(named, str | bytes):
        return existing(Path(os.fsdecode(named)).absolute().parent)
    # An open file that was written to has no name in its error. It is in one of ``folders``, or temporary.
    return min((*map(existing, folders), Path(tempfile.gettempdir())), key=free_bytes)


def existing(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that is there."""
    return next((place for place in (folder, *folder.parents) if place.is_dir()), folder)


def free_bytes(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0


def has_no_inodes(folder: Path) -> bool:
    """Whether a disk counts files, as some do not, and can take no more of them."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_files > 0 and found.f_favail == 0
