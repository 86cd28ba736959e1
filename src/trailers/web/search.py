"""Searches a video site with yt-dlp, and reads the pages of the best candidates for more details.

No video is downloaded. A search costs one or two requests, a page about as much as the beginning of a download.
"""

from __future__ import annotations

import contextlib
import datetime
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

from trailers.errors import ConfigError
from trailers.store.candidates import Candidate, safe_link, safe_text
from trailers.store.titles import Title
from trailers.web.client import Client
from trailers.web.reasons import LinkError
from trailers.web.scoring import Preferences, ranked
from trailers.web.uniform import Refusals
from trailers.web.verdict import Try, explain

LIVE = ("is_live", "is_upcoming")
LONGEST_QUERY = 300
T = TypeVar("T")

FIELDS = ("title", "original_title", "year")


def query_of(template: str, title: Title) -> str:
    """The search words; an unknown year is left out.

    Raises:
        ConfigError: the template has another field than those of a title.
    """
    values = {"title": title.title, "original_title": title.original_title or title.title, "year": title.year or ""}
    try:
        text = template.format(**values)
    except (KeyError, IndexError, ValueError, AttributeError) as problem:
        why = f"a title has no field '{problem.args[0]}'" if isinstance(problem, KeyError) else str(problem)
        raise ConfigError(
            f"'{template}' cannot be filled in: {why}", where="config.yaml, search.template",
            remedy=f"Known fields: {', '.join(f'{{{name}}}' for name in FIELDS)}.",
        ) from None  # fmt: skip
    return " ".join(text.split())[:LONGEST_QUERY]


@dataclass
class Searcher:
    """One client for all searches of a run."""

    client: Client
    refusals: Refusals
    site: str  # yt-dlp's name for the search, such as ytsearch
    candidates: int  # per title
    pages: int  # maximum number of pages that are requested per title

    def search(
        self, title: Title, query: str, preferences: Preferences, known: Sequence[Candidate] = ()
    ) -> list[Candidate]:
        """The candidates for ``title``, best first; empty if the site has none.

        Args:
            title: the movie.
            query: the search words.
            preferences: the user's preferences.
            known: the candidates that an earlier run found with this query; then only pages are requested.

        Raises:
            LinkError: a temporary failure: the site does not answer properly.
            SystemicError: the site refused several searches in a row.
        """
        found = ranked(title, known or self.candidates_of(query), preferences)
        for _ in range(self.pages):
            best = next(iter(found), None)
            if best is None or best.is_looked_at or best.score == 0:
                break
            found = ranked(title, [self.with_details(best), *found[1:]], preferences)
        return found

    def candidates_of(self, query: str) -> list[Candidate]:
        """The candidates that the site lists, one per link, in its order. Raises LinkError."""
        asked = f"{self.site}{self.candidates}:{query}"
        entries = self.answered(self.site, lambda: self.listed(asked), f"{self.site}: {query}")
        listed = {entry.url: entry for entry in map(as_candidate, entries) if entry is not None}
        return [replace(entry, place=n) for n, entry in enumerate(listed.values(), start=1)]

    def with_details(self, candidate: Candidate) -> Candidate:
        """``candidate`` with details from its own page; marked as unavailable if there is none. Raises LinkError."""
        host = urlsplit(candidate.url).hostname or ""
        try:
            info = self.answered(host, lambda: self.page(candidate.url), candidate.url)
        except LinkError as problem:
            if problem.reason == "no format":  # no format is needed here
                return replace(candidate, is_looked_at=True)
            if not problem.dead:
                raise
            return replace(candidate, is_looked_at=True, unavailable=problem.reason)
        return merged(candidate, info)

    def answered(self, host: str, ask: Callable[[], T], asked: str) -> T:
        """The result of ``ask``, with the retries of a download. Raises LinkError."""
        try:
            answer = self.client.persist(asked, ask)
        except LinkError as problem:
            self.refusals.refused(host, problem)
            raise
        self.refusals.answered(host)
        return answer

    def listed(self, asked: str) -> list[Mapping[str, Any]]:
        """One try of a search. Pages of the list are requested while the entries are read."""
        with self.one_try(asked, is_search=True):
            answer = self.client.downloader.extract_info(asked, download=False, process=False)
            entries = answer.get("entries") if isinstance(answer, Mapping) else None
            return [entry for entry in itertools.islice(entries or (), self.candidates) if isinstance(entry, Mapping)]
        raise AssertionError("unreachable")

    def page(self, link: str) -> Mapping[str, Any]:
        """One try of a video's page; no format is chosen."""
        with self.one_try(link):
            info = self.client.downloader.extract_info(link, download=False, process=False)
            while isinstance(info, Mapping) and "entries" in info:
                info = next(iter(info["entries"]), None)
            return info if isinstance(info, Mapping) else {}
        raise AssertionError("unreachable")

    @contextlib.contextmanager
    def one_try(self, asked: str, *, is_search: bool = False) -> Iterator[None]:
        """Turn exceptions of yt-dlp in the block into LinkError with a reason."""
        from yt_dlp.utils import YoutubeDLError

        self.client.begin_try()
        try:
            yield
        except YoutubeDLError as problem:
            found = explain(problem, Try(asked, is_site=True, last_refusal=self.client.wire.last_refusal))
            if is_search and found.dead:  # an error of the search says nothing about a title
                found = LinkError("other", found.words, sentence=found.sentence)
            raise found from problem
        finally:
            self.client.last_request = time.monotonic()


