"""Reads tables written by people and spreadsheets as rows of named cells; the only reader of CSV from other sources.

Accepted: cells separated by commas, semicolons, tabs or bars; a line ``sep=;``; headers in any case and with blanks;
empty rows and columns; lines that begin with ``#``; the column of row numbers that pandas adds; any end of line.
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from trailers.errors import ManifestError
from trailers.store.text import shorten

DELIMITERS = ",;\t|"
DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?(?:\r\n|\r|\n)', re.IGNORECASE)
DIGITS = re.compile(r"\d+", re.ASCII)
INDEX_NAMES = ("", "unnamed: 0")
# The errors that spreadsheets show in place of a value, in several languages; comments do not match.
SPREADSHEET_ERROR = re.compile(
    r"#[^\w\s]?[A-ZÀ-Þ0-9/_]+[!?]|#N/?[ADV]|#GETTING_DATA|#{3,}|(?:Err|Fehler|Erreur|Error)\s?:\s?\d{3}", re.ASCII
)

Cells = Mapping[str, str]


@dataclass(frozen=True)
class Header:
    """The delimiter and the columns of a table."""

    delimiter: str
    row: int  # number of the header's row, as a spreadsheet counts
    written: tuple[str, ...]  # names as they are written, without blanks at their ends
    columns: Mapping[str, int] = field(default_factory=dict)  # known column -> its index

    @property
    def unknown(self) -> tuple[str, ...]:
        known = set(self.columns.values())
        return tuple(name for n, name in enumerate(self.written) if n not in known and n not in self.unnamed)

    @property
    def unnamed(self) -> tuple[int, ...]:
        """Indices of columns without a name: after trailing commas, and the row numbers that pandas puts first."""
        return tuple(n for n, name in enumerate(self.written) if not name or (n == 0 and name.lower() in INDEX_NAMES))

    @property
    def fewest_cells(self) -> int:
        """The smallest number of cells that a row can have."""
        return max((n + 1 for n, name in enumerate(self.written) if name), default=0)


@dataclass(frozen=True)
class Table:
    """Rows of a table; cells are found by the names of the known columns."""

    path: Path
    header: Header
    rows: tuple[tuple[int, Cells], ...]  # (number as a spreadsheet counts, cells without blanks at their ends)
    comments: int

    def where(self, number: int, column: str = "") -> str:
        """The place of a row, or of its cell in a known column, which is named as in the header."""
        place = f"{self.path}: row {number}"
        if not column:
            return place
        index = self.header.columns.get(column)
        return f"{place}, column {column if index is None else shorten(self.header.written[index])}"


def squash(name: str) -> str:
    """``name`` in the form in which headers are compared: "YouTube ID", "youtube_id" and "youtubeId" are equal."""
    return re.sub(r"[\W_]+", "", name.casefold())


def read_header(path: Path, text: str, known: Mapping[str, Sequence[str]]) -> Header:
    """The header of a table; if it has none of the ``known`` columns, the first row as it is.

    Args:
        path: for messages.
        text: the whole file.
        known: column -> its accepted names, as ``squash`` gives them.

    Raises:
        ManifestError: two columns could be the same known column.
    """
    separator, body = without_separator_line(text)
    found = [first_row(body, delimiter) for delimiter in (separator or DELIMITERS)]
    names = {name for every in known.values() for name in every}
    best = max(found, key=lambda header: (sum(squash(name) in names for name in header.written), len(header.written)))
    if not best.written:
        next(split_rows(path, body, best.delimiter), None)  # raises the error that explains why no row was found
    columns = {column: index for column, names in known.items() for index in places_of(path, best, column, names)}
    return replace(best, columns=columns)


def places_of(path: Path, header: Header, column: str, names: Sequence[str]) -> list[int]:
    """A list with the index of ``column``, or an empty list; a column of exactly that name is preferred.

    Raises:
        ManifestError: several columns could be meant.
    """
    loose = [n for n, name in enumerate(header.written) if squash(name) in names]
    exact = [n for n in loose if header.written[n] == column]
    found = exact or loose
    if len(found) > 1:
        what = "occurs twice" if exact else f"could each be the column {column}"
        raise ManifestError(
            f"column {', '.join(dict.fromkeys(header.written[n] for n in found))} {what}",
            where=f"{path}: row {header.row}",
            remedy="Rename or remove all but one.",
        )
    return found


def without_separator_line(text: str) -> tuple[str, str]:
    """The delimiter that Excel's first line ``sep=;`` names, or "", and the text after that line."""
    line = SEPARATOR_LINE.match(text)
    return (line[1], text[line.end() :]) if line else ("", text)


def records(text: str, delimiter: str, *, strict: bool) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict, skipinitialspace=True)


