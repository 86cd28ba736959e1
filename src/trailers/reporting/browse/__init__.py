"""Write the list of all trailers, and the data of their pages that depends on other trailers.

in   the manifest, the ledgers of all stages, results/download/{trailer}.json
     results/embed/{clips}/{backbone}/{trailer}.h5 and results/classify/ of trained experiments, if they exist
out  results/pages/index.html and index.js: the list of all trailers
     results/pages/data/{trailer}.js: title, genres, neighbours, results of every stage, predictions

Files whose content is the same are not written again. Predictions are computed again only if the weights of the
experiment or the vectors of the trailer have changed.
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from trailers.domain import SUBSETS, ClipStrategy, Trailer
from trailers.errors import ConfigError, TrailerError
from trailers.genres import genres_of
from trailers.machine.progress import Progress
from trailers.pages.rendering import as_script, read_script, render, write_assets
from trailers.reporting.browse.listing import make_listing
from trailers.reporting.browse.near import Near, nearest
from trailers.reporting.browse.outcomes import (
    Rows,
    facts_at,
    flags_of,
    has_page,
    optional_ledgers,
    plain,
    read_rows,
    stage_sentences,
)
from trailers.reporting.browse.predicted import Experiment, find_experiments, shown_experiment
from trailers.reporting.inputs import add_study_flags
from trailers.store.atomic import refuse_links, write_text
from trailers.store.embeddings import read_embedding
from trailers.store.layout import Layout
from trailers.store.manifest import read_manifest
from trailers.store.quality import read_quality
from trailers.store.receipt import read_receipt
from trailers.store.shards import shard_files

log = logging.getLogger(__name__)

LIST, TRAILER = "trailerList", "trailerData"  # the names under which scripts find their data


@dataclass(frozen=True, eq=False)
class Study:
    """Everything that the pages of one manifest show."""

    layout: Layout
    index: Path  # the page of all trailers
    trailers: Sequence[Trailer]
    rows: Rows
    experiments: Sequence[Experiment]
    near: Near | None
    report: Path | None  # the run report, if there is one to link
    genres: tuple[str, ...]

    def link(self, trailer: Trailer) -> dict[str, str]:
        """Id, title and relative address of another trailer's page."""
        return {"trailer": trailer.trailer, "title": trailer.title, "href": self.layout.page(trailer.trailer).name}


def add_flags(parser: argparse.ArgumentParser) -> None:
    add_study_flags(parser, output="the page of all trailers")
    parser.add_argument(
        "--near",
        nargs=2,
        metavar=("CLIPS", "BACKBONE"),
        help="clip strategy and backbone whose mean vectors give the nearest trailers",
    )
    parser.add_argument("--report", type=Path, metavar="HTML", help="the run report, linked if it exists")
    parser.add_argument(
        "--report-follows",
        action="store_true",
        help="link the report although it does not exist yet, because the same run makes it",
    )


def run(arguments: argparse.Namespace) -> None:
    layout = Layout(arguments.results)
    if not arguments.output.resolve().is_relative_to(layout.pages_folder().resolve()):
        raise ConfigError(
            f"--output: is not in {layout.pages_folder()}, the folder of the pages", where=arguments.output,
            remedy=f"Name {layout.page_index()}.",
        )  # fmt: skip
    genres = genres_of(arguments)
    trailers = read_manifest(arguments.manifest, links=False, genres=genres)
    ids = [trailer.trailer for trailer in trailers]
    ledgers = shard_files(arguments.ledgers, arguments.shards, ids)
    rows = read_rows([*ledgers, *optional_ledgers(layout, sorted({path.stem for path in ledgers}))], layout)
    near = find_near(layout, rows, ids, *arguments.near) if arguments.near else None
    experiments = find_experiments(arguments.metrics, genres)
    study = Study(layout, arguments.output, trailers, rows, experiments, near, linked_report(arguments), genres)
    written = write_data(study)
    write_assets(layout.page_assets(), below=layout.root)
    write_index(study)
    shown = sum(has_page(name, rows) for name in ids)
    log.info("browse: %s: %d trailers, %d with a page; %d data files written", study.index, len(ids), shown, written)


def linked_report(arguments: argparse.Namespace) -> Path | None:
    """The run report that the list links; None if it does not exist and this run does not make it."""
    report: Path | None = arguments.report
    return report if report is not None and (arguments.report_follows or report.is_file()) else None


