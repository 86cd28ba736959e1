"""The bytes of one link that are there already: of one version, and never of two joined.

.partial/tt0133093/0123456789abcdef.mp4.part       what came so far
.partial/tt0133093/0123456789abcdef.mp4.version    of which version: what the server said of the file
.partial/tt0133093/0123456789abcdef.mp4.fragments  of a playlist: what it said of each fragment (web/fragments.py)
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
    """What tells two versions of a file apart; empty or None where the server does not say."""

    etag: str = ""
    last_modified: str = ""
    length: int | None = None
    playlist: str = ""  # digest of the list of fragments

    @classmethod
    def of(cls, headers: Any) -> Version:
        """The version that an answer, whole or partial, speaks of."""
        if str(headers.get("Content-Encoding") or "identity") != "identity":
            return cls(headers.get("ETag") or "", headers.get("Last-Modified") or "")  # lengths are of what was packed
        length = str(headers.get("Content-Range") or "").rpartition("/")[2] or headers.get("Content-Length") or ""
        known = int(length) if length.isdigit() else None
        return cls(headers.get("ETag") or "", headers.get("Last-Modified") or "", known)

    @property
    def is_told(self) -> bool:
        return self != Version()

    @property
    def if_range(self) -> str:
        """What the header If-Range may carry: a weak tag says that bytes may differ."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.last_modified


@dataclass(frozen=True)
class Partial:
    """Where the bytes of one format of one link gather."""

    path: Path  # of the whole file

    @classmethod
    def of(cls, folder: Path, link: str, info: Mapping[str, Any]) -> Partial:
        """One name per link and format; bytes of the link's other formats go."""
        head, tail = digest(link), digest([info.get("format_id"), info.get("ext")])
        suffix = safe_suffix(str(info.get("ext")), KNOWN_SUFFIXES)
        made = cls(folder / f"{head}{tail}.{suffix}")
        for path in list(folder.glob(f"{head}*")):
            # A fragment begun is a few MB at most, and says nothing of its version.
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
        """Where yt-dlp notes how many fragments are there."""
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
        """Bytes that come from now on are of ``version``."""
        write_text(self.version_path, json.dumps(asdict(version)) + "\n")

    def keep_only(self, version: Version) -> None:
        """Drop bytes of any other version, and begin or go on with this one."""
        if self.version() != version:
            self.drop()
            self.begin(version)

    def check_whole(self, promised: int | None = None) -> None:
        """Raises LinkError where bytes are missing at the end; they then wait for the next try, to go on there.

        yt-dlp takes a range that ends early for the whole.

        Args:
            promised: bytes in all, where the answer with the bytes does not say how many there are.
        """
        size, length = self.path.stat().st_size, self.version().length or promised
        if length is not None and size < length:
            self.path.replace(self.part_path)
            raise LinkError("network", f"ended after {size:,} of {length:,} bytes")

    def drop(self) -> None:
        """Forget all that is there."""
        self.drop_bytes()
        self.version_path.unlink(missing_ok=True)

    def drop_bytes(self) -> None:
        """Forget the bytes; the version that they have to be of stays."""
        for path in list(self.path.parent.glob(f"{self.path.name}*")):
            if path != self.version_path:
                path.unlink()


def wanted_range(request: Any) -> tuple[int, int | None]:
    """The first and last byte that a request asks for; None is the end of the file."""
    first, _, last = str(request.headers.get("Range") or "").removeprefix("bytes=").partition("-")
    return int(first) if first.isdigit() else 0, int(last) if last.isdigit() else None


def digest(thing: Any) -> str:
    return hashlib.sha256(repr(thing).encode()).hexdigest()[:8]


def bytes_in(folder: Path) -> int:
    """Bytes of videos; what is noted of fragments grows with every try, also where nothing comes."""
    paths = folder.iterdir() if folder.is_dir() else ()
    return sum(path.stat().st_size for path in paths if path.suffix != FRAGMENTS)
