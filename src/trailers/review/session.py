"""The session of one reviewer: the next title, the data that the page shows of it, and the recording of decisions."""

from __future__ import annotations

import datetime
import heapq
import itertools
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trailers.errors import ConfigError
from trailers.review import verdicts
from trailers.review.media import key_of, local_video, measured_flags, pictures_of, player_of, poster_of
from trailers.review.queue import Item, in_order, next_after
from trailers.review.verdicts import Board, Verdict
from trailers.store.candidates import Candidate, safe_link
from trailers.store.decisions import UNDO, Decision, Journal, now
from trailers.store.layout import Layout

IDLE_S = 300.0  # longer pauses between two decisions do not count as work
RECENT = 30  # number of decisions over which the rate is measured
FILTERS = ("open", "all", "disagreements")


@dataclass
class Session:
    """The titles of one run of the page, and the file of decisions.

    Args:
        items: id -> title and candidates, of all titles of this review.
        journal: the file of decisions.
        who: the reviewer.
        review: 1, or 2 for the second pass over a sample.
        layout: where videos and posters may be.
        base: the folder to which paths of posters are relative.
    """

    items: Mapping[str, Item]
    journal: Journal
    who: str
    review: int
    layout: Layout
    base: Path
    lock: threading.Lock = field(default_factory=threading.Lock)  # requests come in several threads

    def __post_init__(self) -> None:
        self.order = [item.title.id for item in in_order(self.items.values(), self.who)]
        self.board, self.taken, self.generation = Board(), 0, -1

    @property
    def me(self) -> verdicts.Rater:
        return self.who, self.review

    def read(self) -> Board:
        """The current verdicts of all reviewers, including their latest decisions."""
        decisions = self.journal.refresh()
        if self.journal.generation != self.generation:
            self.board, self.taken, self.generation = Board(), 0, self.journal.generation
        for decision in decisions[self.taken :]:
            self.board.take(decision)
        self.taken = len(decisions)
        return self.board

    def closed(self, board: Board, shown: str = "open") -> set[str]:
        """The titles that need no decision, under one of ``FILTERS``.

        In the first pass a title that any reviewer has decided is closed; in the second pass, and for disagreements,
        only the reviewer's own verdicts count.
        """
        if shown == "all":
            return set()
        if shown == "open" and self.review == 1:
            return board.decided
        own = {title for title, verdict in board.found.get(self.me, {}).items() if verdict.action}
        return (set(self.order) - board.disagreed) | own if shown == "disagreements" else own

    def show(self, title: str = "", *, after: str = "", shown: str = "open") -> dict[str, Any]:
        """The data of the page: the requested title, or the next one after ``after``."""
        with self.lock:
            board = self.read()
            if title not in self.items:
                title = next_after(self.order, after, self.closed(board, shown))
            shown_title = self.described(title, board.found, shown) if title else None
            return {"title": shown_title, "progress": self.progress(board)}

    def decide(self, asked: Mapping[str, Any]) -> Decision:
        """Records a decision of the reviewer.

        Raises:
            ValueError: it is not valid, for example because a link is neither http nor https.
        """
        title, action = str(asked.get("trailer", "")), str(asked.get("action", ""))
        if title not in self.items or action == UNDO:
            raise ValueError(f"'{title[:80]}' is not a title of this review")
        url = str(asked.get("url") or "").strip()
        flags = asked.get("flags") or ()
        if not isinstance(flags, list | tuple):
            raise ValueError("flags are a list")
        note = " ".join(str(asked.get("note") or "").split())
        decision = Decision(
            now(), self.who, self.review, title, action, checked_link(url), self.rank(title, url),
            tuple(str(flag) for flag in flags), note,
        )  # fmt: skip
        with self.lock:
            self.journal.append(decision)
        return decision

    def undo(self) -> str:
        """Undoes this reviewer's latest decision that has not been undone; returns its title, or ""."""
        with self.lock:
            title = self.read().latest(self.me)
            if title:
                self.journal.append(Decision(now(), self.who, self.review, title, UNDO))
            return title

    def rank(self, title: str, url: str) -> str:
        """The place of a link among the title's candidates, from 1; "" for another link."""
        links = [candidate.url for candidate in self.items[title].candidates]
        return str(links.index(url) + 1) if url in links else ""

    def progress(self, board: Board) -> dict[str, Any]:
        own = [verdict.when for verdict in board.found.get(self.me, {}).values() if verdict.action]
        return {
            "closed": len(self.closed(board) & self.items.keys()), "total": len(self.order), "mine": len(own),
            "per_hour": per_hour(sorted(heapq.nlargest(RECENT, own))),
            "disagreements": len(board.disagreed & self.items.keys()) if self.review == 1 else 0,
        }  # fmt: skip

    def described(self, title: str, found: verdicts.Verdicts, shown: str) -> dict[str, Any]:
        """Everything that the page shows of one title, as JSON."""
        item, own = self.items[title], found.get(self.me, {}).get(title, Verdict())
        movie, local = item.title, local_video(self.layout, title)
        poster = poster_of(self.layout, movie, self.base)
        keys = local[1] if local else frozenset()
        others = verdicts.opinions(found, title) if shown == "disagreements" else {}
        return {
            "id": movie.id, "title": movie.title, "original_title": movie.original_title, "year": movie.year,
            "genres": [genre for genre in movie.genres.split(";") if genre], "runtime_min": movie.runtime_min,
            "rating": movie.rating, "votes": movie.votes, "plot": movie.plot, "doubt": round(item.doubt),
            "poster": poster if isinstance(poster, str) else f"media/{title}/poster" if poster else None,
            "candidates": [self.card(title, candidate, rank, keys, own)
                           for rank, candidate in enumerate(self.with_own(item, own), start=1)],
            "verdict": own.action, "url": own.url, "note": own.note,
            "opinions": [{"who": who, "action": verdict.action, "url": verdict.url}
                         for (who, _), verdict in others.items()],
        }  # fmt: skip

    def with_own(self, item: Item, own: Verdict) -> Iterable[Candidate]:
        """The candidates, followed by a link that the reviewer has pasted."""
        links = {candidate.url for candidate in item.candidates}
        pasted = [Candidate(own.url, "pasted link")] if own.url and own.url not in links else []
        return (*item.candidates, *pasted)

    def card(self, title: str, candidate: Candidate, rank: int, local: frozenset[str], own: Verdict) -> dict[str, Any]:
        names = ("url", "title", "channel", "duration_s", "views", "upload_date", "width_px", "height_px", "thumbnail",
                 "is_live", "unavailable", "score")  # fmt: skip
        is_local = key_of(candidate.url) in local
        return {
            **{name: getattr(candidate, name) for name in names},
            "rank": rank,
            "is_scored": bool(candidate.parts),
            "parts": sorted(candidate.parts.items(), key=lambda part: -part[1]),
            "player": player_of(candidate.url),
            "pictures": pictures_of(candidate.url),
            "local": f"media/{title}/video" if is_local else "",
            "measured": measured_flags(self.layout, title) if is_local else [],
            "flags": list(own.flags.get(candidate.url, ())),
        }


def checked_link(url: str) -> str:
    """``url``; raises ValueError if it is not a complete http or https link."""
    if url and safe_link(url) != url:
        raise ValueError(f"'{url[:80]}' is not a complete http or https link to one video")
    return url


def per_hour(times: list[str]) -> float | None:
    """Decisions per hour over the latest ones, long pauses left out; None until there are three."""
    moments = [datetime.datetime.fromisoformat(time.replace("Z", "+00:00")) for time in times]
    gaps = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(moments)]
    worked = [gap for gap in gaps if gap <= IDLE_S]
    if len(worked) < 2:
        return None
    return round(3600 * len(worked) / max(sum(worked), 1.0))


def check_who(who: str) -> str:
    """``who``; raises ConfigError if a row of decisions cannot contain this name."""
    try:
        Decision(now(), who, 1, "x", "note")
    except ValueError as problem:
        raise ConfigError(str(problem), where="--as", remedy="Give a name, for example --as ann.") from None
    return who