def find_near(layout: Layout, rows: Rows, trailers: Sequence[str], clips: str, backbone: str) -> Near | None:
    """The nearest trailers by vectors of one strategy and backbone; None if fewer than two have vectors."""
    ClipStrategy.parse(clips)
    key = layout.ledger("embed", "x", clips, backbone).relative_to(layout.root / "ledger").parts[:-1]
    embedded = [name for name in trailers if facts_at(key, name, rows)]
    means = []
    for name in embedded:
        vectors, _, _ = read_embedding(layout.embedding(clips, backbone, name))
        means.append(np.asarray(vectors, np.float32).mean(axis=0))
    return Near(clips, backbone, nearest(embedded, np.stack(means))) if len(embedded) > 1 else None


def write_data(study: Study) -> int:
    """Brings the data of every page up to date; returns the number of files written."""
    shown = [trailer for trailer in study.trailers if has_page(trailer.trailer, study.rows)]
    by_id = {trailer.trailer: trailer for trailer in shown}
    progress = Progress("browse", len(shown))
    written = 0
    for number, trailer in enumerate(shown):
        path = study.layout.page_data(trailer.trailer)
        known = {each.get("name"): each for each in read_script(path, TRAILER).get("experiments", ())}
        around = {
            "previous": study.link(shown[number - 1]) if number else None,
            "next": study.link(shown[number + 1]) if number + 1 < len(shown) else None,
        }
        values = {**describe(study, trailer), **around, **near_of(study, trailer.trailer, by_id)}
        values["experiments"] = experiments_of(study, trailer, known)
        written += write_if_changed(path, as_script(TRAILER, values), study.layout)
        progress.advance()
    progress.close()
    return written


def describe(study: Study, trailer: Trailer) -> dict[str, Any]:
    """What the manifest and the ledgers contain about a trailer."""
    rows, name = study.rows, trailer.trailer
    facts = read_receipt(study.layout.receipt(name)).facts if facts_at(("download",), name, rows) else {}
    return {
        "trailer": name,
        "title": trailer.title,
        "genres": list(trailer.genres),
        "splits": [None if code is None else SUBSETS[code] for code in trailer.splits],
        "index": Path(os.path.relpath(study.index, study.layout.pages_folder())).as_posix(),
        "stages": stage_sentences(name, rows, facts),
        "flags": shown_flags(study, name),
    }


def shown_flags(study: Study, trailer: str) -> list[dict[str, Any]]:
    """Each flag with its sentence and its spans of frames; no spans if it concerns the whole trailer."""
    spans = {}
    if facts_at(("quality",), trailer, study.rows):
        spans = {plain(row.flag): row.spans for row in read_quality(study.layout.quality(trailer)).flags}
    return [
        {"name": flag, "told": sentence, "spans": [list(span) for span in spans.get(flag, ())]}
        for flag, sentence in flags_of(trailer, study.rows).items()
    ]


def near_of(study: Study, trailer: str, by_id: Mapping[str, Trailer]) -> dict[str, Any]:
    if study.near is None:
        return {}
    found = [(name, similarity) for name, similarity in study.near.of.get(trailer, ()) if name in by_id]
    near = [
        {
            **study.link(by_id[name]),
            "thumb": study.layout.thumbnail(name).name,
            "genres": ", ".join(by_id[name].genres),
            "similarity": round(similarity, 3),
        }
        for name, similarity in found
    ]
    return {"near": near, "near_method": study.near.method()}


def experiments_of(study: Study, trailer: Trailer, known: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What each experiment predicts for a trailer; an experiment that fails on it is logged and left out."""
    found = []
    for experiment in study.experiments:
        try:
            found.append(shown_experiment(experiment, trailer, study.layout, known.get(experiment.name, {})))
        except TrailerError as problem:
            log.warning("browse: %s: %s: %s", trailer.trailer, experiment.name, problem)
    return found


def write_index(study: Study) -> None:
    """Writes the list and its page; the page last, so that both exist if it does."""
    root = Path(os.path.relpath(study.layout.pages_folder(), study.index.parent)).as_posix()
    listing = make_listing(study.trailers, study.rows, study.experiments, study.genres)
    script = study.index.with_suffix(".js")
    refuse_links(script.resolve(), below=study.layout.root.resolve())
    write_text(script, as_script(LIST, {**listing, "root": "" if root == "." else f"{root}/"}))
    page = {
        "root": "" if root == "." else f"{root}/",
        "script": script.name,
        "trailers": len(study.trailers),
        "report": quote(os.path.relpath(study.report, study.index.parent)) if study.report else "",
    }
    write_text(study.index, render("index.html.j2", page))


def write_if_changed(path: Path, text: str, layout: Layout) -> bool:
    """Writes ``text`` unless ``path`` contains it already; returns whether it was written."""
    refuse_links(path, below=layout.root)
    if path.is_file() and path.read_bytes() == text.encode():
        return False
    write_text(path, text)
    return True
