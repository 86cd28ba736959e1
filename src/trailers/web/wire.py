"""yt-dlp, set up so that it tells what it hears, joins no two versions and runs no other program."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from trailers.web.partial import Partial, Version
from trailers.web.reasons import LinkError
from trailers.web.verdict import retry_after_s, shorten

log = logging.getLogger(__name__)

WORDS = {"text/html": "a web page", "application/json": "JSON"}  # what a site says in place of a fragment
KEY_BYTES, LOOKED_AT = 16, 1000


@dataclass
class Wire:
    """What one try hears, and which bytes it is after."""

    heard: Any = None  # the last refusal, which yt-dlp may pass on as words alone
    unready: LinkError | None = None  # an answer that is a success and yet not the thing asked for
    partial: Partial | None = None  # whose bytes are asked for; None while the page is
    address: str = ""  # of those bytes
    is_site: bool = False  # whether a video site of yt-dlp's gives them
    is_ranged: bool = False  # fragments are ranges of one file, so that every answer has to be such a range
    versions: dict[str, Version] = field(default_factory=dict)  # address -> version, of what this try asked for

    def opened(self, send: Callable[[Any], Any], request: Any) -> Any:
        """The answer to ``request``: of the version whose beginning is there already, or from its first byte."""
        from yt_dlp.networking.exceptions import HTTPError, RequestError

        resumed = self.partial is not None and not self.is_ranged and first_byte(request) > 0
        known = self.known_version(request.url)
        if resumed and known.if_range:
            request.headers["If-Range"] = known.if_range
        try:
            answer = send(request)
        except RequestError as problem:
            self.heard = problem
            problem.asked = request.url
            if resumed and isinstance(problem, HTTPError) and problem.status == 416:
                return self.from_the_start(send, request)
            raise
        self.look_at_status(request, answer)
        if self.partial is None:
            return answer
        answer = self.without_page(request, answer)
        found = Version.of(answer.headers)
        if self.is_ranged and "Range" in request.headers:
            self.check_range(request, answer, known, found)
        elif resumed and answer.status == 206 and not (found == known and found.is_told):
            log.info("download: %s: bytes that came earlier are of another version", shorten(request.url))
            answer.close()
            return self.from_the_start(send, request)
        if not (resumed and answer.status == 206):
            self.note(request.url, found)
        return answer

    def look_at_status(self, request: Any, answer: Any) -> None:
        if answer.status not in (200, 206):
            words = f"{shorten(request.url)}: HTTP status {answer.status}: what is asked for is not there yet"
            wait_s = retry_after_s(answer.headers.get("Retry-After"))
            self.unready = LinkError("not ready", words, wait_s=wait_s, sentence=f"HTTP status {answer.status}")

    def without_page(self, request: Any, answer: Any) -> Any:
        """``answer``; raises LinkError where a site gives words, and not the fragment that was asked for.

        What a type claims is not enough: some servers call every answer a page, keys of 16 bytes among them.
        """
        from yt_dlp.networking import Response

        kind = str(answer.headers.get("Content-Type") or "").split(";")[0].strip().lower()
        if self.address or kind not in WORDS:
            return answer
        body = answer.read()
        if len(body) > KEY_BYTES and all(byte >= 32 or byte in b"\t\n\r\f" for byte in body[:LOOKED_AT]):
            raise LinkError("part refused", f"{shorten(request.url)}: gives {WORDS[kind]}, not a part of the video")
        return Response(io.BytesIO(body), answer.url, answer.headers, answer.status, answer.reason)

    def check_range(self, request: Any, answer: Any, known: Version, found: Version) -> None:
        if answer.status != 206:
            raise LinkError("part refused", f"{shorten(request.url)}: gives the whole file where a part was asked for")
        if known.is_told and found != known:
            raise LinkError("network", f"{shorten(request.url)}: was replaced while it was downloaded")

    def from_the_start(self, send: Callable[[Any], Any], request: Any) -> Any:
        """The whole file; yt-dlp then forgets the bytes that are there, since the answer is not a range."""
        whole = request.copy()
        for name in ("Range", "If-Range"):
            whole.headers.pop(name, None)
        answer = send(whole)
        self.note(request.url, Version.of(answer.headers))
        return answer

    def known_version(self, address: str) -> Version:
        if self.partial is not None and address == self.address:
            return self.partial.version()
        return self.versions.get(address, Version())

    def note(self, address: str, version: Version) -> None:
        self.versions[address] = version
        if self.partial is not None and address == self.address:
            self.partial.begin(version)


def first_byte(request: Any) -> int:
    wanted = str(request.headers.get("Range") or "").removeprefix("bytes=").split("-")[0]
    return int(wanted) if wanted.isdigit() else 0


def make_downloader(options: Mapping[str, Any], wire: Callable[[], Wire]) -> Any:
    """yt-dlp with ``options``; importing it and setting it up takes a second.

    Args:
        options: of yt_dlp.YoutubeDL.
        wire: gives the try that is under way.
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
    """yt-dlp's logger: what it says is a detail; what it raises is told with its reason."""

    def debug(self, words: str) -> None:
        log.debug("yt-dlp: %s", words)

    info = warning = error = debug
