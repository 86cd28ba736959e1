"""Trailers from the published Trailers12k files: labels and splits, with links from elsewhere."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trailers.domain import GENRES, SPLITS, Trailer
from trailers.errors import ManifestError
from trailers.store.manifest import YOUTUBE_ID, read_text, read_urls, split_rows
from trailers.tools.manifest.ids import one_line
from trailers.tools.manifest.links import ID_COLUMNS, LINK_COLUMNS, read_splits, read_table, rebased

LABEL_COLUMNS = ("mid", *GENRES, *(f"split{n}" for n in SPLITS))
IMDB_ID = re.compile(r"(?:tt)?(\d{1,9})", re.ASCII)


def from_trailers12k(labels: Path, links: Mapping[str, tuple[str, ...]], titles: Mapping[str, str]) -> list[Trailer]:
    """The published titles, in their order, each with what ``links`` has for it, be it nothing."""
    rows = split_rows(labels, read_text(labels))
    if not rows or not set(LABEL_COLUMNS) <= set(rows[0]):
        raise ManifestError(f"{labels}: is not mtgc.csv: its columns are {', '.join(LABEL_COLUMNS)}.")
    trailers = []
    for number, cells in enumerate(rows[1:], start=2):
        where = f"{labels}: row {number}"
        if len(cells) != len(rows[0]):
            raise ManifestError(
                f"{where}: {len(cells)} cells where the header has {len(rows[0])}. Fetch the file again."
            )
        row = dict(zip(rows[0], cells, strict=True))
        name = imdb_id(row["mid"], f"{where}, column mid")
        odd = [genre for genre in GENRES if row[genre] not in ("0", "1")]
        if odd:
            raise ManifestError(f"{where}, column {odd[0]}: '{row[odd[0]]}' is neither 0 nor 1. Fetch the file again.")
        genres = tuple(genre for genre in GENRES if row[genre] == "1")
        splits = read_splits(where, row)
        trailers.append(Trailer(name, links.get(name, ()), titles.get(name, ""), genres, splits))
    return trailers


def imdb_id(text: object, where: str) -> str:
    """tt and at least seven digits, from an id with or without either."""
    match = IMDB_ID.fullmatch(str(text).strip())
    if match is None:
        raise ManifestError(f"{where}: '{text}' is no IMDb id. Write tt and its digits, as in tt0133093.")
    return f"tt{match[1].zfill(7)}"


def links_of_table(path: Path, output: Path) -> dict[str, tuple[str, ...]]:
    """Title -> its links, of a CSV with a column of ids and one of links; several rows are alternatives."""
    table = read_table(path)
    if table is None or not table[2]:
        raise ManifestError(
            f"{path}: needs a header with a column of ids ({', '.join(ID_COLUMNS)}) and one of links "
            f"({', '.join(LINK_COLUMNS)})."
        )
    rows, link, name = table
    found: dict[str, list[str]] = defaultdict(list)
    for where, cells in rows:
        if cells[link]:
            found[imdb_id(cells[name], f"{where}, column {name}")] += rebased(
                read_urls(where, cells[link]), path, output
            )
    return {title: tuple(dict.fromkeys(urls)) for title, urls in found.items()}


def read_metadata(path: Path) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Title -> links and title -> name, of the record's metadata.json.

    Known from its readers only, so both shapes are taken: a mapping or a list under "trailers12k",
    ids with or without tt, one YouTube trailer or several.
    """
    try:
        record = json.loads(read_text(path))
    except ValueError as problem:
        raise ManifestError(f"{path}: is no JSON: {problem}. Fetch it again.") from None
    titles = record.get("trailers12k") if isinstance(record, dict) else None
    if not isinstance(titles, dict | list):
        raise ManifestError(f"{path}: has no mapping or list under 'trailers12k'. Give the record's metadata.json.")
    links: dict[str, tuple[str, ...]] = {}
    names: dict[str, str] = {}
    for key, entry in titles.items() if isinstance(titles, dict) else enumerate(titles):
        where = f"{path}: trailers12k, {key}"
        imdb = part(entry, "imdb")
        if "id" not in imdb:
            raise ManifestError(f"{where}: has no imdb id. Fetch the file again.")
        name = imdb_id(imdb["id"], where)
        links[name] = youtube_links(part(entry, "youtube").get("trailers"), where)
        if isinstance(imdb.get("title"), str):
            names[name] = one_line(imdb["title"])
    return links, names


def part(entry: Any, name: str) -> Mapping[str, Any]:
    found = entry.get(name) if isinstance(entry, dict) else None
    return found if isinstance(found, dict) else {}


def youtube_links(trailers: Any, where: str) -> tuple[str, ...]:
    found = []
    for trailer in trailers if isinstance(trailers, list) else [trailers] if trailers else []:
        video = trailer.get("id") if isinstance(trailer, dict) else trailer
        if not isinstance(video, str) or not YOUTUBE_ID.fullmatch(video):
            raise ManifestError(f"{where}: {str(video)[:80]!r} is no YouTube id. Correct or remove it.")
        found.append(video)
    return tuple(dict.fromkeys(found))
