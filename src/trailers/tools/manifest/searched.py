"""Trailers of titles: what reviewers accepted, or the best candidates of a search that nobody has looked at."""

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
from trailers.store.text import some
from trailers.store.titles import Title, read_titles
from trailers.tools.manifest.entries import placed
from trailers.tools.manifest.source import Source, rebased

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choice:
    """Which candidates are taken without a review."""

    layout: Layout
    min_score: float
    alternatives: int  # links behind the best one, tried where that is gone


@dataclass(frozen=True)
class TitleFiles:
    """The titles, and the manifest that is made of them."""

    titles: Path
    output: Path
    genres: tuple[str, ...]  # of the data set


def from_titles(files: TitleFiles, choice: Choice) -> Source:
    """The titles with their best candidates; those without one keep no link."""
    return as_source([as_trailer(title, best_links(title, choice), files) for title in read_titles(files.titles)])


def from_decisions(files: TitleFiles, decisions: Path, choice: Choice | None) -> Source:
    """The titles with the links that reviewers accepted, marked as verified.

    Args:
        files: of the titles and the manifest.
        decisions: what reviewers decided.
        choice: how titles that nobody has decided get a link; None leaves them without.

    Raises:
        ManifestError: there is no decision.
    """
    found = verdicts(Journal(decisions).refresh())
    if not found:
        raise ManifestError("contains no decision", where=decisions, remedy="Review the titles with `trailers review`.")
    trailers, counts, uneven = [], Counter[str](), []
    titles = read_titles(files.titles)
    for title in titles:
        fate, links = outcome(title, found, choice)
        counts[fate] += 1
        uneven += [title.id] if fate == "disagreed on" else []
        trailers.append(as_trailer(title, links, files, verified=fate == "accepted"))
    log.info("%s: %s", decisions, ", ".join(f"{count:,} {fate}" for fate, count in sorted(counts.items())))
    unlisted = sorted({name for own in found.values() for name in own} - {title.id for title in titles})
    if unlisted:
        log.warning("%s: contains decisions on titles that are not in %s: %s", decisions, files.titles, some(unlisted))
    if uneven:
        log.warning("left out, because reviewers disagree: %s; a third review decides", some(uneven))
    return as_source(trailers)


def outcome(title: Title, found: Verdicts, choice: Choice | None) -> tuple[str, tuple[str, ...]]:
    """What became of a title in a word or two, and its links."""
    verdict = majority_verdict(found, title.id)
    if verdict is not None:
        return ("accepted", (verdict.url,)) if verdict.action == ACCEPT else ("rejected", ())
    if opinions(found, title.id):
        return "disagreed on", ()
    return "not reviewed", best_links(title, choice) if choice is not None else ()


def best_links(title: Title, choice: Choice) -> tuple[str, ...]:
    """The links of the candidates with enough points, the best first; none where the search has no answer yet."""
    try:
        candidates = read_found(choice.layout.candidates(title.id)).candidates
    except StoreError:
        return ()
    good = (each.url for each in candidates if each.score >= choice.min_score and not each.unavailable)
    return tuple(dict.fromkeys(good))[: 1 + choice.alternatives]


def as_trailer(title: Title, links: tuple[str, ...], files: TitleFiles, *, verified: bool = False) -> Trailer:
    """Raises ManifestError for genres or a poster that a manifest cannot hold."""
    with placed(f"{files.titles}: {title.id}"):
        genres = parse_genres(title.genres, files.genres)
        poster = parse_poster(title.poster, base=files.titles.parent)
        posters = rebased((poster,) if poster else (), files.titles, files.output)
    return Trailer(title.id, links, title.title, genres, poster="".join(posters), verified=verified)


def as_source(trailers: list[Trailer]) -> Source:
    return Source(trailers, frozenset(trailer.trailer for trailer in trailers))
