"""One client for all links of a run: retries, waits, deadlines, resumption.

Retries are counted here and not by yt-dlp, which ignores Retry-After. Bytes on disk are not requested again, in this
run or the next. No other program is run, the only file of the user that is read is the configured cookies file, and
only http and https are used.
"""

from __future__ import annotations

import functools
import io
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from trailers.errors import MACHINE
from trailers.machine.watchdog import alive
from trailers.store.atomic import refuse_links
from trailers.web.cookies import read_cookies
from trailers.web.formats import choose_format, why_no_format
from trailers.web.fragments import keep_one_version
from trailers.web.partial import Partial, Version, bytes_in
from trailers.web.patience import Effort, deadline
from trailers.web.reasons import WAITED_OUT, LinkError
from trailers.web.resumed import keep_same_bytes
from trailers.web.stream import prepare
from trailers.web.verdict import Try, explain, explain_fragment
from trailers.web.wire import Quiet, Wire, make_downloader
from trailers.web.words import words_in_place_of

log = logging.getLogger(__name__)

BLOCK_BYTES = 64 * 1024  # with 64 KiB, each MB costs 3 ms of processor time; with 16 KiB, 10 ms

T = TypeVar("T")


@dataclass(frozen=True)
class Fetched:
    """Downloaded bytes, which may or may not be a video, and their origin."""

    path: Path
    facts: Mapping[str, Any]
    unready: LinkError | None = None  # the error to raise if they are not a video
    is_whole: bool = True  # whether the server stated the length, so that no byte is missing
    is_joined: bool = False  # whether they were joined from fragments, which may have been decrypted

    def verdict(self, problem: LinkError, kind: str) -> LinkError:
        """Why the bytes are not ``kind``, such as "a video".

        ``problem`` says something about the trailer only if the bytes are one complete file and not text.
        """
        found = self.unready or words_in_place_of(self.path, kind)
        if found is None and not self.is_whole:
            words = f"{problem.words}; the server did not say where the file ends, so the end may be missing"
            return LinkError("incomplete", words, sentence="incomplete, or not a video or an image")
        if found is None and self.is_joined:
            # The playlist may have the wrong key or the wrong parts, which says nothing about the video.
            sentence = f"the fragments of its playlist are not {kind} when joined"
            return LinkError("part refused", f"{sentence}: {problem.words}", sentence=sentence)
        return found or problem


