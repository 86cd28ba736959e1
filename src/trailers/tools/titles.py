"""Choose movie titles from IMDb's published tables (Sec. 3, steps 1 and 3): the start of your own data set.

in   {imdb}/title.basics.tsv.gz, {imdb}/title.ratings.tsv.gz     as IMDb publishes them, compressed or not
out  titles.csv     id,title,original_title,year,rating,votes,genres,runtime_min; best rated first

IMDb offers these files for personal and non-commercial use (https://developer.imdb.com/non-commercial-datasets/);
the same terms apply to tables made from them. Both files are streamed, so that 11 million rows need little memory.
"""

from __future__ import annotations

import argparse
import gzip
import logging
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from trailers.errors import ConfigError, StoreError
from trailers.genres import configured_genres, normal_genre
from trailers.store.atomic import write_text
from trailers.store.titles import Title, as_csv

log = logging.getLogger(__name__)

BASICS, RATINGS = "title.basics.tsv.gz", "title.ratings.tsv.gz"
BASICS_COLUMNS = (
    *("tconst", "titleType", "primaryTitle", "originalTitle", "isAdult"),
    *("startYear", "endYear", "runtimeMinutes", "genres"),
)
RATINGS_COLUMNS = ("tconst", "averageRating", "numVotes")
NULL = r"\N"
DAMAGED_SHARE = 0.001  # a file with a larger share of damaged lines is refused
LONGEST_LINE = 1 << 16
REMEDY = "Fetch it from IMDb again."


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--imdb", type=Path, required=True, metavar="FOLDER", help="folder of IMDb's two files")
    parser.add_argument(
        "--output", type=Path, default=Path("titles.csv"), metavar="CSV", help="the table to write (titles.csv)"
    )
    parser.add_argument("--types", nargs="+", default=["movie"], metavar="TYPE", help="IMDb's title types (movie)")
    parser.add_argument("--from-year", type=int, metavar="YEAR", help="first year (default: no limit)")
    parser.add_argument("--to-year", type=int, metavar="YEAR", help="last year (default: no limit)")
    parser.add_argument("--min-votes", type=int, default=1000, metavar="N", help="minimum number of votes (1000)")
    parser.add_argument("--most", type=int, default=12_000, metavar="N", help="maximum number of titles (12000)")
    parser.add_argument(
        "--genres",
        nargs="+",
        metavar="GENRE",
        help="titles without any of these are left out (those of config.yaml)",
    )
    parser.add_argument("--force", action="store_true", help="overwrite an existing file")


def run(arguments: argparse.Namespace) -> None:
    if arguments.output.exists() and not arguments.force:
        raise ConfigError("already exists", where=arguments.output, remedy="Give --force, or another --output.")
    if arguments.most < 1 or arguments.min_votes < 0:
        raise ConfigError("--most must be at least 1 and --min-votes at least 0")
    genres = arguments.genres or configured_genres()
    rated = read_ratings(find(arguments.imdb, RATINGS), arguments.min_votes)
    titles = sorted(
        wanted(read_basics(find(arguments.imdb, BASICS)), rated, genres, arguments),
        key=lambda title: (-(title.rating or 0), -(title.votes or 0), title.id),
    )[: arguments.most]
    if not titles:
        remedy = "Lower --min-votes, or allow more years or genres."
        raise ConfigError("no title matches", where=arguments.imdb, remedy=remedy)
    write_text(arguments.output, as_csv(titles))
    counts = Counter(genre for title in titles for genre in title.genres.split(";"))
    log.info(
        "titles: %s: %s titles, rated %.1f to %.1f, at least %s votes; %s", arguments.output, f"{len(titles):,}",
        titles[0].rating, titles[-1].rating, f"{min(title.votes or 0 for title in titles):,}",
        ", ".join(f"{genre} {counts[normal_genre(genre)]:,}" for genre in genres),
    )  # fmt: skip


def find(folder: Path, name: str) -> Path:
    """The published file, or its unpacked form."""
    for path in (folder / name, folder / name.removesuffix(".gz")):
        if path.is_file():
            return path
    raise StoreError(f"lacks {name}", where=folder, remedy="Fetch it from IMDb's non-commercial data sets.")


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[list[str]]:
    """The cells of every row after the header. Damaged lines are left out and counted in the log.

    Raises:
        StoreError: the file is another table, truncated, or damaged in many lines.
    """
    damaged, first, number = 0, 0, 1
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            header = file.readline(LONGEST_LINE).decode("utf-8-sig", "replace").rstrip("\r\n").split("\t")
            if header != list(columns):
                what = f"its columns are {', '.join(header)[:200]}, expected {', '.join(columns)}"
                raise StoreError(what, where=path, remedy=REMEDY)
            while line := file.readline(LONGEST_LINE):
                number += 1
                cells = line.decode("utf-8", "replace").rstrip("\r\n").split("\t")
                if len(cells) == len(columns):
                    yield cells
                    continue
                damaged, first = damaged + 1, first or number
    except (EOFError, OSError, zlib.error) as problem:
        raise StoreError(
            f"is damaged or truncated after line {number:,}: {problem}", where=path, remedy=REMEDY
        ) from None
    if damaged > max(1, DAMAGED_SHARE * number):
        what = f"{damaged:,} of {number:,} lines are damaged, first line {first:,}"
        raise StoreError(what, where=path, remedy=REMEDY)
    if damaged:
        log.warning("titles: %s: %d damaged lines are left out, the first is line %d", path, damaged, first)


def read_ratings(path: Path, min_votes: int) -> dict[str, tuple[float, int]]:
    """Id -> rating and votes, of titles with at least ``min_votes``."""
    rated = {}
    for name, rating, votes in read_rows(path, RATINGS_COLUMNS):
        if votes.isdigit() and int(votes) >= min_votes:
            rated[name] = (number_of(path, name, rating), int(votes))
    return rated


def number_of(path: Path, name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise StoreError(f"{name}: '{text[:40]}' is not a rating", where=path, remedy=REMEDY) from None


def read_basics(path: Path) -> Iterator[Mapping[str, str]]:
    """Column -> cell of every title."""
    for cells in read_rows(path, BASICS_COLUMNS):
        yield dict(zip(BASICS_COLUMNS, cells, strict=True))


def wanted(
    rows: Iterable[Mapping[str, str]], rated: Mapping[str, tuple[float, int]], genres: Sequence[str],
    arguments: argparse.Namespace,
) -> Iterator[Title]:  # fmt: skip
    """The titles of ``rows`` that the flags ask for."""
    chosen = set(map(normal_genre, genres))
    first, last = arguments.from_year or 0, arguments.to_year or 9999
    for row in rows:
        if row["tconst"] not in rated or row["titleType"] not in arguments.types:
            continue
        year = row["startYear"]
        own = [genre for genre in row["genres"].lower().split(",") if genre in chosen]
        if not own or not year.isdigit() or not first <= int(year) <= last:
            continue
        runtime = row["runtimeMinutes"]
        yield Title(
            row["tconst"], row["primaryTitle"], row["originalTitle"].replace(NULL, ""), int(year),
            *rated[row["tconst"]], ";".join(sorted(own)), int(runtime) if runtime.isdigit() else None,
        )  # fmt: skip