def first_row(text: str, delimiter: str) -> Header:
    """The first row that is neither empty nor a comment, as a header; without columns if all rows are."""
    with contextlib.suppress(csv.Error):  # another delimiter may work; if none does, the reader of rows raises
        for number, cells in enumerate(records(text, delimiter, strict=False), start=1):
            if any(cell.strip() for cell in cells) and not cells[0].startswith("#"):
                return Header(delimiter, number, tuple(cell.strip() for cell in cells))
    return Header(delimiter, 1, ())


def split_rows(path: Path, text: str, delimiter: str = ",") -> Iterator[list[str]]:
    """The cells of every row, including empty rows.

    Raises:
        ManifestError: the quotes of a row do not match; names the row.
    """
    number = 0
    try:
        for cells in records(text, delimiter, strict=True):
            number += 1
            yield cells
    except csv.Error as problem:
        quotes = "Put one '\"' at each end of a quoted cell, and double every quote inside it."
        raise ManifestError(
            str(problem),
            where=f"{path}: row {number + 1}",
            # If a quote is never closed, the rest of the file is one cell.
            remedy=f"Shorten the cell. {quotes}" if "field limit" in str(problem) else quotes,
        ) from None


def read_rows(path: Path, text: str, header: Header) -> Table:
    """The rows below ``header``, without empty rows and comments.

    Raises:
        ManifestError: a row or cell is not valid; names row and column.
    """
    body = without_separator_line(text)[1]
    width, picked = len(header.written), tuple(header.columns.items())
    is_plain = not header.unnamed
    rows: list[tuple[int, Cells]] = []
    numbered: list[tuple[int, str]] = []
    comments = 0
    for number, cells in enumerate(split_rows(path, body, header.delimiter), start=1):
        if number <= header.row or not "".join(cells).strip():
            continue
        if cells[0].startswith("#") and is_comment(cells, header):
            comments += 1
            continue
        if len(cells) != width or not is_plain:
            cells = fit(f"{path}: row {number}", cells, header)
            numbered.append((number, cells[0].strip()))
        rows.append((number, {column: cells[n].strip() for column, n in picked}))
    if 0 in header.unnamed:
        check_numbers(path, numbered)
    table = Table(path, header, tuple(rows), comments)
    if any(sign in body for sign in ("#", "Err:", "Error:", "Fehler:", "Erreur")):
        refuse_spreadsheet_errors(table)
    return table


def is_comment(cells: Sequence[str], header: Header) -> bool:
    """Whether a row that begins with # is a comment, not a title or a spreadsheet error that begins with #."""
    is_row_with_title = header.columns.get("title") == 0 and any(cell.strip() for cell in cells[1:])
    return not is_row_with_title and not SPREADSHEET_ERROR.fullmatch(cells[0].strip())


def fit(where: str, cells: list[str], header: Header) -> list[str]:
    """``cells``, cut or extended to the number of columns in the header.

    Raises:
        ManifestError: cells are missing, or a column without a name has a value.
    """
    width = len(header.written)
    if len(cells) < header.fewest_cells or any(cell.strip() for cell in cells[width:]):
        raise ManifestError(
            f"{len(cells)} cells, but the header has {width}",
            where=where,
            remedy=f"Quote cells that contain a {DELIMITER_NAMES.get(header.delimiter, header.delimiter)}.",
        )
    cells = cells[:width] + [""] * (width - len(cells))
    for n in header.unnamed:
        if n > 0 and cells[n].strip():
            raise ManifestError(
                f"column {n + 1} has no name, but this row has the value {shorten(cells[n].strip())!r} in it",
                where=where,
                remedy="Name the column in the header, or remove the value.",
            )
    return cells


def check_numbers(path: Path, cells: Sequence[tuple[int, str]]) -> None:
    """Refuse a first column without a name, unless it numbers the rows or is empty."""
    seen: set[str] = set()
    for number, cell in cells:
        if cell and (not DIGITS.fullmatch(cell) or cell in seen):
            raise ManifestError(
                f"column 1 has no name, but this row has the value {shorten(cell)!r} in it",
                where=f"{path}: row {number}",
                remedy="Name the column in the header, or remove it.",
            )
        seen.add(cell)


def refuse_spreadsheet_errors(table: Table) -> None:
    """Refuse the errors that a spreadsheet shows in place of a value.

    Raises:
        ManifestError: a cell is such an error; names row and column.
    """
    for number, cells in table.rows:
        for column, cell in cells.items():
            if cell[:1] in "#EF" and SPREADSHEET_ERROR.fullmatch(cell):
                raise ManifestError(
                    f"'{cell}' is a spreadsheet error, not a value",
                    where=table.where(number, column),
                    remedy="Format the column as text there, enter the value again and save.",
                )
