"""Trailers from a list of links: one link per line, or a table."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from trailers.domain import GENRES
from trailers.errors import ManifestError
from trailers.store.cells import parse_urls, plain
from trailers.store.manifest import SPELLINGS, parsers_for, read_cells
from trailers.store.table import (
    SPREADSHEET_ERROR,
    Header,
    Table,
    read_header,
    read_rows,
    split_rows,
    without_separator_line,
)
from trailers.store.text import read_text, shorten
from trailers.tools.manifest.entries import LABELS, Entry, as_source, placed
from trailers.tools.manifest.ids import one_line
from trailers.tools.manifest.source import Source, rebased
from trailers.web.links import web_link

log = logging.getLogger(__name__)

COMMENT_SIGNS = ("#", ";", "]")  # those of yt-dlp's lists
NO_IDS = ("nan", "none", "null", "n/a")


def from_links(path: Path, output: Path, genres: tuple[str, ...] = GENRES) -> Source:
    """One trailer per video, or one per id in a table with ids; several rows with one id are alternatives."""
    text = read_text(path, kind="list of links")
    header = read_header(path, text, SPELLINGS)
    if "url" in header.columns:
        table = read_rows(path, text, header)
        log_ignored_columns(table)
        entries = list(entries_of_table(table, output, genres))
    else:
        check_first_line(path, text, header)
        entries = list(entries_of_lines(path, text, output))
    if not entries:
        remedy = "Write one link per line, or a table with a column url."
        raise ManifestError("contains no link", where=path, remedy=remedy)
    return as_source(entries, output.parent)


def entries_of_lines(path: Path, text: str, output: Path) -> Iterator[Entry]:
    """One link per line; empty lines and comments are left out."""
    for number, line in enumerate(lines_of(text), start=1):
        if is_link_line(line):
            with placed(f"{path}: line {number}"):
                yield Entry(path, f"line {number}", "", rebased(parse_urls(line, path.parent), path, output))


def lines_of(text: str) -> list[str]:
    return [line.strip() for line in re.split(r"\r\n|\r|\n", text)]


def is_link_line(line: str) -> bool:
    return bool(line) and (not line.startswith(COMMENT_SIGNS) or SPREADSHEET_ERROR.fullmatch(line) is not None)


def check_first_line(path: Path, text: str, header: Header) -> None:
    """Refuses a table without a known column of links, before its header is taken for a link.

    Raises:
        ManifestError: names the columns that were found, and what was expected.
    """
    first = next(filter(is_link_line, lines_of(text)), "")
    if not first or (len(header.written) < 2 and not header.columns):
        return
    with contextlib.suppress(ManifestError):
        parse_urls(first, path.parent)
        return
    where, found = f"{path}: row {header.row}", shorten(", ".join(header.written))
    if any(map(is_link, header.written)):
        raise ManifestError(
            f"is not a header, found {found}",
            where=where,
            remedy="Write a header such as trailer,url above the rows, or one link per line and nothing else.",
        )
    rows = split_rows(path, without_separator_line(text)[1], header.delimiter)
    below = next((cells for number, cells in enumerate(rows, 1) if number > header.row and any(cells)), [])
    likely = [name for name, cell in zip(header.written, below, strict=False) if is_link(cell)]
    hint = f"Rename {likely[0]} to url." if len(likely) == 1 else "Name the column of links url."
    raise ManifestError(f"no known column of links, found {found}", where=where, remedy=hint)


def is_link(cell: str) -> bool:
    try:
        return web_link(cell.strip()) is not None
    except ManifestError:
        return False


def log_ignored_columns(table: Table) -> None:
    if table.header.unknown:
        log.info("%s: columns that do not belong in a manifest are left out: %s", table.path,
                 ", ".join(table.header.unknown))  # fmt: skip
    if table.comments:
        log.info("%s: %d comments are left out", table.path, table.comments)


def entries_of_table(table: Table, output: Path, genres: tuple[str, ...]) -> Iterator[Entry]:
    parsers = {"trailer": given_id, **parsers_for(table.path.parent, genres=genres)}
    rebase = partial(rebased, listed=table.path, output=output)
    for number, cells in table.rows:
        if not cells["url"]:
            log.warning("%s: has no link; left out", table.where(number))
            continue
        found = read_cells(table, number, cells, parsers)
        with placed(table.where(number, "url")):
            urls = rebase(found["url"])
        with placed(table.where(number, "poster")):
            found["poster"] = "".join(rebase((found["poster"],) if found["poster"] else ()))
        labels = {name: found[name] for name in LABELS if found[name] not in ((), None, "")}
        yield Entry(table.path, f"row {number}", found["trailer"], urls, one_line(found["title"]), labels)


def given_id(cell: str) -> str:
    """The id in ``cell``, which need not be safe; "" if the cell is empty."""
    name = plain(cell)
    if name.lower() in NO_IDS:
        raise ManifestError(f"'{name}' is not an id", remedy="Give one, or leave the cell empty.")
    number = re.fullmatch(r"(\d+)\.0", name, re.ASCII)
    return number[1] if number else name
