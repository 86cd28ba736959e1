"""Trailers of titles: the links that reviewers accepted, or the best candidates of a search without a review."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from trailers.domain import Trailer
from trailers.errors import ManifestError, StoreError
from trailers.review.verdicts import Verdicts, majority_verdict, opinions, verdicts
from trailers.store.candidates import read_found
from trailers.store.cells import parse_genres, parse_poster
from trailers.store.decisions import ACCEPT, Journal
from trailers.store.layout import Layout
from trailers.store.text import first_few
from trailers.store.titles import Title, read_titles
from trailers.tools.manifest.entries import placed
from trailers.tools.manifest.source import Source, rebased

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choice:
    """How candidates are chosen without a review."""

    layout: Layout
    min_score: float
    alternatives: int  # number of further links, tried if the best one is gone


@dataclass(frozen=True)
class TitleFiles:
    """The file of titles, and the manifest that is made from it."""

    titles: Path
    output: Path
    genres: tuple[str, ...]  # of the data set


def from_titles(files: TitleFiles, choice: Choice) -> Source:
    """The titles with their best candidates; titles without a candidate have no link."""
    return as_source([as_trailer(title, best_links(title, choice), files) for title in read_titles(files.titles)])


def from_decisions(files: TitleFiles, decisions: Path, choice: Choice | None) -> Source:
    """The titles with the links that reviewers accepted, marked as verified.

    Args:
        files: the titles and the manifest.
        decisions: the decisions of the reviewers.
        choice: how titles without a decision get a link; None leaves them without a link.

    Raises:
        ManifestError: the file contains no decision.
    """
    found = verdicts(Journal(decisions).refresh())
    if not found:
        raise ManifestError("contains no decision", where=decisions, remedy="Review the titles with `trailers review`.")
    trailers, counts, disputed = [], Counter[str](), []
    titles = read_titles(files.titles)
    for title in titles:
        result, links = outcome(title, found, choice)
        counts[result] += 1
        disputed += [title.id] if result == "disagreed on" else []
        trailers.append(as_trailer(title, links, files, verified=result == "accepted"))
    log.info("%s: %s", decisions, ", ".join(f"{count:,} {result}" for result, count in sorted(counts.items())))
    unlisted = sorted({name for own in found.values() for name in own} - {title.id for title in titles})
    if unlisted:
        log.warning(
            "%s: contains decisions on titles that are not in %s: %s", decisions, files.titles, first_few(unlisted)
        )
    if disputed:
        log.warning("left out, because reviewers disagree: %s; a third review decides", first_few(disputed))
    return as_source(trailers)


def outcome(title: Title, found: Verdicts, choice: Choice | None) -> tuple[str, tuple[str, ...]]:
    """The result of the review of one title, in one or two words, and its links."""
    verdict = majority_verdict(found, title.id)
    if verdict is not None:
        return ("accepted", (verdict.url,)) if verdict.action == ACCEPT else ("rejected", ())
    if opinions(found, title.id):
        return "disagreed on", ()
    return "not reviewed", best_links(title, choice) if choice is not None else ()


def best_links(title: Title, choice: Choice) -> tuple[str, ...]:
    """The links of the candidates with enough points, best first; empty if the title has not been searched for yet."""
    try:
        candidates = read_found(choice.layout.candidates(title.id)).candidates
    except StoreError:
        return ()
    good = (each.url for each in candidates if each.score >= choice.min_score and not each.unavailable)
    return tuple(dict.fromkeys(good))[: 1 + choice.alternatives]


def as_trailer(title: Title, links: tuple[str, ...], files: TitleFiles, *, verified: bool = False) -> Trailer:
    """The trailer of ``title``; raises ManifestError if a manifest cannot contain its genres or poster."""
    with placed(f"{files.titles}: {title.id}"):
        genres = parse_genres(title.genres, files.genres)
        poster = parse_poster(title.poster, base=files.titles.parent)
        posters = rebased((poster,) if poster else (), files.titles, files.output)
    return Trailer(title.id, links, title.title, genres, poster="".join(posters), verified=verified)


def as_source(trailers: list[Trailer]) -> Source:
    return Source(trailers, frozenset(trailer.trailer for trailer in trailers))
