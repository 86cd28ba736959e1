"""Trailers from a list of links: lines, or a CSV."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from trailers.domain import SPLITS, Trailer
from trailers.errors import ManifestError
from trailers.store.manifest import read_genres, read_split, read_text, read_urls, split_rows, web_link
from trailers.tools.manifest.folder import local_url
from trailers.tools.manifest.ids import id_of_link, make_unique, one_line, safe_id

log = logging.getLogger(__name__)

ID_COLUMNS = ("trailer", "mid", "imdb", "imdb_id", "id")
LINK_COLUMNS = ("url", "link", "youtube", "youtube_id")


def from_links(path: Path, output: Path) -> list[Trailer]:
    """A trailer a link; of a CSV with ids, a trailer an id, whose several rows are alternatives."""
    table = read_table(path)
    if table is None:
        return from_lines(path, output)
    rows, link, name = table
    grouped: dict[str, list[tuple[str, dict[str, str], tuple[str, ...]]]] = {}
    for where, cells in rows:
        if cells[link]:
            urls = rebased(read_urls(where, cells[link]), path, output)
            grouped.setdefault(cells.get(name) or urls[0], []).append((where, cells, urls))
        else:
            log.info("%s: has no link, left out", where)
    ids = make_unique(safe_id(key) if members[0][1].get(name) else id_of_link(key) for key, members in grouped.items())
    return [make_trailer(unique, members) for unique, members in zip(ids, grouped.values(), strict=True)]


def make_trailer(name: str, members: Sequence[tuple[str, dict[str, str], tuple[str, ...]]]) -> Trailer:
    where, cells, _ = members[0]
    return Trailer(
        name,
        tuple(dict.fromkeys(url for _, _, urls in members for url in urls)),
        one_line(cells.get("title", "")),
        read_genres(where, cells.get("genres", "")),
        read_splits(where, cells),
    )


def from_lines(path: Path, output: Path) -> list[Trailer]:
    """One link a line; empty lines, those that start with # and those that were there before are left out."""
    links: dict[tuple[str, ...], None] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        link = line.strip()
        if link and not link.startswith("#"):
            links[rebased(read_urls(f"{path}: line {number}", link), path, output)] = None
    ids = make_unique(id_of_link(urls[0]) for urls in links)
    return [Trailer(unique, urls) for unique, urls in zip(ids, links, strict=True)]


def rebased(urls: Iterable[str], listed: Path, output: Path) -> tuple[str, ...]:
    """The urls with paths, which are relative to the list, made relative to the manifest."""
    return tuple(url if web_link(url) else local_url(listed.parent / url, output.parent) for url in urls)


def read_splits(where: str, cells: Mapping[str, str]) -> tuple[int | None, int | None, int | None]:
    first, second, third = (read_split(where, f"split{n}", cells.get(f"split{n}", "")) for n in SPLITS)
    return first, second, third


Rows = list[tuple[str, dict[str, str]]]  # where it stands, and its cells by column


def read_table(path: Path) -> tuple[Rows, str, str] | None:
    """The rows of a CSV of links, and its columns of links and of ids ("" without); None when it is no such CSV."""
    text = read_text(path)
    # The first line alone: what is no CSV may hold anything further down.
    header = [cell.strip(' "\r').lower() for cell in text.split("\n", 1)[0].split(",")]
    link = next((column for column in LINK_COLUMNS if column in header), None)
    if link is None:
        return None
    name = next((column for column in ID_COLUMNS if column in header), "")
    rows = []
    for number, cells in enumerate(split_rows(path, text)[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        where = f"{path}: row {number}"
        if len(cells) != len(header):
            raise ManifestError(
                f"{where}: {len(cells)} cells where the header has {len(header)}. Quote cells with commas."
            )
        rows.append((where, dict(zip(header, (cell.strip() for cell in cells), strict=True))))
    return rows, link, name
