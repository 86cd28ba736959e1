"""results/search/{trailer}.json: the result of a search for one title, every candidate with the parts of its score.

The best comes first. Text and links come from a site: text is kept as one line of limited length, and links are
http or https, or left out.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from trailers.errors import ManifestError, StoreError
from trailers.store.atomic import write_text
from trailers.store.json_file import read_product
from trailers.web.links import web_link

SCHEMA = "search/1"
REMEDY = "Remove it and run `snakemake search` again."
LONGEST_TEXT, LONGEST_LINK = 300, 2000
DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True)
class Candidate:
    """A video that may be the trailer of a title, as a site describes it; unknown values are empty or None."""

    url: str
    title: str
    channel: str = ""
    channel_id: str = ""
    duration_s: float | None = None
    views: int | None = None
    upload_date: str = ""  # 2010-05-10
    width_px: int | None = None
    height_px: int | None = None
    thumbnail: str = ""
    place: int = 0  # in the site's list, from 1
    is_live: bool = False
    is_looked_at: bool = False  # its own page was requested: date and size are known if the site states them
    unavailable: str = ""  # why the site does not give it
    score: float = 0.0
    parts: Mapping[str, float] = field(default_factory=dict)  # what the score consists of, in points

    def __post_init__(self) -> None:
        if safe_link(self.url) != self.url or not self.url:
            raise ValueError(f"a candidate needs a valid http or https link, got {self.url[:80]!r}")
        if self.thumbnail and safe_link(self.thumbnail) != self.thumbnail:
            raise ValueError(f"a thumbnail needs a valid http or https link, got {self.thumbnail[:80]!r}")
        if self.upload_date and DATE.fullmatch(self.upload_date) is None:
            raise ValueError(f"expected a date such as 2010-05-10, got {self.upload_date[:80]!r}")


@dataclass(frozen=True)
class Found:
    """The candidates for one title; empty if the site has none."""

    trailer: str  # the title's id
    fingerprint: str
    asked: str  # digest of the request to the site; if it is the same, candidates are scored again without a request
    query: str
    candidates: tuple[Candidate, ...]


def safe_text(text: object) -> str:
    """``text`` of a site in one line, without control and invisible characters, of limited length."""
    whole = str(text or "").encode("utf-8", "replace").decode()
    plain = "".join(" " if unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp") else letter for letter in whole)
    return " ".join(plain.split())[:LONGEST_TEXT]


def safe_link(text: object) -> str:
    """``text`` if it is an http or https link, otherwise ""."""
    link = str(text or "")
    if (
        len(link) > LONGEST_LINK
        or not link.lower().startswith(("http://", "https://"))
        or re.search(r"[\s|<>\"]", link)
    ):
        return ""
    try:
        return link if web_link(link) is not None else ""
    except ManifestError:
        return ""


def write_found(path: Path, found: Found) -> None:
    """Write ``found``; the same candidates give the same bytes."""
    values = {"schema": SCHEMA, **asdict(found)}
    write_text(path, json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def read_found(path: Path) -> Found:
    """The candidates of one title, the best first.

    Raises:
        StoreError: the file is missing or damaged, belongs to another title, or has another schema.
    """
    values = read_product(path, kind="candidates", schema=SCHEMA, command="`snakemake search`", remedy=REMEDY)
    try:
        candidates = tuple(as_candidate(item) for item in values.pop("candidates"))
        found = Found(**values, candidates=candidates)
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise StoreError(f"is damaged: {problem}", where=path, remedy=REMEDY) from None
    if found.trailer != path.stem:
        raise StoreError(f"holds the candidates of '{found.trailer}'", where=path, remedy=REMEDY)
    return found


def as_candidate(values: dict[str, Any]) -> Candidate:
    """The candidate with these values. Raises TypeError or ValueError if one of them is not allowed."""
    parts = {str(name): float(points) for name, points in values.pop("parts").items()}
    return Candidate(**values, parts=parts)
