"""yt-dlp, changed so that refusals are recorded and two versions of a file are never joined."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from trailers.web.fragments import COMPARED_BYTES, record_answer, steady_version
from trailers.web.partial import Partial, Version, wanted_range
from trailers.web.reasons import LinkError
from trailers.web.verdict import retry_after_s, shorten
from trailers.web.words import LOOKED_AT, is_words, kind_of_words, read_head

log = logging.getLogger(__name__)

KEY_BYTES = 16  # of AES-128


@dataclass
class Wire:
    """The requests and answers of one try."""

    last_refusal: Any = None  # the last refusal, because yt-dlp may pass on only its message
    unready: LinkError | None = None  # set if an answer was a success but not the file
    partial: Partial | None = None  # the files of the download; None while the page is requested
    address: str = ""  # of the bytes; "" for fragments
    is_site: bool = False  # whether they are from a video site that yt-dlp knows
    is_ranged: bool = False  # whether fragments are ranges of one file, so that every answer must be a range
    keys: frozenset[str] = frozenset()  # addresses of the keys of encrypted fragments
    has_end: bool = False  # whether the last answer stated its length, so that missing bytes are noticed
    promised: dict[str, int | None] = field(default_factory=dict)  # address -> length in the answer to the page request
    versions: dict[str, Version] = field(default_factory=dict)  # address -> version in the answers of this try

    def opened(self, send: Callable[[Any], Any], request: Any) -> Any:
        """The answer to ``request``: a range of the version on disk, or the file from its first byte."""
        from yt_dlp.networking.exceptions import HTTPError, RequestError

        first = wanted_range(request)[0]
        resumed = self.partial is not None and not self.is_ranged and first > 0
        known = self.known_version(request.url)
        if resumed and known.if_range:
            request.headers["If-Range"] = known.if_range
        try:
            answer = send(request)
        except RequestError as problem:
            self.last_refusal = problem
            problem.asked = request.url
            if resumed and isinstance(problem, HTTPError) and problem.status == 416:
                return self.from_the_start(send, request)
            raise
        self.look_at_status(request, answer)
        if not is_from(first, answer):
            answer.close()
            if resumed:
                return self.from_the_start(send, request)
            raise LinkError(
                "network", f"{shorten(request.url)}: the server sent another part of the file than requested"
            )
        if self.partial is None:
            self.promised |= {answer.url: Version.of(answer.headers).length}
            return answer
        answer = answer if self.address else self.look_at_part(request, answer)
        found = Version.of(answer.headers) if self.address else steady_version(answer.headers)
        self.has_end = found.length is not None or "chunked" in str(answer.headers.get("Transfer-Encoding"))
        if self.is_ranged and "Range" in request.headers:
            self.check_range(request, answer, known, found)
        elif resumed and answer.status == 206 and not (found == known and found.is_known):
            log.info("download: %s: the bytes downloaded earlier belong to another version", shorten(request.url))
            answer.close()
            return self.from_the_start(send, request)
        if not (resumed and answer.status == 206):
            self.remember(request.url, found)
        return answer

    def look_at_status(self, request: Any, answer: Any) -> None:
        if answer.status not in (200, 206):
            words = f"{shorten(request.url)}: HTTP status {answer.status}: the file is not ready yet"
            wait_s = retry_after_s(answer.headers.get("Retry-After"))
            self.unready = LinkError("not ready", words, wait_s=wait_s, sentence=f"HTTP status {answer.status}")

    def look_at_part(self, request: Any, answer: Any) -> Any:
        """Check the first bytes of ``answer``, because a wrong fragment or key would damage the whole video.

        The stated type is not enough: some servers call every answer a page, others call text a video.

        Raises:
            LinkError: the answer is text in place of a fragment, or is not a key.
        """
        from yt_dlp.networking import Response

        head = read_head(answer, COMPARED_BYTES)
        is_key = request.url in self.keys
        if is_key and len(head) != KEY_BYTES:
            words = f"the server sent {len(head):,} bytes as the key, but an AES-128 key has {KEY_BYTES}"
            raise LinkError("part refused", f"{shorten(request.url)}: {words}")
        # A key may look like text, and yt-dlp may request it under another address than the playlist's.
        is_key |= bool(self.keys) and len(head) == KEY_BYTES
        if not is_key and is_words(head[:LOOKED_AT]):
            raise LinkError(
                "part refused", f"{shorten(request.url)}: returns {kind_of_words(head)} instead of a part of a video"
            )
        begins = self.is_ranged or answer.status != 206 or not wanted_range(request)[0]
        if self.partial is not None and not is_key and begins:
            record_answer(self.partial, request, answer, head)
        return Response(Opened(head, answer), answer.url, answer.headers, answer.status, answer.reason)

    def check_range(self, request: Any, answer: Any, known: Version, found: Version) -> None:
        if answer.status != 206:
            raise LinkError("part refused", f"{shorten(request.url)}: returns the whole file, but a part was requested")
        if known.is_known and found != known:
            raise LinkError("network", f"{shorten(request.url)}: was replaced during the download")

    def from_the_start(self, send: Callable[[Any], Any], request: Any) -> Any:
        """Request the whole file; yt-dlp then discards the bytes on disk, because the answer is not a range."""
        whole = request.copy()
        for name in ("Range", "If-Range"):
            whole.headers.pop(name, None)
        answer = send(whole)
        if not is_from(0, answer):
            raise LinkError(
                "network", f"{shorten(request.url)}: the server sent another part of the file than requested"
            )
        self.remember(request.url, Version.of(answer.headers))
        return answer if self.address else self.look_at_part(whole, answer)

    def known_version(self, address: str) -> Version:
        if self.partial is not None and address == self.address:
            return self.partial.version()
        return self.versions.get(address, Version())

    def remember(self, address: str, version: Version) -> None:
        self.versions[address] = version
        if self.partial is not None and address == self.address:
            self.partial.begin(version)


def is_from(first: int, answer: Any) -> bool:
    """Whether ``answer`` starts at byte ``first``; some servers send another range than requested."""
    if answer.status != 206:
        return True
    stated = re.match(r"bytes (\d+)-", str(answer.headers.get("Content-Range") or ""))
    if stated is None:
        return first == 0 and "multipart" not in str(answer.headers.get("Content-Type"))
    return int(stated[1]) == first


class Opened(io.RawIOBase):
    """An answer whose first bytes, ``head``, were already read; reading starts with them."""

    def __init__(self, head: bytes, answer: Any) -> None:
        self.head, self.answer = head, answer

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            head, self.head = self.head, b""
            return head + bytes(self.answer.read())
        if not self.head:
            return bytes(self.answer.read(size))
        head, self.head = self.head[:size], self.head[size:]
        return head

    def close(self) -> None:
        self.answer.close()
        super().close()


def make_downloader(options: Mapping[str, Any], wire: Callable[[], Wire]) -> Any:
    """yt-dlp with ``options``; importing it and setting it up takes a second.

    Args:
        options: options of yt_dlp.YoutubeDL.
        wire: gives the ``Wire`` of the current try.
    """
    import yt_dlp

    from trailers.web.dash import join_periods

    class Listening(yt_dlp.YoutubeDL):  # type: ignore[misc]
        def urlopen(self, request: Any) -> Any:
            from yt_dlp.networking import Request

            asked = Request(request) if isinstance(request, str) else request
            return wire().opened(super().urlopen, asked)

    join_periods()
    return Listening(options)


class Quiet:
    """Logger for yt-dlp: all its messages are of level debug, because its exceptions are reported with their reason."""

    def debug(self, words: str) -> None:
        log.debug("yt-dlp: %s", words)

    info = warning = error = debug
