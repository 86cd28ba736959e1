"""Entries of a list, and the trailers that they describe: one per id, or per video without an id."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trailers.domain import SPLITS, Trailer, is_safe_id
from trailers.errors import ManifestError
from trailers.store.text import shorten
from trailers.store.videos import video_key
from trailers.tools.manifest.ids import id_of_link, loses_letters, make_unique, one_line, safe_id
from trailers.tools.manifest.source import Source
from trailers.web.links import is_list, name_of

log = logging.getLogger(__name__)

LABELS = ("genres", *(f"split{n}" for n in SPLITS), "poster", "verified")  # a trailer has one value of each


@dataclass(frozen=True)
class Entry:
    """One row of a list."""

    path: Path
    place: str  # in the list, such as "row 3"
    given_id: str  # "" if the list has none
    urls: tuple[str, ...]  # in the form of a manifest
    title: str = ""
    labels: Mapping[str, Any] | None = None  # without empty ones

    @property
    def where(self) -> str:
        return f"{self.path}: {self.place}"


@contextlib.contextmanager
def placed(where: str) -> Iterator[None]:
    """Adds ``where`` to a ManifestError that is raised inside."""
    try:
        yield
    except ManifestError as problem:
        raise ManifestError(problem.what, where=problem.where or where, remedy=problem.remedy) from None


def as_source(entries: Sequence[Entry], base: Path) -> Source:
    groups = grouped(entries, base)
    names = list(make_unique(id_of(members[0]) for members in groups))
    trailers = [merged(name, members, base) for name, members in zip(names, groups, strict=True)]
    warn_of_playlists(entries)
    given = frozenset(name for name, members in zip(names, groups, strict=True) if members[0].given_id)
    return Source(trailers, given)


def grouped(entries: Sequence[Entry], base: Path) -> list[list[Entry]]:
    """The entries of each trailer: those with the same id or, without an id, with the same video."""
    groups: dict[str, list[Entry]] = {}
    owners: dict[str, str] = {}  # video -> its group
    order = {entry.where: place for place, entry in enumerate(entries)}
    # Ids first, so that a row without one finds the trailer that has its video.
    for entry in sorted(entries, key=lambda entry: not entry.given_id):
        videos = [video_key(url, base) for url in entry.urls]
        owner = next((owners[video] for video in videos if video in owners), "")
        if owner and (not entry.given_id or owner == f"id {entry.given_id}"):
            log.warning("%s: the same video as %s", entry.where, groups[owner][0].place)
        group = f"id {entry.given_id}" if entry.given_id else owner or entry.where
        groups.setdefault(group, []).append(entry)
        for video in videos:
            owners.setdefault(video, group)
    return sorted(groups.values(), key=lambda members: order[members[0].where])


def id_of(entry: Entry) -> str:
    if not entry.given_id:
        return id_of_link(entry.urls[0])
    return entry.given_id if is_safe_id(entry.given_id) else safe_id(entry.given_id)


def merged(name: str, members: Sequence[Entry], base: Path) -> Trailer:
    """One trailer from all its rows: their links in order, the first title, and each label from the row that has it.

    Raises:
        ManifestError: two rows have different labels.
    """
    labels: dict[str, Any] = {}
    titles = [entry.title for entry in members if entry.title]
    for entry in members:
        for label, value in (entry.labels or {}).items():
            if labels.setdefault(label, value) != value:
                raise ManifestError(
                    f"is the same trailer as {members[0].place}, but with different {label}",
                    where=entry.where,
                    remedy=f"Use the same {label} in both rows, leave it empty in one, or use different ids.",
                )
        if entry.title and entry.title != titles[0]:
            log.warning("%s: '%s' keeps the title '%s'", entry.where, name, shorten(titles[0]))
    original = members[0].given_id or name_of(members[0].urls[0])
    title = titles[0] if titles else one_line(original) if loses_letters(original) else ""
    first, second, third = (labels.get(f"split{n}") for n in SPLITS)
    return Trailer(
        name,
        distinct(members, base),
        title,
        labels.get("genres", ()),
        (first, second, third),
        labels.get("poster", ""),
        verified=labels.get("verified", False),
    )


def distinct(members: Sequence[Entry], base: Path) -> tuple[str, ...]:
    """The links of all ``members`` in order, one per video."""
    found: dict[str, str] = {}
    for entry in members:
        for url in entry.urls:
            found.setdefault(video_key(url, base), url)
    return tuple(found.values())


def warn_of_playlists(entries: Sequence[Entry]) -> None:
    for entry in entries:
        for url in entry.urls:
            if is_list(url):
                log.warning(
                    "%s: '%s' is a playlist: its first video is downloaded, and that can change. "
                    "Give the link of one video.", entry.where, shorten(url),
                )  # fmt: skip
