"""The manifest: a CSV of trailers, from a stranger's hand until it has passed here.

Columns: trailer and url are required; title, genres (joined by ``;``), split0, split1, split2 and
poster are not. ``url`` is a link, a YouTube id or a path relative to the manifest; several
alternatives are joined by `` | `` and tried in that order.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from trailers.domain import GENRES, SPLITS, Trailer, is_safe_id
from trailers.errors import ManifestError
from trailers.store.atomic import write_text

REQUIRED = ("trailer", "url")
COLUMNS = ("trailer", "title", "url", "genres", "split0", "split1", "split2", "poster")
ALTERNATIVES = " | "
BETWEEN = re.compile(r"(?<![^ ])\|(?![^ ])")  # what reads ALTERNATIVES, at a cell's ends too

YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}", re.ASCII)
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):", re.ASCII)


def read_manifest(path: Path) -> list[Trailer]:
    """The trailers in the order of their rows.

    Raises:
        ManifestError: names the row (the header is row 1), the column, the reason and the remedy.
    """
    rows = split_rows(path, read_text(path))
    if not rows:
        raise ManifestError(f"{path}: is empty. Write a header with at least trailer,url and a row a trailer.")
    header = [name.strip() for name in rows[0]]
    check_header(path, header)
    trailers: list[Trailer] = []
    seen: dict[str, int] = {}
    for number, cells in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            raise ManifestError(
                f"{path}: row {number}: {len(cells)} cells where the header has {len(header)}. "
                "Quote cells that hold a comma."
            )
        trailer = read_row(f"{path}: row {number}", dict(zip(header, (cell.strip() for cell in cells), strict=True)))
        key = trailer.trailer.lower()
        if key in seen:
            raise ManifestError(
                f"{path}: row {number}, column trailer: '{trailer.trailer}' stands already in row {seen[key]} "
                "(upper and lower case name the same file on some systems). Give it another id or remove a row."
            )
        seen[key] = number
        trailers.append(trailer)
    if not trailers:
        raise ManifestError(f"{path}: has a header but no trailer. Add a row a trailer.")
    return trailers


def split_rows(path: Path, text: str) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for cells in csv.reader(io.StringIO(text, newline=""), strict=True):
            rows.append(cells)
    except csv.Error as problem:
        raise ManifestError(
            f"{path}: row {len(rows) + 1}: {problem}. Quote a cell with one '\"' at either end, and write a quote "
            "inside it twice."
        ) from None
    return rows


def read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ManifestError(
            f"{path}: no such manifest. Write one with `python -m trailers manifest`, or name yours in config.yaml, "
            "manifest."
        ) from None
    except UnicodeDecodeError as problem:
        raise ManifestError(
            f"{path}: byte {problem.start} is not UTF-8. Save the file as UTF-8 (Excel: 'CSV UTF-8')."
        ) from None
    except OSError as problem:
        raise ManifestError(f"{path}: cannot be read: {problem.strerror}. Name a readable CSV file.") from None


def check_header(path: Path, header: Sequence[str]) -> None:
    missing = [name for name in REQUIRED if name not in header]
    unknown = [name for name in header if name not in COLUMNS]
    double = sorted({name for name in header if header.count(name) > 1})
    if missing:
        hint = " Separate cells by commas." if len(header) == 1 and re.search(r"[;\t]", header[0]) else ""
        raise ManifestError(
            f"{path}: row 1: column {', '.join(missing)} is missing, found {', '.join(header)}.{hint} "
            f"Known columns are {', '.join(COLUMNS)}; {' and '.join(REQUIRED)} are required."
        )
    if unknown or double:
        what = f"unknown column {', '.join(unknown)}" if unknown else f"column {', '.join(double)} stands twice"
        raise ManifestError(f"{path}: row 1: {what}. Known columns are {', '.join(COLUMNS)}; rename or remove it.")


def read_row(where: str, cells: dict[str, str]) -> Trailer:
    trailer = cells["trailer"]
    if not is_safe_id(trailer):
        raise ManifestError(
            f"{where}, column trailer: {shorten(trailer)!r} cannot name a file safely. Use 1 to 64 of the "
            "ASCII letters, digits, '_' and '-', not starting with '-', and no name a system reserves (such as CON)."
        )
    return Trailer(
        trailer=trailer,
        urls=read_urls(where, cells["url"]),
        title=cells.get("title", ""),
        genres=read_genres(where, cells.get("genres", "")),
        splits=tuple(read_split(where, f"split{n}", cells.get(f"split{n}", "")) for n in SPLITS),  # type: ignore[arg-type]
        poster=read_poster(where, cells.get("poster", "")),
    )


def read_urls(where: str, cell: str) -> tuple[str, ...]:
    urls = tuple(url for url in (part.strip() for part in BETWEEN.split(cell)) if url)
    if not urls:
        raise ManifestError(f"{where}, column url: is empty. Give a link, a YouTube id or the path of a file.")
    for url in urls:
        check_url(f"{where}, column url", url)
    return urls


def read_poster(where: str, cell: str) -> str:
    if cell:
        check_url(f"{where}, column poster", cell)
    return cell


def check_url(where: str, url: str) -> None:
    if CONTROL.search(url):
        raise ManifestError(f"{where}: holds a control character. Remove it.")
    try:
        web_link(url)
    except ValueError as problem:
        raise ManifestError(f"{where}: {problem}") from None


def web_link(url: str) -> str | None:
    """The http or https link that ``url`` stands for; None when it is the path of a file.

    Eleven letters of YouTube's alphabet are a YouTube id: a file of such a name is ``./name``.

    Raises:
        ValueError: any other scheme (file:, ftp:, concat: and their like reach what a manifest must not).
    """
    if YOUTUBE_ID.fullmatch(url):
        return f"https://www.youtube.com/watch?v={url}"
    scheme = SCHEME.match(url)
    if scheme is None:
        return None
    if scheme[1].lower() not in ("http", "https"):
        raise ValueError(f"'{shorten(url)}' is no http or https link. Give one, or write the path of a file as ./NAME.")
    try:
        parts = urlsplit(url)
        whole = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        whole = False
    if not whole:
        raise ValueError(f"'{shorten(url)}' is a link without a valid host. Correct it.")
    # yt-dlp takes orders for its extractors from such a fragment.
    if "__youtubedl_smuggle" in url:
        raise ValueError(f"'{shorten(url)}' carries orders for yt-dlp. Remove what follows '#'.")
    return url


def shorten(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."


def read_genres(where: str, cell: str) -> tuple[str, ...]:
    genres = [genre.strip().lower() for genre in cell.split(";") if genre.strip()]
    for genre in genres:
        if genre not in GENRES:
            raise ManifestError(
                f"{where}, column genres: '{genre}' is not one of {', '.join(GENRES)}. Correct or remove it; "
                "genres are joined by ';'."
            )
    return tuple(genre for genre in GENRES if genre in genres)


def read_split(where: str, column: str, cell: str) -> int | None:
    if not cell:
        return None
    if cell not in ("0", "1", "2"):
        raise ManifestError(
            f"{where}, column {column}: '{cell}' is not 0 (train), 1 (validation), 2 (test) or empty. Correct it."
        )
    return int(cell)


def write_manifest(path: Path, trailers: Iterable[Trailer]) -> None:
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for trailer in trailers:
        splits = ["" if code is None else code for code in trailer.splits]
        urls = ALTERNATIVES.join(trailer.urls)
        rows.writerow([trailer.trailer, trailer.title, urls, ";".join(trailer.genres), *splits, trailer.poster])
    write_text(path, text.getvalue())
