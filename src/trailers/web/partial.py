"""The bytes of an unfinished download, which always belong to one version of the file.

.partial/tt0133093/0123456789abcdef.mp4.part       the bytes so far
.partial/tt0133093/0123456789abcdef.mp4.version    their version: the headers of the server about the file
.partial/tt0133093/0123456789abcdef.mp4.fragments  of a playlist: the headers about each fragment (web/fragments.py)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trailers.store.atomic import write_text
from trailers.web.formats import IMAGE_SUFFIXES, VIDEO_SUFFIXES, safe_suffix
from trailers.web.reasons import LinkError

FRAGMENTS = ".fragments"
KNOWN_SUFFIXES = VIDEO_SUFFIXES + IMAGE_SUFFIXES


@dataclass(frozen=True)
class Version:
    """Headers that differ between versions of a file; empty or None if the server does not send them."""

    etag: str = ""
    last_modified: str = ""
    length: int | None = None
    playlist: str = ""  # digest of the list of fragments

    @classmethod
    def of(cls, headers: Any) -> Version:
        """The version of the file in an answer, which may be a part of the file."""
        if str(headers.get("Content-Encoding") or "identity") != "identity":
            return cls(headers.get("ETag") or "", headers.get("Last-Modified") or "")  # lengths are of compressed bytes
        length = str(headers.get("Content-Range") or "").rpartition("/")[2] or headers.get("Content-Length") or ""
        known = int(length) if length.isdigit() else None
        return cls(headers.get("ETag") or "", headers.get("Last-Modified") or "", known)

    @property
    def is_known(self) -> bool:
        return self != Version()

    @property
    def if_range(self) -> str:
        """The value for the header If-Range, which must not be a weak ETag."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.last_modified


@dataclass(frozen=True)
class Partial:
    """The files of an unfinished download of one format of one link."""

    path: Path  # of the finished file

    @classmethod
    def of(cls, folder: Path, link: str, info: Mapping[str, Any]) -> Partial:
        """The files for one link and format; files of other formats of the link are removed."""
        head, tail = digest(link), digest([info.get("format_id"), info.get("ext")])
        suffix = safe_suffix(str(info.get("ext")), KNOWN_SUFFIXES)
        made = cls(folder / f"{head}{tail}.{suffix}")
        for path in list(folder.glob(f"{head}*")):
            # An unfinished fragment is only a few MB and has no record of its version.
            if not path.name.startswith(made.path.name) or "-Frag" in path.name:
                path.unlink()
        return made

    @property
    def version_path(self) -> Path:
        return self.path.with_name(self.path.name + ".version")

    @property
    def part_path(self) -> Path:
        return self.path.with_name(self.path.name + ".part")

    @property
    def ytdl_path(self) -> Path:
        """File in which yt-dlp records the number of downloaded fragments."""
        return self.path.with_name(self.path.name + ".ytdl")

    @property
    def fragments_path(self) -> Path:
        return self.path.with_name(self.path.name + FRAGMENTS)

    def version(self) -> Version:
        try:
            return Version(**json.loads(self.version_path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return Version()

    def begin(self, version: Version) -> None:
        """Record that the following bytes belong to ``version``."""
        write_text(self.version_path, json.dumps(asdict(version)) + "\n")

    def keep_only(self, version: Version) -> None:
        """Discard bytes of any other version, and record this one."""
        if self.version() != version:
            self.drop()
            self.begin(version)

    def check_whole(self, promised: int | None = None) -> None:
        """Raise LinkError if bytes are missing at the end; the next try then continues there.

        yt-dlp itself takes a range that ends early for complete.

        Args:
            promised: the size of the file, if the answer with the bytes does not state it.
        """
        size, length = self.path.stat().st_size, self.version().length or promised
        if length is not None and size < length:
            self.path.replace(self.part_path)
            raise LinkError("network", f"ended after {size:,} of {length:,} bytes")

    def drop(self) -> None:
        """Remove all files."""
        self.drop_bytes()
        self.version_path.unlink(missing_ok=True)

    def drop_bytes(self) -> None:
        """Remove the bytes, but keep the record of the version."""
        for path in list(self.path.parent.glob(f"{self.path.name}*")):
            if path != self.version_path:
                path.unlink()


def wanted_range(request: Any) -> tuple[int, int | None]:
    """The first and last byte of a request; None is the end of the file."""
    first, _, last = str(request.headers.get("Range") or "").removeprefix("bytes=").partition("-")
    return int(first) if first.isdigit() else 0, int(last) if last.isdigit() else None


def digest(thing: Any) -> str:
    return hashlib.sha256(repr(thing).encode()).hexdigest()[:8]


def bytes_in(folder: Path) -> int:
    """Number of downloaded bytes; without the records of fragments, which grow with every try."""
    paths = folder.iterdir() if folder.is_dir() else ()
    return sum(path.stat().st_size for path in paths if path.suffix != FRAGMENTS)
