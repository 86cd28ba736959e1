"""Checks that fragments downloaded earlier are complete and still the ones that the server has.

.partial/tt0133093/0123456789abcdef.mp4.fragments      one line of JSON per requested fragment, in order

The files of a playlist can change without a change of the playlist. Therefore, before a download continues, each
fragment on disk is compared with the server's: ETag, length, date and first bytes.
"""

from __future__ import annotations

import email.utils
import hashlib
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from trailers.web.partial import Partial, Version, wanted_range
from trailers.web.verdict import shorten
from trailers.web.words import read_head

log = logging.getLogger(__name__)

COMPARED_BYTES = 4096  # per fragment; the settings that an encoder writes at the beginning take about 1,000 bytes
NO_RANGES = (400, 405, 416, 501)  # answers of servers that do not support ranges
NOW_S = 2.0  # a change less than this before the answer may be a server that states the present as every file's date
PADDING_BYTES = 16  # of AES-128, which decryption removes


@dataclass(frozen=True)
class Fragment:
    """One answer to the request for a fragment."""

    address: str
    first: int  # byte of the file at that address
    last: int | None  # last byte of the file; None is the end of the file
    before: int  # bytes of all fragments before it
    version: Version  # of the file
    head: str  # digest of its first bytes as they were sent

    @property
    def length(self) -> int | None:
        return self.version.length if self.last is None else self.last - self.first + 1

    def is_same_as(self, other: Fragment) -> bool:
        """Whether two answers can belong to the same file."""
        mine, its = self.version, other.version
        if self.head != other.head or differ(mine.length, its.length) or differ(mine.etag, its.etag):
            return False
        return bool(mine.etag and its.etag) or not differ(mine.last_modified, its.last_modified)


def differ(one: Any, other: Any) -> bool:
    """Whether two values are known and differ."""
    return bool(one and other and one != other)


def steady_version(headers: Any) -> Version:
    """The version of the file in an answer, without a date that may be different in the next answer."""
    found = Version.of(headers)
    return replace(found, last_modified="") if is_now(headers) else found


def is_now(headers: Any) -> bool:
    """Whether the date of a file is that of the request: some servers state the present as the date of every file."""
    try:
        changed = email.utils.parsedate_to_datetime(headers.get("Last-Modified") or "").timestamp()
    except ValueError:
        return False
    try:
        answered = email.utils.parsedate_to_datetime(headers.get("Date") or "").timestamp()
    except ValueError:
        answered = time.time()
    return abs(answered - changed) <= NOW_S


def answered(request: Any, answer: Any, head: bytes, *, before: int = 0) -> Fragment:
    """The requested fragment, as ``answer`` describes it.

    Args:
        request: request of yt-dlp.
        answer: the answer to it.
        head: the first ``COMPARED_BYTES`` bytes, or all if there are fewer.
        before: bytes of all fragments before it.
    """
    first, last = wanted_range(request)
    head_digest = hashlib.sha256(head[:COMPARED_BYTES]).hexdigest()
    return Fragment(request.url, first, last, before, steady_version(answer.headers), head_digest)


def record_answer(partial: Partial, request: Any, answer: Any, head: bytes) -> None:
    """Record the answer to the request for the next fragment."""
    fragment = answered(request, answer, head, before=size_of(partial.part_path))
    with partial.fragments_path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(fragment)) + "\n")


def keep_one_version(downloader: Any, partial: Partial, http_headers: Mapping[str, str] | None) -> None:
    """Discard the fragments on disk if they are unknown or incomplete, or not the ones that the server has now.

    Raises:
        YoutubeDLError: the server no longer gives a fragment, which a new download would need too.
    """
    count = fragments_done(partial.ytdl_path)
    if not (count or size_of(partial.part_path)):
        partial.fragments_path.unlink(missing_ok=True)
        return
    known = recorded_fragments(partial.fragments_path)
    if not are_whole(partial.part_path, known, count):
        log.info("download: %s: fragments downloaded earlier may be incomplete", partial.path.name)
        partial.drop_bytes()
        return
    for fragment in one_per_version(known[:count]):
        found = current_fragment(downloader, fragment, http_headers)
        if found is None or not fragment.is_same_as(found):
            log.info("download: %s: a fragment downloaded earlier was replaced", shorten(fragment.address))
            partial.drop_bytes()
            return


def one_per_version(fragments: Sequence[Fragment]) -> list[Fragment]:
    """The fragments to compare, without repetitions: one per file with an ETag, otherwise one per range."""
    keys = [(one.address, one.version.etag or one.first) for one in fragments]
    return list(dict(zip(keys, fragments, strict=True)).values())


def current_fragment(downloader: Any, known: Fragment, http_headers: Mapping[str, str] | None) -> Fragment | None:
    """The fragment that the server has now, from a request of a few KB; None if it does not support ranges."""
    from yt_dlp.networking import Request
    from yt_dlp.networking.exceptions import HTTPError

    last = known.first + COMPARED_BYTES - 1 if known.last is None else min(known.last, known.first + COMPARED_BYTES - 1)
    headers = {**(http_headers or {}), "Accept-Encoding": "identity", "Range": f"bytes={known.first}-{last}"}
    request = Request(known.address, headers=headers)
    try:
        answer = downloader.urlopen(request)
    except HTTPError as problem:
        if problem.status in NO_RANGES:
            return None
        raise
    try:
        return answered(request, answer, read_head(answer, COMPARED_BYTES))
    finally:
        answer.close()  # a server that ignores Range would send the whole file


def fragments_done(path: Path) -> int:
    """Number of fragments that yt-dlp has recorded as downloaded."""
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["downloader"]["current_fragment"]["index"])
    except (OSError, ValueError, TypeError, KeyError):
        return 0


def recorded_fragments(path: Path) -> list[Fragment]:
    """The recorded fragments, each with its last answer; empty if a line is damaged."""
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        answers = [Fragment(**{**line, "version": Version(**line["version"])}) for line in lines]
    except (OSError, ValueError, TypeError, KeyError):
        return []
    # A fragment that was requested again has the same start as before.
    return list({(answer.before, answer.address): answer for answer in answers}.values())


def are_whole(part: Path, known: Sequence[Fragment], count: int) -> bool:
    """Whether ``part`` consists of exactly the first ``count`` of the ``known`` fragments.

    A job that was killed or filled the disk leaves a part of a fragment behind.
    """
    if not 0 < count <= len(known):
        return False
    size, last = size_of(part), known[count - 1]
    if len(known) > count and known[count].before != size:
        return False
    return last.length is None or last.before + last.length - PADDING_BYTES <= size <= last.before + last.length


def size_of(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
