"""Write a manifest: from a folder of videos, from a list of links, or from the published Trailers12k files.

in   --folder FOLDER                       videos; ids are their names
     --links FILE                          one link a line, or a CSV with a column url (or link, youtube)
     --trailers12k mtgc.csv --metadata F   labels and splits, with the record's metadata.json for the links
     --trailers12k mtgc.csv --links FILE   the same, with a CSV of links: columns trailer (or mid, imdb, id) and url
out  --output manifest.csv                 what config.yaml's manifest names

A title without a link is left out, and counted by genre and split.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from trailers.domain import GENRES, RESERVED_NAMES, SPLITS, SUBSETS, Trailer, is_safe_id
from trailers.errors import ManifestError
from trailers.store.manifest import (
    ALTERNATIVES,
    YOUTUBE_ID,
    read_genres,
    read_split,
    read_text,
    read_urls,
    split_rows,
    web_link,
    write_manifest,
)

log = logging.getLogger(__name__)

VIDEOS = frozenset(
    f".{suffix}"
    for suffix in "3gp avi divx flv m2ts m4v mkv mov mp4 mpeg mpg mts mxf ogm ogv ts vob webm wmv".split()  # noqa: SIM905
)
ID_COLUMNS = ("trailer", "mid", "imdb", "imdb_id", "id")
LINK_COLUMNS = ("url", "link", "youtube", "youtube_id")
LABEL_COLUMNS = ("mid", *GENRES, *(f"split{n}" for n in SPLITS))
IMDB_ID = re.compile(r"(?:tt)?(\d{1,9})", re.ASCII)
ID_LENGTH = 64


# Ids


def safe_id(text: str) -> str:
    """An id that resembles ``text``: accents fall, everything else unsafe becomes an underscore."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", plain).strip("_").lstrip("-")[:ID_LENGTH]
    if plain.lower() in RESERVED_NAMES:
        plain += "_"
    return plain or "trailer"


def make_unique(wanted: Iterable[str]) -> Iterator[str]:
    """The ids in order, with -2, -3 ... where one came before, in whatever case."""
    taken: set[str] = set()
    for name in wanted:
        number, unique = 1, name
        while unique.lower() in taken:
            number += 1
            ending = f"-{number}"
            unique = name[: ID_LENGTH - len(ending)] + ending
        taken.add(unique.lower())
        yield unique


def id_of_link(url: str) -> str:
    """The YouTube id in ``url``, else the last word of its path, made safe."""
    if YOUTUBE_ID.fullmatch(url):
        return youtube_name(url)
    parts = urlsplit(url)
    words = [word for word in unquote(parts.path).split("/") if word]
    host = (parts.hostname or "").removeprefix("www.").removeprefix("m.")
    if host == "youtu.be" and words:
        return youtube_name(words[0])
    if host in ("youtube.com", "youtube-nocookie.com"):
        named = parse_qs(parts.query).get("v") or words[1:2]
        if named:
            return youtube_name(named[0])
    return safe_id(Path(words[-1]).stem if words else host)


def youtube_name(video: str) -> str:
    # One in 64 begins with '-', which no id may.
    return f"yt_{video}" if video.startswith("-") else safe_id(video)


# A folder


def from_folder(folder: Path, output: Path) -> list[Trailer]:
    """Every video in ``folder`` and below it, hidden ones left out; paths relative to the manifest."""
    if not folder.is_dir():
        raise ManifestError(f"{folder}: is no folder. Name one that holds videos.")
    videos = sorted(path for path in walk(folder) if path.suffix.lower() in VIDEOS)
    if not videos:
        raise ManifestError(f"{folder}: holds no video. Known suffixes are {', '.join(sorted(VIDEOS))}.")
    ids = make_unique(safe_id(path.stem) for path in videos)
    return [
        Trailer(name, (local_url(path, output.parent),), title=one_line(path.stem))
        for name, path in zip(ids, videos, strict=True)
    ]


def walk(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(parent, name) for name in files if not name.startswith("."))


