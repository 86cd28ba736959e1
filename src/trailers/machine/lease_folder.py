"""The folder of the lock files for the GPUs of a host, which all its users share.

Any user may have made the folder and files, so links are not followed, only regular files are opened, and a folder to
which only its owner can write is not trusted.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import pwd
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from trailers.errors import ConfigError, SystemicError

NAMED = "TRAILERS_LEASE_DIR"  # environment variable with another folder of locks than the default
SHARED = (Path("/tmp"), Path("/dev/shm"), Path("/run/lock"))  # noqa: S108  independent of TMPDIR, which can differ
OPEN_TO_ALL = stat.S_ISVTX | stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO
REMEDY = f"Remove it, ask its owner to remove it, or set {NAMED} to another folder."

Folder = tuple[Path, int]  # its path, for messages, and its descriptor


def host_folder() -> Path:
    """The default folder of this host's locks, which is the same for all users and environments."""
    host = re.sub(r"[^A-Za-z0-9.-]", "_", platform.node()) or "host"
    for shared in SHARED:
        with contextlib.suppress(OSError):
            mode = shared.stat().st_mode
            if stat.S_ISDIR(mode) and mode & stat.S_ISVTX and mode & stat.S_IWOTH:
                return shared / f"trailers-gpu-{host}"
    raise ConfigError(
        f"none of {', '.join(map(str, SHARED))} is a folder that all users may write to",
        remedy=f"Set {NAMED} to a folder for locks.",
    )


@contextlib.contextmanager
def opened_folder() -> Iterator[Folder]:
    """The folder of the locks and its descriptor.

    Raises:
        ConfigError: it is a link or a file, or only another user can write to it.
    """
    named = os.environ.get(NAMED)
    path = Path(named) if named else host_folder()
    try:
        if named:
            path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o777 if named else 0o700)
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as problem:
        words = "is not a directory, but GPU locks need one"
        if problem.errno not in (errno.ENOTDIR, errno.ELOOP):
            words = f"cannot store GPU locks: {problem.strerror}"
        raise ConfigError(words, where=path, remedy=REMEDY) from None
    try:
        share(path, handle, named=bool(named))
        yield path, handle
    finally:
        os.close(handle)


def share(path: Path, handle: int, *, named: bool) -> None:
    """Make the folder writable for all users; raise ConfigError if only another user can write to it."""
    found = os.fstat(handle)
    if stat.S_IMODE(found.st_mode) == OPEN_TO_ALL:
        return
    if found.st_uid not in (0, os.geteuid()):
        raise ConfigError(
            f"belongs to {user_name(found.st_uid)} and other users cannot write to it, so GPU locks in it are not safe",
            where=path,
            remedy=REMEDY,
        )
    if not named and found.st_uid == os.geteuid():
        os.fchmod(handle, OPEN_TO_ALL)


def open_lock(folder: Folder, name: str) -> int:
    """The descriptor of a device's lock file, which is created if it is missing.

    Raises:
        ConfigError: it is not a regular file, or cannot be written.
    """
    path, handle = folder
    file = file_name(name)
    common = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    for _ in range(100):
        try:
            try:
                # Without O_CREAT, because kernels refuse it for another user's file in a shared folder.
                lock = os.open(file, common, dir_fd=handle)
            except FileNotFoundError:
                lock = os.open(file, common | os.O_CREAT | os.O_EXCL, 0o666, dir_fd=handle)
                os.fchmod(lock, 0o666)
        except FileExistsError:
            continue
        except OSError as problem:
            words = "is a link" if problem.errno == errno.ELOOP else str(problem.strerror).lower()
            raise ConfigError(f"cannot be used as a GPU lock: {words}", where=path / file, remedy=REMEDY) from None
        found = os.fstat(lock)
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
            return lock
        os.close(lock)
        if found.st_nlink != 0:
            raise ConfigError(
                "cannot be used as a GPU lock: it is not a regular file with a single name",
                where=path / file,
                remedy=REMEDY,
            )
    raise SystemicError("is created and removed too often to be locked", where=path / file)


def file_name(device: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]", "_", device)


def is_current(folder: Folder, name: str, lock: int) -> bool:
    """Whether the folder still has this file under the name; a cleaner may have removed it meanwhile."""
    try:
        there = os.stat(file_name(name), dir_fd=folder[1], follow_symlinks=False)
    except OSError:
        return False
    return os.path.samestat(there, os.fstat(lock))


def user_name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
