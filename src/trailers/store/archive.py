"""Unpacking untrusted archives: only plain files and folders below one folder."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Self

from trailers.errors import StoreError
from trailers.store.atomic import TEMPORARY

REMEDY = "Fetch it again."
BLOCK = 1 << 20
MOST_MEMBERS = 5_000_000  # the published stores have some ten thousand files


class Member(tarfile.TarInfo):
    """A member of an archive. A damaged or missing header is an error; tarfile would take it for the end."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # the proper end; not in typeshed
            raise
        except tarfile.HeaderError as problem:
            raise tarfile.ReadError(f"the archive breaks off after {tar.offset:,} bytes: {problem}") from None


@contextlib.contextmanager
def unpacked(archive: Path, *, into: Path) -> Iterator[Path]:
    """Unpack ``archive``, a .tar or .tar.gz of one folder; gives that folder, which is removed when the block ends.

    Args:
        archive: a file.
        into: an existing folder with room for the unpacked files.

    Raises:
        StoreError: the archive is damaged or truncated, or a member is a link or a device or would be unpacked
            outside its folder.
    """
    place = into / f"{TEMPORARY}{secrets.token_hex(8)}"
    place.mkdir()
    try:
        extract(archive, place)
        tops = list(place.iterdir())
        if len(tops) != 1 or not tops[0].is_dir():
            raise StoreError(f"holds {len(tops)} folders and files at its top, expected one folder", where=archive)
        yield tops[0]
    finally:
        shutil.rmtree(place, ignore_errors=True)


def extract(archive: Path, place: Path) -> None:
    try:
        with tarfile.open(archive, "r:*", tarinfo=Member) as tar:
            for number, member in enumerate(tar):
                check_member(archive, member)
                if number >= MOST_MEMBERS:
                    raise StoreError(f"holds more than {MOST_MEMBERS:,} members", where=archive, remedy=REMEDY)
                if member.isfile() and member.size > shutil.disk_usage(place).free:
                    what = f"its member {member.name[:100]!r} of {member.size:,} bytes does not fit on the disk"
                    raise StoreError(what, where=archive, remedy="Free some space.")
                tar.extract(member, place, filter="data")
            # Read to the end of the compressed data, where its checksum is.
            while tar.fileobj is not None and tar.fileobj.read(BLOCK):
                pass
    except (tarfile.TarError, EOFError, zlib.error, UnicodeDecodeError) as problem:
        raise damaged(archive, problem) from None
    except OSError as problem:
        if problem.errno is not None:
            raise
        raise damaged(archive, problem) from None


def damaged(archive: Path, problem: Exception) -> StoreError:
    # The message of tarfile has one line per format that it tried.
    words = " ".join(str(problem).split())
    return StoreError(f"is damaged or truncated: {words}", where=archive, remedy=REMEDY)


def check_member(archive: Path, member: tarfile.TarInfo) -> None:
    """Raises StoreError for a member that is not a plain file or folder below the archive's own folder."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        what = f"its member {member.name[:100]!r} would be unpacked outside its folder"
        raise StoreError(what, where=archive, remedy="It is not the published archive. " + REMEDY)
    if not (member.isfile() or member.isdir()):
        what = f"its member {member.name[:100]!r} is a link or a device, and those are not unpacked"
        raise StoreError(what, where=archive, remedy="It is not the published archive. " + REMEDY)
