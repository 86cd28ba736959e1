"""Search a video site for the trailers of titles (Sec. 3, step 2).

in   titles.csv: rows of movies (`trailers titles`)
out  results/search/{trailer}.json     every candidate with its score and the score's parts, best first

The id of a title becomes the id of its trailer. ``web/scoring.py`` computes the scores. A title for which the site has
no video is `dead`. A failure that says nothing about the title (network, rate limit, refused client) is `failed`, and
the next run tries again. Retries, waiting times, cookies and proxy are those of download.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trailers.errors import ConfigError, ManifestError, StoreError
from trailers.settings import add_flags as add_setting_flags
from trailers.settings import from_flags, setting
from trailers.stages import shard
from trailers.stages.stage import Stage
from trailers.store.atomic import make_folder, remove
from trailers.store.candidates import Candidate, Found, read_found, write_found
from trailers.store.fingerprint import fingerprint
from trailers.store.layout import Layout
from trailers.store.ledger import DEAD, LedgerRow
from trailers.store.titles import Title, read_titles
from trailers.web.client import Client
from trailers.web.patience import Effort as Patience
from trailers.web.scoring import Preferences
from trailers.web.search import Searcher, query_of
from trailers.web.uniform import Refusals

NOTHING = "not found"  # the reason of a title without a candidate
SENTENCE = "the search found no video"


@dataclass(frozen=True)
class Settings:
    """options that change the candidates"""

    site: str = setting("yt-dlp's name for the search")
    template: str = setting("search words; {title}, {original_title} and {year} are filled in")
    candidates: int = setting("maximum number of candidates per title")
    pages: int = setting(
        "maximum number of candidates per title, best first, whose pages are fetched for date and size"
    )
    shortest_s: float = setting("in seconds; shorter videos get a lower score")
    longest_s: float = setting("in seconds; longer videos get a lower score")
    official_channels: tuple[str, ...] = setting("names or IDs of channels whose videos are preferred")

    def __post_init__(self) -> None:
        query_of(self.template, Title("a", "a"))
        _ = self.preferences

    @property
    def preferences(self) -> Preferences:
        """Raises ConfigError if the shortest duration is above the longest."""
        return Preferences(self.shortest_s, self.longest_s, self.official_channels)


def add_flags(parser: argparse.ArgumentParser) -> None:
    shard.add_flags(parser)
    parser.add_argument("--titles", type=Path, required=True, metavar="CSV", help="the titles")
    add_setting_flags(parser, Settings, "search")
    add_setting_flags(parser, Patience, "download")


def run(arguments: argparse.Namespace) -> None:
    check_extra()
    settings, patience = from_flags(Settings, arguments), from_flags(Patience, arguments)
    stage = Search(Layout(arguments.results), (), settings, patience)
    stage.open(arguments.titles)
    shard.run_stage(stage, arguments)


def check_extra() -> None:
    """Raise ConfigError if the package that compares titles is not installed."""
    if importlib.util.find_spec("rapidfuzz") is None:
        raise ConfigError(
            "needs the package rapidfuzz, which is not installed", where="search",
            remedy='Install it: pip install "trailers[search]".',
        )  # fmt: skip


class Search(Stage):
    """The candidates for the titles of titles.csv."""

    name, folder, schema = "search", "search", "search/1"
    settings: Settings
    effort: Patience
    path: Path
    titles: Mapping[str, Title]  # set by ``open``, like ``searcher``
    searcher: Searcher

    def open(self, path: Path) -> None:
        """Read the titles of ``path``; before this call, the stage can only read and check products.

        Raises:
            ManifestError: it cannot be read as a table of titles.
        """
        self.path, self.titles = path, {title.id: title for title in read_titles(path)}
        client = Client(self.effort, 0, 0, self.layout.search_folder() / ".cache")
        settings = self.settings
        self.searcher = Searcher(client, Refusals(self.name), settings.site, settings.candidates, settings.pages)

    def products(self, trailer: str) -> tuple[Path, ...]:
        return (self.layout.candidates(trailer),)

    def inputs(self, trailer: str) -> tuple[Path, ...]:  # noqa: ARG002  a title is not a product
        return ()

    def skips(self, trailer: str) -> str:
        if trailer not in self.titles:
            remedy = "Add a row, or name another title."
            raise ManifestError(f"has no row for '{trailer}'", where=self.path, remedy=remedy)
        return ""

    def fingerprint(self, trailer: str) -> str:
        title = self.titles[trailer]
        return fingerprint(self.schema, self.settings, title.title, title.original_title, str(title.year or ""))

    def read(self, trailer: str) -> LedgerRow:
        found = read_found(self.layout.candidates(trailer))
        if not found.candidates:
            reason = {"reason": NOTHING, "sentence": SENTENCE}
            error = f"{self.name}: {NOTHING}: the search '{found.query}' found no video"
            return LedgerRow(trailer, DEAD, "", found.fingerprint, reason, error)
        best = found.candidates[0]
        facts = {"candidates": len(found.candidates), "score": best.score, "url": best.url}
        return self.row(trailer, found.fingerprint, facts)

    def make(self, trailer: str) -> LedgerRow:
        title = self.titles[trailer]
        query = query_of(self.settings.template, title)
        known = self.stored_candidates(trailer)
        candidates = tuple(self.searcher.search(title, query, self.settings.preferences, known))
        path = self.layout.candidates(trailer)
        make_folder(path.parent, below=self.layout.root)
        write_found(path, Found(trailer, self.fingerprint(trailer), self.request_digest(trailer), query, candidates))
        return self.read(trailer)

    def request_digest(self, trailer: str) -> str:
        """Digest of the request to the site; the other settings only change the scores."""
        settings, title = self.settings, self.titles[trailer]
        of_site = {"site": settings.site, "candidates": settings.candidates}
        return fingerprint(self.schema, of_site, query_of(settings.template, title))

    def stored_candidates(self, trailer: str) -> tuple[Candidate, ...]:
        """The candidates on disk, if they are the answer to the same request."""
        path = self.layout.candidates(trailer)
        try:
            found = read_found(path)
        except StoreError:
            return ()
        return found.candidates if found.asked == self.request_digest(trailer) else ()

    def forget(self, trailer: str) -> None:
        """Remove the answer to a search without candidates; an answer with candidates is kept."""
        path = self.layout.candidates(trailer)
        try:
            is_empty = not read_found(path).candidates
        except StoreError:
            return
        if is_empty:
            remove(path, below=self.layout.root)
