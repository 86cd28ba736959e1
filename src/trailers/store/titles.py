"""titles.csv: the movies whose trailers are searched for, written by `trailers titles` or a person.

Columns: id and title are required; original_title, year, rating, votes, genres, runtime_min, plot and poster are
optional, and other columns are ignored. The forms that spreadsheets write are accepted (``store/table.py``).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trailers.errors import ManifestError
from trailers.store.cells import parse_id, parse_title, plain
from trailers.store.table import Table, read_header, read_rows
from trailers.store.text import read_text, shorten

COLUMNS = ("id", "title", "original_title", "year", "rating", "votes", "genres", "runtime_min")
YEARS = range(1870, 2200)  # of films
LONGEST_PLOT = 2000  # characters that are kept

# Column -> its accepted names, in lower case, without blanks and underscores.
SPELLINGS: Mapping[str, Sequence[str]] = {
    "id": ("id", "trailer", "mid", "imdb", "imdbid", "tconst", "movieid", "filmid"),
    "title": ("title", "name", "movie", "movietitle", "film", "filmtitle", "primarytitle"),
    "original_title": ("originaltitle",),
    "year": ("year", "startyear", "releaseyear"),
    "rating": ("rating", "averagerating"),
    "votes": ("votes", "numvotes"),
    "genres": ("genres", "genre"),
    "runtime_min": ("runtimemin", "runtime", "runtimeminutes"),
    "plot": ("plot", "overview", "synopsis"),
    "poster": ("poster", "posterurl", "posterlink"),
}


@dataclass(frozen=True)
class Title:
    """One movie. Unknown values are empty or None."""

    id: str
    title: str
    original_title: str = ""
    year: int | None = None
    rating: float | None = None
    votes: int | None = None
    genres: str = ""  # joined by ;
    runtime_min: int | None = None
    plot: str = ""
    poster: str = ""  # link or path


def read_titles(path: Path) -> list[Title]:
    """The titles in the order of their rows.

    Raises:
        ManifestError: names the row (the header is row 1), the column, the reason and the remedy.
    """
    text = read_text(path, kind="list of titles")
    header = read_header(path, text, SPELLINGS)
    missing = [name for name in ("id", "title") if name not in header.columns]
    if missing:
        raise ManifestError(
            f"column {', '.join(missing)} is missing, found {shorten(', '.join(header.written))}",
            where=f"{path}: row {header.row}", remedy="`python -m trailers titles` writes such a table.",
        )  # fmt: skip
    table = read_rows(path, text, header)
    if not table.rows:
        raise ManifestError("has a header but no title", where=path, remedy="Add one row per title.")
    titles = [as_title(table, number, cells) for number, cells in table.rows]
    check_ids(table, titles)
    return titles


def as_title(table: Table, number: int, cells: Mapping[str, str]) -> Title:
    """The title of one row. Raises ManifestError."""
    column = "id"
    try:
        name = parse_id(cells["id"])
        column = "title"
        title = one_line(parse_title(cells["title"]))
        if not title:
            raise ManifestError("is empty", remedy="Give the movie's title.")
        column = "year"
        year = year_of(plain(cells.get("year", "")))
    except ManifestError as problem:
        raise ManifestError(problem.what, where=table.where(number, column), remedy=problem.remedy) from None
    votes, runtime = (digits(cells.get(column, "")) for column in ("votes", "runtime_min"))
    return Title(
        name, title, one_line(cells.get("original_title", "")), year, rating_of(cells.get("rating", "")), votes,
        cells.get("genres", "").strip(), runtime, one_line(cells.get("plot", ""))[:LONGEST_PLOT],
        cells.get("poster", "").strip(),
    )  # fmt: skip


def one_line(text: str) -> str:
    return " ".join(text.split())


def year_of(cell: str) -> int | None:
    """The year, or None for an empty cell. Raises ManifestError if it is not a year."""
    if not cell:
        return None
    year = digits(cell.removesuffix(".0"))
    if year is None or year not in YEARS:
        raise ManifestError(f"'{shorten(cell)}' is not a year", remedy="Give one such as 1999, or leave it empty.")
    return year


def digits(cell: str) -> int | None:
    text = cell.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def rating_of(cell: str) -> float | None:
    """The rating, which is only shown; None if it is not a number."""
    try:
        return float(cell)
    except ValueError:
        return None


def check_ids(table: Table, titles: Sequence[Title]) -> None:
    seen: dict[str, int] = {}
    for (number, _), title in zip(table.rows, titles, strict=True):
        key = title.id.lower()
        if key in seen:
            raise ManifestError(
                f"'{title.id}' is already in row {seen[key]}", where=table.where(number, "id"),
                remedy="Give it another id or remove one of the rows.",
            )  # fmt: skip
        seen[key] = number


def as_csv(titles: Iterable[Title]) -> str:
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for title in titles:
        values = (getattr(title, column) for column in COLUMNS)
        table.writerow("" if value is None else value for value in values)
    return text.getvalue()
