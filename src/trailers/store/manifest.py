"""The manifest: a CSV of trailers, untrusted until it was read here.

Columns: trailer and url are required; title, genres (joined by ``;``), split0, split1, split2, poster and verified
are optional. ``url`` is a link, a YouTube id or a path relative to the manifest; several alternatives are joined by
`` | `` and tried in that order.

It is read in all forms that spreadsheets write (``store/table.py``), and written in one form.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from trailers.domain import GENRES, SPLITS, Trailer
from trailers.errors import ManifestError
from trailers.store.atomic import write_text
from trailers.store.cells import (
    join_urls,
    parse_genres,
    parse_id,
    parse_poster,
    parse_split,
    parse_title,
    parse_urls,
    parse_verified,
)
from trailers.store.table import Header, Table, read_header, read_rows
from trailers.store.text import read_text, shorten
from trailers.web.links import EXPLICIT, web_link

REQUIRED = ("trailer", "url")
COLUMNS = ("trailer", "title", "url", "genres", "split0", "split1", "split2", "poster", "verified")

# Column -> its accepted names, in lower case, without blanks and underscores.
SPELLINGS: Mapping[str, Sequence[str]] = {
    "trailer": ("trailer", "trailerid", "id", "mid", "imdb", "imdbid", "tconst", "movieid", "filmid"),
    "title": (
        "title", "name", "movie", "movietitle", "moviename", "film", "filmtitle", "originaltitle", "primarytitle",
    ),
    "url": (
        "url", "urls", "link", "links", "youtube", "youtubeid", "youtubeurl", "youtubelink", "youtubevideoid", "ytid",
        "videoid", "videourl", "videolink", "trailerurl", "trailerlink", "youtubetrailer",
        "uri", "href", "path", "file", "filename", "filepath",
    ),
    "genres": ("genres", "genre"),
    "split0": ("split0", "split"),
    "split1": ("split1",),
    "split2": ("split2",),
    "poster": ("poster", "posterurl", "posterlink", "posterpath"),
    "verified": ("verified",),
}  # fmt: skip


def read_manifest(path: Path, *, links: bool = True, genres: tuple[str, ...] | None = GENRES) -> list[Trailer]:
    """The trailers in the order of their rows.

    Args:
        path: a CSV.
        links: whether every trailer needs a link; training on imported vectors does not need any.
        genres: the allowed names, from config.yaml; None allows any.

    Raises:
        ManifestError: names the row (the header is row 1), the column, the reason and the remedy.
    """
    text = read_text(path, kind="manifest")
    if not text.strip():
        raise ManifestError(
            "is empty", where=path, remedy="Write a header with at least trailer,url and one row per trailer."
        )
    header = read_header(path, text, SPELLINGS)
    check_header(path, header, links=links)
    table = read_rows(path, text, header)
    if not table.rows:
        raise ManifestError("has a header but no trailer", where=path, remedy="Add one row per trailer.")
    parsers = {"trailer": parse_id, **parsers_for(path.parent, links=links, genres=genres)}
    trailers = [as_trailer(read_cells(table, number, cells, parsers)) for number, cells in table.rows]
    check_ids(table, trailers)
    return trailers


def check_header(path: Path, header: Header, *, links: bool) -> None:
    missing = [name for name in REQUIRED if name not in header.columns and (links or name != "url")]
    required = " and ".join(REQUIRED) + " are required" if links else "trailer is required"
    known = f"Known columns are {', '.join(COLUMNS)}; {required}."
    if missing:
        found = shorten(", ".join(header.written))
        raise ManifestError(
            f"column {', '.join(missing)} is missing, found {found}", where=f"{path}: row {header.row}", remedy=known
        )
    if header.unknown:
        raise ManifestError(
            f"unknown column {shorten(', '.join(header.unknown))}",
            where=f"{path}: row {header.row}",
            remedy=f"Rename or remove it. {known}",
        )


Parsers = Mapping[str, Callable[[str], Any]]


def parsers_for(base: Path, *, links: bool = True, genres: tuple[str, ...] | None = GENRES) -> Parsers:
    """Column -> the function that reads its cells, for all columns except the ids; paths are relative to ``base``."""

    def urls(cell: str) -> tuple[str, ...]:
        return parse_urls(cell, base=base) if links or cell.strip() else ()

    return {
        "url": urls,
        "title": parse_title,
        "genres": partial(parse_genres, genres=genres),
        **{f"split{n}": parse_split for n in SPLITS},
        "poster": partial(parse_poster, base=base),
        "verified": parse_verified,
    }


def read_cells(table: Table, number: int, cells: Mapping[str, str], parsers: Parsers) -> dict[str, Any]:
    """Column -> value, for one row; the cells of a missing column are empty.

    Raises:
        ManifestError: names the row and the column.
    """
    found = {}
    column = ""
    try:
        for column, parse in parsers.items():
            found[column] = parse(cells.get(column, ""))
    except ManifestError as problem:
        raise ManifestError(problem.what, where=table.where(number, column), remedy=problem.remedy) from None
    return found


def as_trailer(found: Mapping[str, Any]) -> Trailer:
    splits = (found["split0"], found["split1"], found["split2"])
    return Trailer(
        found["trailer"], found["url"], found["title"], found["genres"], splits, found["poster"],
        verified=bool(found["verified"]),
    )  # fmt: skip


def check_ids(table: Table, trailers: Sequence[Trailer]) -> None:
    seen: dict[str, int] = {}
    for (number, _), trailer in zip(table.rows, trailers, strict=True):
        key = trailer.trailer.lower()
        if key in seen:
            raise ManifestError(
                f"'{trailer.trailer}' is already in row {seen[key]} "
                "(ids must differ in more than upper and lower case)",
                where=table.where(number, "trailer"),
                remedy="Give it another id or remove one of the rows.",
            )
        seen[key] = number


def write_manifest(path: Path, trailers: Iterable[Trailer]) -> None:
    """Write ``trailers``. The column `verified` is written only if a trailer is verified."""
    given = list(trailers)
    is_marked = any(trailer.verified for trailer in given)
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS if is_marked else COLUMNS[:-1])
    for trailer in given:
        splits = ["" if code is None else code for code in trailer.splits]
        urls = join_urls(trailer.urls)
        row = [trailer.trailer, trailer.title, urls, ";".join(trailer.genres), *splits, trailer.poster]
        rows.writerow([*row, *(["yes" if trailer.verified else ""] if is_marked else ())])
    write_text(path, text.getvalue())


def with_paths_from(trailers: Iterable[Trailer], before: Path, after: Path) -> list[Trailer]:
    """The trailers with their paths made relative to the folder ``after``; they were relative to ``before``."""
    if before.resolve() == after.resolve():
        return list(trailers)

    def rebase(url: str) -> str:
        if not url or web_link(url) is not None or url.startswith("/"):
            return url
        path = os.path.relpath(before.resolve() / url, after.resolve())
        return path if path.startswith(EXPLICIT) else f"./{path}"

    return [
        replace(trailer, urls=tuple(map(rebase, trailer.urls)), poster=rebase(trailer.poster)) for trailer in trailers
    ]
