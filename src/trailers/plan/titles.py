"""The titles for `snakemake search`, which needs no manifest; titles have their own shards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from trailers.errors import TrailerError
from trailers.settings import from_section
from trailers.stages.search import Settings, check_extra
from trailers.store.layout import Layout
from trailers.store.shards import make_shards
from trailers.store.titles import Title, read_titles
from trailers.web.patience import Effort

LETTER = "t"  # the first letter of the names of its shards


@dataclass(frozen=True, eq=False)
class TitleList:
    """The titles in titles.csv, which is read when it is first needed."""

    path: Path
    layout: Layout
    shard_size: int

    @cached_property
    def titles(self) -> list[Title]:
        return read_titles(self.path)

    @cached_property
    def by_id(self) -> dict[str, Title]:
        return {title.id: title for title in self.titles}

    @cached_property
    def shards(self) -> dict[str, tuple[str, ...]]:
        """Shard name -> ids of titles."""
        return make_shards([title.id for title in self.titles], size=self.shard_size, letter=LETTER)

    def ledgers(self) -> list[str]:
        return [str(self.layout.ledger("search", shard)) for shard in self.shards]

    def table(self) -> str:
        """The path of the table of all candidates."""
        return str(self.layout.root / "candidates.csv")


def make_titles(config: Mapping[str, Any], layout: Layout) -> TitleList:
    return TitleList(Path(config["search"]["titles"]), layout, config["shard_size"])


def check_titles(titles: TitleList, config: Mapping[str, Any]) -> list[TrailerError]:
    """All problems that can be found before the first search."""
    found: list[TrailerError] = []
    checks: tuple[Callable[[], object], ...] = (
        check_extra,
        lambda: titles.titles,
        lambda: from_section(Settings, config["search"]),
        lambda: from_section(Effort, config["download"]),
    )
    for check in checks:
        try:
            check()
        except TrailerError as problem:
            found.append(problem)
    return found
