"""The manifest: a CSV of trailers, from a stranger's hand until it has passed here.

Columns: trailer and url are required; title, genres (joined by ``;``), split0, split1, split2 and
poster are not. ``url`` is a link, a YouTube id or a path relative to the manifest; several
alternatives are joined by `` | `` and tried in that order.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from trailers.domain import GENRES, SPLITS, Trailer, is_safe_id
from trailers.errors import ManifestError
from trailers.store.atomic import write_text

REQUIRED = ("trailer", "url")
COLUMNS = ("trailer", "title", "url", "genres", "split0", "split1", "split2", "poster")
ALTERNATIVES = " | "


def read_manifest(path: Path) -> list[Trailer]:
    """The trailers in the order of their rows.

    Raises:
        ManifestError: names the row (the header is row 1), the column, the reason and the remedy.
    """
    rows = list(csv.reader(io.StringIO(read_text(path), newline=""), strict=True))
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
        raise ManifestError(
            f"{path}: row 1: column {', '.join(missing)} is missing, found {', '.join(header)}. "
            f"Known columns are {', '.join(COLUMNS)}; {' and '.join(REQUIRED)} are required."
        )
    if unknown or double:
        what = f"unknown column {', '.join(unknown)}" if unknown else f"column {', '.join(double)} stands twice"
        raise ManifestError(f"{path}: row 1: {what}. Known columns are {', '.join(COLUMNS)}; rename or remove it.")


def read_row(where: str, cells: dict[str, str]) -> Trailer:
    trailer = cells["trailer"]
    if not is_safe_id(trailer):
        shown = trailer if len(trailer) <= 80 else trailer[:77] + "..."
        raise ManifestError(
            f"{where}, column trailer: {shown!r} cannot name a file safely. Use 1 to 64 of the ASCII letters, digits, "
            "'_' and '-', not starting with '-', and no name a system reserves (such as CON)."
        )
    urls = tuple(url for url in (part.strip() for part in cells["url"].split(ALTERNATIVES)) if url)
    if not urls:
        raise ManifestError(f"{where}, column url: is empty. Give a link, a YouTube id or the path of a file.")
    if any(ord(letter) < 32 for letter in cells["url"]):
        raise ManifestError(f"{where}, column url: holds a control character. Remove it.")
    return Trailer(
        trailer=trailer,
        urls=urls,
        title=cells.get("title", ""),
        genres=read_genres(where, cells.get("genres", "")),
        splits=tuple(read_split(where, f"split{n}", cells.get(f"split{n}", "")) for n in SPLITS),  # type: ignore[arg-type]
        poster=cells.get("poster", ""),
    )


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