def local_url(path: Path, base: Path) -> str:
    """``path`` as a manifest in ``base`` names it."""
    # The real folders, since `..` of a linked one leads elsewhere; the file's own name, linked or not.
    url = os.path.relpath(path.parent.resolve() / path.name, base.resolve())
    if "/" not in url:
        url = f"./{url}"  # or a name such as a:b.mp4 would read as a link
    unwritable = ALTERNATIVES in url or url != url.strip() or any(ord(letter) < 32 for letter in url)
    if unwritable or not is_utf8(url):
        raise ManifestError(
            f"{path!s}: a manifest cannot name this file: it has ' | ', a control character, bytes that are not UTF-8, "
            "or a space at an end. Rename it."
        )
    return url


def is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# A list of links


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


# Trailers12k


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


def one_line(text: str) -> str:
    """``text`` without line breaks and control characters."""
    return " ".join("".join(" " if ord(letter) < 32 else letter for letter in text).split())


# What is said of it


def missing_links(trailers: Sequence[Trailer]) -> list[str]:
    """Lines that say how many titles lack a link, by genre and by split; none when no title does."""
    without = [trailer for trailer in trailers if not trailer.urls]
    if not without:
        return []
    lines = [f"{len(without):,} of {len(trailers):,} titles lack a link and are left out:"]
    for genre in GENRES:
        counts = [sum(genre in trailer.genres for trailer in group) for group in (without, trailers)]
        lines.append("  {:<18}{:>6,} of {:>6,}".format(genre, *counts))
    for n in SPLITS:
        for code, subset in enumerate(SUBSETS):
            counts = [sum(trailer.splits[n] == code for trailer in group) for group in (without, trailers)]
            lines.append("  {:<18}{:>6,} of {:>6,}".format(f"split{n} {subset}", *counts))
    return lines


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, metavar="FOLDER", help="a folder of videos")
    parser.add_argument("--links", type=Path, metavar="FILE", help="links: lines, or a CSV")
    parser.add_argument("--trailers12k", type=Path, metavar="CSV", help="the published mtgc.csv")
    parser.add_argument("--metadata", type=Path, metavar="JSON", help="the published metadata.json, with --trailers12k")
    parser.add_argument(
        "--output", type=Path, default=Path("manifest.csv"), metavar="CSV", help="the manifest to write"
    )
    parser.add_argument("--force", action="store_true", help="write over a manifest that is there")


def run(arguments: argparse.Namespace) -> None:
    output: Path = arguments.output
    if output.exists() and not arguments.force:
        raise ManifestError(f"{output}: exists. Name another --output, or write over it with --force.")
    trailers = collect(arguments)
    for line in missing_links(trailers):
        log.info("%s", line)
    linked = [trailer for trailer in trailers if trailer.urls]
    if not linked:
        raise ManifestError("no title has a link, so there is nothing to write. Give links for the titles.")
    check_ids(linked)
    write_manifest(output, linked)
    several = sum(len(trailer.urls) > 1 for trailer in linked)
    log.info("%s: %s trailers%s", output, f"{len(linked):,}", f", {several:,} with several links" if several else "")


def check_ids(trailers: Sequence[Trailer]) -> None:
    seen: set[str] = set()
    for trailer in trailers:
        assert is_safe_id(trailer.trailer), trailer
        if trailer.trailer.lower() in seen:
            raise ManifestError(f"'{trailer.trailer}' stands in two rows of the labels. Fetch the file again.")
        seen.add(trailer.trailer.lower())


def collect(arguments: argparse.Namespace) -> list[Trailer]:
    """The trailers that the flags ask for, those without a link among them."""
    given = {name for name in ("folder", "links", "trailers12k", "metadata") if getattr(arguments, name) is not None}
    if given == {"folder"}:
        return from_folder(arguments.folder, arguments.output)
    if given == {"links"}:
        return from_links(arguments.links, arguments.output)
    if given == {"trailers12k", "links"}:
        return from_trailers12k(arguments.trailers12k, links_of_table(arguments.links, arguments.output), {})
    if given == {"trailers12k", "metadata"}:
        return from_trailers12k(arguments.trailers12k, *read_metadata(arguments.metadata))
    if given == {"trailers12k"}:
        raise ManifestError(
            f"{arguments.trailers12k}: holds labels and no links. Add --metadata metadata.json (Zenodo record "
            "5716410) or --links with a CSV of ids and links."
        )
    raise ManifestError(
        "give one source: --folder, --links, --trailers12k with --metadata, or --trailers12k with --links; got "
        f"{', '.join(f'--{name}' for name in sorted(given)) or 'none'}."
    )