def as_candidate(entry: Mapping[str, Any]) -> Candidate | None:
    """The candidate in an entry of a list of results; None if it has no link."""
    link = safe_link(entry.get("webpage_url") or entry.get("url"))
    if not link:
        return None
    width, height = size_of(entry)
    return Candidate(
        url=link,
        title=safe_text(entry.get("title")),
        channel=safe_text(entry.get("channel") or entry.get("uploader")),
        channel_id=safe_text(entry.get("channel_id") or entry.get("uploader_id")),
        duration_s=number(entry.get("duration")),
        views=whole(entry.get("view_count")),
        upload_date=date_of(entry),
        width_px=width,
        height_px=height,
        thumbnail=thumbnail_of(entry),
        is_live=bool(entry.get("is_live")) or entry.get("live_status") in LIVE,
    )


def merged(candidate: Candidate, info: Mapping[str, Any]) -> Candidate:
    """``candidate`` with details from ``info`` of its page; its link is kept."""
    seen = as_candidate({**info, "webpage_url": candidate.url})
    assert seen is not None
    known = {
        name: value
        for name in ("title", "channel", "channel_id", "duration_s", "views", "upload_date", "width_px", "height_px")
        if (value := getattr(seen, name)) not in ("", None)
    }
    thumbnail = candidate.thumbnail or seen.thumbnail
    return replace(candidate, **known, thumbnail=thumbnail, is_live=seen.is_live, is_looked_at=True)


def number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < 1e9 else None


def whole(value: Any) -> int | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return int(value) if is_number and 0 <= value < 1e18 else None


def size_of(entry: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Width and height in pixels of the largest format."""
    formats = entry.get("formats")
    offered: Sequence[Any] = formats if isinstance(formats, Sequence) else ()
    sizes = [(whole(item.get("height")) or 0, whole(item.get("width"))) for item in (entry, *offered)
             if isinstance(item, Mapping)]  # fmt: skip
    height, width = max(sizes, key=lambda size: size[0])
    return (width, height) if height else (None, None)


def date_of(entry: Mapping[str, Any]) -> str:
    """The day of the upload as 2010-05-10, or ""."""
    stated = str(entry.get("upload_date") or "")
    with contextlib.suppress(ValueError):
        return datetime.datetime.strptime(stated, "%Y%m%d").date().isoformat()
    seconds = number(entry.get("timestamp"))
    with contextlib.suppress(ValueError, OverflowError, OSError):
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC).date().isoformat() if seconds else ""
    return ""


def thumbnail_of(entry: Mapping[str, Any]) -> str:
    """The link of the picture whose width is nearest to the width on a page."""
    offered = entry.get("thumbnails")
    pictures = [item for item in offered if isinstance(item, Mapping)] if isinstance(offered, Sequence) else []
    pictures.sort(key=lambda item: abs((whole(item.get("width")) or 0) - 480))
    return next(filter(None, (safe_link(item.get("url")) for item in pictures)), safe_link(entry.get("thumbnail")))
