"""Figures 2, 3, 4, 8, 9 and 10 of the paper, from our data.

in   the manifest; metadata of titles; ledgers of the shots stage, results/shots/{trailer}.csv and
     results/normalise/{trailer}.mp4; tables.json of the tables stage
out  {output}/genres.{svg,pdf,png}    Fig. 2: trailers per genre, in the whole set and in split 0's subsets
     {output}/labels.{svg,pdf,png}    Fig. 3: labels per trailer, and how often two genres occur together
     {output}/titles.{svg,pdf,png}    Fig. 4: countries, languages, years and durations, where known
     {output}/shots.{svg,pdf,png}     Fig. 8: durations of shots
     {output}/clips.{svg,pdf,png}     Fig. 9: Seq against Shot clips of one trailer
     {output}/costs.{svg,pdf,png}     Fig. 10: parameters and multiply-adds against micro AP
     {output}/figures.json            the numbers behind them; written last

A figure without input is not drawn, and an older file of that name is removed. The same numbers give the same bytes.
"""

from __future__ import annotations

import argparse
import json
import logging
from functools import partial
from pathlib import Path
from typing import Any

from trailers.genres import add_genres_flag, genres_of
from trailers.reporting.drawing.clips import draw_clips
from trailers.reporting.drawing.costs import draw_costs
from trailers.reporting.drawing.genres import draw_genres
from trailers.reporting.drawing.histogram import draw_shots
from trailers.reporting.drawing.labels import draw_labels
from trailers.reporting.drawing.style import FORMATS, save
from trailers.reporting.drawing.titles import draw_titles, has_panels
from trailers.reporting.figures.excerpt import FRAMES, find_excerpt
from trailers.reporting.figures.numbers import costs, read_shots
from trailers.reporting.statistics import genre_counts, label_counts, title_counts
from trailers.store.atomic import write_text
from trailers.store.layout import Layout
from trailers.store.manifest import read_manifest
from trailers.store.metadata import Metadata, read_metadata
from trailers.store.shards import shard_files

log = logging.getLogger(__name__)

SCHEMA = "figures/1"
FIGURES = {"genres", "labels", "titles", "shots", "clips", "costs"}


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--manifest", type=Path, metavar="CSV", help="for Fig. 2, 3 and 4, and for a folder of ledgers")
    parser.add_argument(
        "--metadata", type=Path, nargs="*", default=[], metavar="FILE",
        help="year, countries and languages of titles for Fig. 4: CSV, or the published metadata.json",
    )  # fmt: skip
    parser.add_argument(
        "--ledgers", type=Path, nargs="*", default=[], metavar="LEDGER",
        help="ledgers of the shots stage, for Fig. 4d, 8 and 9; files, or their folder",
    )  # fmt: skip
    parser.add_argument(
        "--shards",
        metavar="LETTER+SIZE",
        help="which ledgers of a folder: the study's letter and the shard size, such as s100",
    )
    parser.add_argument("--trailer", metavar="ID", help="the trailer of Fig. 9 (default: a suitable one)")
    parser.add_argument("--tables", type=Path, metavar="JSON", help="tables.json, for Fig. 10")
    add_genres_flag(parser)
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="FOLDER", help="folder of all products"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")


def run(arguments: argparse.Namespace) -> None:
    numbers: dict[str, Any] = {"schema": SCHEMA, **of_manifest_and_shots(arguments)}
    if arguments.tables:
        numbers["costs"] = costs(arguments.tables)
        save(partial(draw_costs, numbers["costs"]), arguments.output / "costs")
    for name in FIGURES - numbers.keys():
        for kind in FORMATS:
            (arguments.output / f"{name}.{kind}").unlink(missing_ok=True)
    write_text(arguments.output / "figures.json", json.dumps(numbers, indent=1) + "\n")
    log.info("figures: %s: %s", ", ".join(name for name in numbers if name != "schema") or "none", arguments.output)


def of_manifest_and_shots(arguments: argparse.Namespace) -> dict[str, Any]:
    """Draws the figures that need no classifier; returns their numbers by figure."""
    numbers: dict[str, Any] = {}
    genres = genres_of(arguments)
    manifest = read_manifest(arguments.manifest, links=False, genres=genres) if arguments.manifest else []
    ids = [trailer.trailer for trailer in manifest]
    known = read_metadata(arguments.metadata)
    titles = [known[name] for name in ids if name in known] if ids else list(known.values())
    trailers = [trailer for trailer in manifest if trailer.genres]
    if trailers:
        numbers["genres"], numbers["labels"] = genre_counts(trailers, genres), label_counts(trailers, genres)
        save(partial(draw_genres, numbers["genres"]), arguments.output / "genres")
        save(partial(draw_labels, numbers["labels"], genres), arguments.output / "labels")
    if arguments.ledgers:
        of_shots(arguments, ids, titles, numbers)
    elif titles:
        numbers["titles"] = title_counts(titles, [])
    if "titles" in numbers and has_panels(numbers["titles"]):
        save(partial(draw_titles, numbers["titles"]), arguments.output / "titles")
    return numbers


def of_shots(arguments: argparse.Namespace, ids: list[str], titles: list[Metadata], numbers: dict[str, Any]) -> None:
    """Draws the figures that need shots, and adds their numbers to ``numbers``."""
    layout = Layout(arguments.results)
    ledgers = shard_files(arguments.ledgers, arguments.shards, ids)
    shots = read_shots(ledgers, layout)
    numbers["shots"], numbers["titles"] = shots.counts, title_counts(titles, list(shots.frames.values()))
    save(partial(draw_shots, shots.counts), arguments.output / "shots")
    found = find_excerpt(shots.frames, layout, trailer=arguments.trailer)
    if found is not None:
        trailer, excerpt = found
        save(partial(draw_clips, excerpt), arguments.output / "clips")
        numbers["clips"] = {
            "trailer": trailer, "start": excerpt.start, "end": excerpt.end, "frames": FRAMES,
            "sequences": len(excerpt.sequences), "clips": len(excerpt.clips),
        }  # fmt: skip