@dataclass
class Client:
    """Downloads links with yt-dlp, with retries and with a deadline per link."""

    effort: Effort
    min_height: int
    max_height: int
    cache: Path  # the cache folder of yt-dlp
    last_request: float = -1e9  # on the clock of time.monotonic
    silent_hosts: set[str] = field(default_factory=set)  # hosts that used up all retries; each link now gets one try
    wire: Wire = field(default_factory=Wire)  # of the current try

    def fetch(self, link: str, folder: Path, accept: Callable[[float], None]) -> Fetched:
        """Download ``link`` into ``folder``; bytes that it already contains are not requested again.

        Args:
            link: http or https.
            folder: used only for the trailer of this link; partial bytes are kept in it.
            accept: called with the duration in seconds that the site states; may raise LinkError.

        Raises:
            LinkError: nothing was downloaded; has the reason.
            OSError: this machine cannot write the file.
        """
        try:
            return self.persist(link, lambda: self.ask(link, folder, accept), lambda: bytes_in(folder))
        except OSError as problem:
            # The errors of yt-dlp name a temporary file or no file.
            if problem.errno in MACHINE:
                raise OSError(problem.errno, problem.strerror, str(folder / "bytes")) from problem
            raise

    def persist(self, link: str, ask: Callable[[], T], gained: Callable[[], int] = int) -> T:
        """The result of ``ask``, which is repeated as often and for as long as ``effort`` allows.

        Args:
            link: the link, for the log; links of hosts that never answer get only one try from then on.
            ask: one try; raises LinkError.
            gained: gives the number of bytes on disk; when it increases, the retries start again.

        Raises:
            LinkError: the last try failed; has the reason.
        """
        host = urlsplit(link).hostname or ""
        tries, most = 0, gained()
        ends = time.monotonic() + self.effort.deadline_s
        with deadline(self.effort.deadline_s):
            while True:
                try:
                    answer = ask()
                except LinkError as problem:
                    if gained() > most:
                        tries, most = 0, gained()
                    wait_s = max(problem.wait_s, self.effort.backoff_s * 2**tries)
                    retries = 0 if host in self.silent_hosts else self.effort.retries
                    if problem.reason not in WAITED_OUT:
                        raise
                    is_vain = wait_s > self.effort.max_wait_s or time.monotonic() + wait_s > ends
                    if tries >= retries or is_vain:
                        self.silent_hosts |= {host} if problem.reason == "network" else set()
                        raise
                    tries += 1
                    log.info("download: %s: %s; try %d of %d in %g s", link, problem, tries, retries, wait_s)
                    time.sleep(wait_s)
                else:
                    self.silent_hosts.discard(host)
                    return answer

    def begin_try(self) -> None:
        """Wait until the next request may be sent, and reset ``wire``."""
        alive()
        time.sleep(max(0.0, self.last_request + self.effort.sleep_s - time.monotonic()))
        self.wire = Wire()

    def ask(self, link: str, folder: Path, accept: Callable[[float], None]) -> Fetched:
        """One try."""
        from yt_dlp.utils import YoutubeDLError

        self.begin_try()
        tried = Try(link)
        try:
            info = first_entry(self.downloader.extract_info(link, download=False), link)
            tried = Try(link, is_site=info.get("extractor_key") != "Generic", is_for_bytes=True)
            if info.get("duration") is not None:
                accept(float(info["duration"]))
            fetched = self.take(link, folder, info, is_site=tried.is_site)
        except (YoutubeDLError, LinkError) as problem:
            is_explained = isinstance(problem, LinkError)
            found = problem if is_explained else explain(problem, replace(tried, last_refusal=self.wire.last_refusal))
            raise (self.wire.unready if found.reason in ("not a video", "page") else None) or found from problem
        finally:
            self.last_request = time.monotonic()
        return fetched

    def take(self, link: str, folder: Path, info: dict[str, Any], *, is_site: bool) -> Fetched:
        """Download the chosen format in ``info``."""
        stream = prepare(self.downloader, info)
        partial = Partial.of(folder, link, info)
        if stream.version:
            partial.keep_only(Version(playlist=stream.version))
            keep_one_version(self.downloader, partial, info.get("http_headers"))
        else:
            keep_same_bytes(self.downloader, partial, info)
        self.wire.partial, self.wire.address = partial, "" if stream.version else str(info.get("url"))
        self.wire.is_ranged, self.wire.is_site, self.wire.keys = stream.promise.is_ranged, is_site, stream.keys
        # This call is below the level of post-processors, so yt-dlp does not merge, repair or run commands.
        complete, _ = self.downloader.dl(str(partial.path), info)
        if not complete or not partial.path.is_file():
            raise LinkError("network", "the download ended without a file")
        if not stream.version:
            partial.check_whole(None if self.wire.has_end else self.wire.promised.get(str(info.get("url"))))
        # The address of the bytes on a site expires within hours; the address of the page does not.
        final = info.get("webpage_url") if is_site else info.get("url")
        facts = {
            "final_url": str(final or link),
            "extractor": str(info.get("extractor") or ""),
            "format": str(info.get("format_id") or ""),
            **stream.finish(partial.path),
        }
        is_joined = bool(stream.version)
        return Fetched(partial.path, facts, self.wire.unready, is_joined or self.wire.has_end, is_joined)

    @functools.cached_property
    def downloader(self) -> Any:
        refuse_links(self.cache, below=self.cache.parent)
        made = make_downloader(self.options(), lambda: self.wire)
        made.add_progress_hook(self.guard_size)
        return made

    def options(self) -> dict[str, Any]:
        effort = self.effort
        options: dict[str, Any] = {
            "quiet": True,
            "noprogress": True,
            "color": {"stdout": "never", "stderr": "never"},
            "logger": Quiet(),
            "format": self.choose,
            "noplaylist": True,
            "playlist_items": "1",
            "updatetime": False,
            # A broken connection costs the current block, which yt-dlp would let grow to 4 MiB.
            "buffersize": BLOCK_BYTES,
            "noresizebuffer": True,
            "cachedir": str(self.cache),
            # Retries are counted in ``persist``, which respects Retry-After; yt-dlp retries only fragments.
            "retries": 0,
            "extractor_retries": 0,
            "fragment_retries": effort.retries,
            "retry_sleep_functions": {"fragment": self.wait_for_fragment},
            "skip_unavailable_fragments": False,  # the default silently leaves gaps in the video
            "socket_timeout": effort.timeout_s,
            "sleep_interval_requests": effort.sleep_s,
            "ratelimit": effort.rate_limit_kbps and effort.rate_limit_kbps * 1024,
            # No other program is run: an ffmpeg on PATH would open any address that a playlist names.
            "fixup": "never",
            "ffmpeg_location": str(self.cache / "no-ffmpeg"),
            "external_downloader": {"default": "native"},
            "hls_prefer_native": True,
            "js_runtimes": {"deno": {}, "node": {}, "bun": {}, "quickjs": {}},
        }
        if effort.proxy is not None:
            options["proxy"] = effort.proxy
        if effort.cookies is not None:
            # As a stream, because yt-dlp would write to a cookies file.
            options["cookiefile"] = io.StringIO(read_cookies(Path(effort.cookies)))
        return options

    def choose(self, offered: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        best = choose_format(offered["formats"], min_height=self.min_height, max_height=self.max_height)
        if best is None:
            raise LinkError(*why_no_format(offered["formats"]))
        yield best

    def wait_for_fragment(self, n: int) -> float:
        """Seconds to wait before retry number ``n`` (from 0) of a fragment.

        Raises:
            LinkError: a retry cannot help, or the site asks for a longer wait than ``max_wait_s``.
        """
        wait_s = min(self.effort.backoff_s * float(2**n), self.effort.max_wait_s)
        problem = explain_fragment(self.wire.last_refusal, is_site=self.wire.is_site)
        if problem is None:
            return wait_s
        if problem.reason not in WAITED_OUT or problem.wait_s > self.effort.max_wait_s:
            raise problem
        return max(problem.wait_s, wait_s)

    def guard_size(self, progress: Mapping[str, Any]) -> None:
        alive()
        known = max(progress.get("downloaded_bytes") or 0, progress.get("total_bytes") or 0)
        if known > self.effort.max_size_mb * 1_000_000:
            raise LinkError("too long", f"the file is larger than download.max_size_mb ({self.effort.max_size_mb} MB)")


def first_entry(info: Any, link: str) -> dict[str, Any]:
    """The video, or the first of several. Raises LinkError if there is none, or for a live broadcast."""
    while isinstance(info, dict) and "entries" in info:
        info = next((entry for entry in info["entries"] if entry), None)
    if not isinstance(info, dict):
        raise LinkError("page", f"{link} does not lead to a video", sentence="does not lead to a video")
    if info.get("is_live") or info.get("live_status") in ("is_live", "is_upcoming"):
        raise LinkError("other", f"{link} is a live or a future broadcast")
    return info
