"""Write the candidates that `snakemake search` found as one table, for a spreadsheet.

in   titles.csv, results/search/{trailer}.json
out  --output CSV: trailer,movie,year,rank,score,url,title,channel,duration_s,views,upload_date,height_px,why
"""

from __future__ import annotations

import argparse
import csv
import io
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from trailers.errors import StoreError
from trailers.store.atomic import write_text
from trailers.store.candidates import Candidate, read_found
from trailers.store.layout import Layout
from trailers.store.titles import Title, read_titles

log = logging.getLogger(__name__)

COLUMNS = (
    *("trailer", "movie", "year", "rank", "score", "url", "title", "channel", "duration_s", "views", "upload_date"),
    *("height_px", "why"),
)
FORMULA = ("=", "+", "-", "@")  # a spreadsheet would evaluate such a cell, and anybody can choose a video's title


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--titles", type=Path, required=True, metavar="CSV", help="the titles that were searched for")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="FOLDER", help="folder of all products"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="CSV", help="the table to write")


def run(arguments: argparse.Namespace) -> None:
    layout, titles = Layout(arguments.results), read_titles(arguments.titles)
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    found = [(title, candidates_of(layout, title)) for title in titles]
    for title, candidates in found:
        table.writerows(rows_of(title, candidates))
    write_text(arguments.output, text.getvalue())
    without = sum(not candidates for _, candidates in found)
    log.info("%s: %s titles, %s without a candidate", arguments.output, f"{len(titles):,}", f"{without:,}")


def candidates_of(layout: Layout, title: Title) -> Sequence[Candidate]:
    """The candidates of one title; empty if its search failed or has not run yet."""
    try:
        return read_found(layout.candidates(title.id)).candidates
    except StoreError:
        return ()


def rows_of(title: Title, candidates: Sequence[Candidate]) -> Iterator[list[object]]:
    for rank, candidate in enumerate(candidates, start=1):
        why = ", ".join(f"{name} {points:+g}" for name, points in candidate.parts.items())
        values = (
            *(title.id, title.title, title.year, rank, candidate.score, candidate.url, candidate.title),
            *(
                candidate.channel,
                candidate.duration_s,
                candidate.views,
                candidate.upload_date,
                candidate.height_px,
                why,
            ),
        )
        yield ["" if value is None else quoted(value) for value in values]


def quoted(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
