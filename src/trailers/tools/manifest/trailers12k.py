"""Trailers from the published Trailers12k files: labels and splits, with links from another file."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from trailers.domain import GENRES, SPLITS, Trailer
from trailers.errors import ManifestError
from trailers.store.cells import parse_split, parse_title, parse_urls
from trailers.store.manifest import SPELLINGS, Parsers, read_cells
from trailers.store.metadata import record_entries
from trailers.store.table import Table, read_header, read_rows, squash
from trailers.store.text import read_text, shorten
from trailers.store.videos import video_key
from trailers.tools.manifest.entries import placed
from trailers.tools.manifest.ids import one_line
from trailers.tools.manifest.source import Source, rebased
from trailers.web.links import YOUTUBE_ID

log = logging.getLogger(__name__)

SPLIT_COLUMNS = tuple(f"split{n}" for n in SPLITS)
LABEL_COLUMNS = ("mid", *GENRES, *SPLIT_COLUMNS)
IMDB_ID = re.compile(r"(?:tt)?(\d{1,9})(?:\.0)?", re.ASCII)  # with .0 if pandas read the column as numbers


def from_trailers12k(
    labels: Path, links: Mapping[str, tuple[str, ...]], titles: Mapping[str, str], genres: Sequence[str]
) -> Source:
    """The published titles in their order, each with its ``links``, possibly none.

    Published genres that are not among ``genres``, those of the data set, are left out.
    """
    text = read_text(labels, kind="mtgc.csv")
    header = read_header(labels, text, {name: (squash(name),) for name in LABEL_COLUMNS})
    if len(header.columns) < len(LABEL_COLUMNS):
        raise ManifestError("is not mtgc.csv", where=labels, remedy=f"Its columns are {', '.join(LABEL_COLUMNS)}.")
    trailers = []
    for trailer in read_labels(read_rows(labels, text, header)):
        name = trailer.trailer
        own = tuple(genre for genre in genres if genre in trailer.genres)
        trailers.append(replace(trailer, urls=links.get(name, ()), title=titles.get(name, ""), genres=own))
    names = frozenset(trailer.trailer for trailer in trailers)
    if links.keys() - names:
        log.info("%s titles with links have no labels and are left out", f"{len(links.keys() - names):,}")
    return Source(trailers, names)


def read_labels(table: Table) -> Iterator[Trailer]:
    """One trailer without links per row of mtgc.csv."""
    parsers: Parsers = {
        "mid": imdb_id,
        **dict.fromkeys(GENRES, parse_flag),
        **dict.fromkeys(SPLIT_COLUMNS, parse_split),
    }
    seen: dict[str, int] = {}
    for number, cells in table.rows:
        found = read_cells(table, number, cells, parsers)
        name = found["mid"]
        if name in seen:
            raise ManifestError(
                f"'{name}' is already in row {seen[name]}",
                where=table.where(number, "mid"),
                remedy="Fetch the file again.",
            )
        seen[name] = number
        first, second, third = (found[column] for column in SPLIT_COLUMNS)
        yield Trailer(name, (), "", tuple(genre for genre in GENRES if found[genre]), (first, second, third))


def parse_flag(cell: str) -> bool:
    if cell not in ("0", "1", "0.0", "1.0"):
        raise ManifestError(f"'{shorten(cell)}' is neither 0 nor 1", remedy="Fetch the file again.")
    return cell.startswith("1")


def imdb_id(text: str) -> str:
    """tt and at least seven digits, from an id that may lack tt or leading zeros."""
    match = IMDB_ID.fullmatch(text.strip())
    if match is None:
        raise ManifestError(
            f"'{shorten(text)}' is not an IMDb id", remedy="Write tt and its digits, for example tt0133093."
        )
    return f"tt{match[1].zfill(7)}"


def links_of_table(path: Path, output: Path) -> dict[str, tuple[str, ...]]:
    """Title -> its links, from a table with a column of ids and one of links; several rows are alternatives."""
    text = read_text(path, kind="list of links")
    header = read_header(path, text, {"trailer": SPELLINGS["trailer"], "url": SPELLINGS["url"]})
    if len(header.columns) < 2:
        raise ManifestError(
            f"needs a column of ids and one of links, found {shorten(', '.join(header.written))}",
            where=f"{path}: row {header.row}",
            remedy="Name them trailer and url.",
        )
    table = read_rows(path, text, header)
    parsers: Parsers = {"trailer": imdb_id, "url": partial(parse_urls, base=path.parent)}
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for number, cells in table.rows:
        if not cells["url"]:
            continue
        row = read_cells(table, number, cells, parsers)
        with placed(table.where(number, "url")):
            for url in rebased(row["url"], path, output):
                found[row["trailer"]].setdefault(video_key(url, output.parent), url)
    return {title: tuple(urls.values()) for title, urls in found.items()}


def read_metadata(path: Path) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Title -> links and title -> name, from the record's metadata.json.

    Ids may lack tt; a title may have one YouTube trailer or a list of them.
    """
    links: dict[str, tuple[str, ...]] = {}
    names: dict[str, str] = {}
    for where, entry in record_entries(path):
        imdb = part(entry, "imdb")
        if "id" not in imdb:
            raise ManifestError("has no imdb id", where=where, remedy="Fetch the file again.")
        with placed(where):
            name = imdb_id(str(imdb["id"]))
        found = youtube_links(part(entry, "youtube").get("trailers"), where)
        links[name] = tuple(dict.fromkeys((*links.get(name, ()), *found)))
        if isinstance(imdb.get("title"), str):
            with placed(where):
                names[name] = parse_title(one_line(imdb["title"]))
    return links, names


def part(entry: Any, name: str) -> Mapping[str, Any]:
    found = entry.get(name) if isinstance(entry, dict) else None
    return found if isinstance(found, dict) else {}


def youtube_links(trailers: Any, where: str) -> tuple[str, ...]:
    found = []
    for trailer in trailers if isinstance(trailers, list) else [trailers] if trailers else []:
        video = trailer.get("id") if isinstance(trailer, dict) else trailer
        if not isinstance(video, str) or not YOUTUBE_ID.fullmatch(video):
            raise ManifestError(f"{str(video)[:80]!r} is not a YouTube id", where=where, remedy="Correct or remove it.")
        found.append(video)
    return tuple(dict.fromkeys(found))
