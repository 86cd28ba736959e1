"""Metadata of titles that the manifest does not have: year, countries and languages, for Fig. 4.

Two forms are read:

* a CSV, in any form that spreadsheets write, with a column of ids and at least one of ``year``, ``countries`` and
  ``languages``; several values in a cell are joined by ``;`` or ``,``; other columns are ignored
* the published record's ``metadata.json``, which has the same values under ``imdb`` of each title
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trailers.errors import ManifestError
from trailers.store.manifest import SPELLINGS
from trailers.store.table import read_header, read_rows
from trailers.store.text import read_text, shorten

IMDB_NUMBER = re.compile(r"(?:tt)?(\d{1,9})", re.ASCII)
YEARS = range(1870, 2200)  # of a film
COLUMNS = {
    "trailer": SPELLINGS["trailer"],
    "year": ("year", "startyear", "releaseyear", "released"),
    "countries": ("countries", "country", "countriesoforigin", "countrycodes"),
    "languages": ("languages", "language", "languagecodes", "spokenlanguages"),
}


@dataclass(frozen=True)
class Metadata:
    """Metadata of one title; an unknown year is None, and unknown countries or languages are empty."""

    year: int | None = None
    countries: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()

    def filled(self, other: Metadata) -> Metadata:
        """These metadata, with unknown values taken from ``other``."""
        return Metadata(self.year or other.year, self.countries or other.countries, self.languages or other.languages)


def read_metadata(paths: Sequence[Path]) -> dict[str, Metadata]:
    """Id -> metadata, from several files; a value of an earlier file takes precedence.

    Raises:
        ManifestError: names the file, row and column, the reason and the remedy.
    """
    found: dict[str, Metadata] = {}
    for path in paths:
        read = read_record if path.suffix.lower() == ".json" else read_table
        for name, title in read(path).items():
            found[name] = found.get(name, Metadata()).filled(title)
    return found


def read_table(path: Path) -> dict[str, Metadata]:
    text = read_text(path, kind="table of titles")
    header = read_header(path, text, COLUMNS)
    if "trailer" not in header.columns or len(header.columns) < 2:
        raise ManifestError(
            "needs a column of ids and at least one of year, countries and languages, found "
            f"{shorten(', '.join(header.written))}",
            where=f"{path}: row {header.row}",
            remedy="Name them trailer, year, countries and languages.",
        )
    table = read_rows(path, text, header)
    found = {}
    for number, cells in table.rows:
        try:
            year = parse_year(cells.get("year", ""))
        except ManifestError as problem:
            raise ManifestError(problem.what, where=table.where(number, "year"), remedy=problem.remedy) from None
        found[cells["trailer"].strip()] = Metadata(
            year, parse_names(cells.get("countries", "")), parse_names(cells.get("languages", ""))
        )
    return found


def parse_year(cell: str) -> int | None:
    r"""The year in ``1999``, ``1999.0`` or ``1999-03-31``; None for an empty cell and for IMDb's ``\N``."""
    if cell.strip() in ("", r"\N"):
        return None
    match = re.fullmatch(r"(\d{4})(?:\.0|-\d\d(?:-\d\d)?)?", cell.strip(), re.ASCII)
    if match is None or int(match[1]) not in YEARS:
        raise ManifestError(f"'{shorten(cell)}' is not a year", remedy="Write four digits, or leave the cell empty.")
    return int(match[1])


def parse_names(cell: str) -> tuple[str, ...]:
    r"""The values of a cell, without repetitions and without ``\N``."""
    names = (" ".join(name.split()) for name in re.split(r"[;,|]", cell))
    return tuple(dict.fromkeys(name for name in names if name and name != r"\N"))


def record_entries(path: Path) -> Iterator[tuple[str, Any]]:
    """The place of each title in the record's metadata.json, for messages, and its entry.

    The format is known only from programs that read the record, so "trailers12k" may be a mapping or a list.

    Raises:
        ManifestError: the file is not such a record.
    """
    try:
        record = json.loads(read_text(path, kind="metadata.json"))
    except (ValueError, RecursionError) as problem:
        raise ManifestError(f"is not JSON: {problem}", where=path, remedy="Fetch it again.") from None
    titles = record.get("trailers12k") if isinstance(record, dict) else None
    if not isinstance(titles, dict | list):
        raise ManifestError(
            "has no mapping or list under 'trailers12k'", where=path, remedy="Give the record's metadata.json."
        )
    for key, entry in titles.items() if isinstance(titles, dict) else enumerate(titles):
        yield f"{path}: trailers12k, {key}", entry


def read_record(path: Path) -> dict[str, Metadata]:
    """Id -> metadata, from the record's metadata.json; ids in it may have or lack the prefix tt."""
    found = {}
    for where, entry in record_entries(path):
        imdb = entry.get("imdb") if isinstance(entry, dict) else None
        match = IMDB_NUMBER.fullmatch(str(imdb.get("id", ""))) if isinstance(imdb, dict) else None
        if match is None or not isinstance(imdb, dict):
            raise ManifestError("has no imdb id", where=where, remedy="Fetch the file again.")
        found[f"tt{match[1].zfill(7)}"] = title_of(imdb, where)
    return found


def title_of(imdb: Mapping[str, Any], where: str) -> Metadata:
    try:
        year = parse_year(str(imdb.get("year") or ""))
    except ManifestError as problem:
        raise ManifestError(problem.what, where=where, remedy="Fetch the file again.") from None
    return Metadata(year, listed(imdb.get("countries")), listed(imdb.get("languages")))


def listed(value: object) -> tuple[str, ...]:
    """The names in a list or in one text."""
    if isinstance(value, list):
        return parse_names(";".join(name for name in value if isinstance(name, str)))
    return parse_names(value) if isinstance(value, str) else ()
