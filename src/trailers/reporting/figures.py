"""Figures 2, 3, 8 and 10 of the paper, from our data.

in   the manifest; ledgers of the stage shots and results/shots/{trailer}.csv; tables.json of the stage tables
out  {output}/genres.{svg,png}    Fig. 2: trailers per genre, in the whole set and in split 0's subsets
     {output}/labels.{svg,png}    Fig. 3: labels per trailer, and how often two genres occur together
     {output}/shots.{svg,png}     Fig. 8: durations of shots
     {output}/costs.{svg,png}     Fig. 10: parameters and multiply-adds against micro AP
     {output}/figures.json        the numbers behind them; written last

A figure whose input is not given is left out, and an older one of that name is removed. The same numbers give the
same bytes.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trailers.domain import GENRES, SUBSETS, Shot, Trailer
from trailers.errors import StoreError
from trailers.reporting.histogram import draw_histogram, whole_counts
from trailers.reporting.point_labels import label_points
from trailers.store.atomic import atomic, write_text
from trailers.store.json_file import read_json
from trailers.store.layout import Layout
from trailers.store.ledger import OK, check_carried, read_ledger
from trailers.store.manifest import read_manifest
from trailers.store.shards import shard_files
from trailers.store.spans import SHOTS_SCHEMA, read_spans

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)

SCHEMA = "figures/1"
FIGURES = {"genres", "labels", "shots", "costs"}
FORMATS = ("svg", "png")
COLOURS = (
    "#4477aa",
    "#ee6677",
    "#228833",
    "#ccbb44",
)  # Paul Tol's bright scheme: distinct to most colour-blind readers
TICKS = ((5, 10, 100, 1000, 2000), (1, 2, 5, 10, 20, 50))  # of the two halves of Fig. 10
LAST_BAR = 240  # frames; the last bar holds all longer shots
BAR = 0.2  # of the distance of two genres
ABOVE: dict[str, Any] = {
    "loc": "lower right",
    "bbox_to_anchor": (1, 1),
    "frameon": False,
    "borderaxespad": 0,
}  # legends hide no data


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--manifest", type=Path, metavar="CSV", help="for Fig. 2 and 3, and for a folder of ledgers")
    parser.add_argument(
        "--ledgers", type=Path, nargs="*", default=[], metavar="LEDGER",
        help="of the stage shots, for Fig. 8; files, or their folder",
    )  # fmt: skip
    parser.add_argument("--shards", metavar="LETTER+SIZE", help="which ledgers of a folder, such as s100")
    parser.add_argument("--tables", type=Path, metavar="JSON", help="tables.json, for Fig. 10")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="FOLDER", help="where products live")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")


def run(arguments: argparse.Namespace) -> None:
    numbers: dict[str, Any] = {"schema": SCHEMA}
    manifest = read_manifest(arguments.manifest, links=False) if arguments.manifest else []
    if arguments.manifest:
        trailers = [trailer for trailer in manifest if trailer.genres]
        numbers["genres"], numbers["labels"] = genre_counts(trailers), label_counts(trailers)
        save(draw_genres(numbers["genres"]), arguments.output / "genres")
        save(draw_labels(numbers["labels"]), arguments.output / "labels")
    if arguments.ledgers:
        ledgers = shard_files(arguments.ledgers, arguments.shards, [trailer.trailer for trailer in manifest])
        numbers["shots"] = shot_counts(ledgers, Layout(arguments.results))
        save(draw_shots(numbers["shots"]), arguments.output / "shots")
    if arguments.tables:
        numbers["costs"] = costs(arguments.tables)
        save(draw_costs(numbers["costs"]), arguments.output / "costs")
    for name in FIGURES - numbers.keys():
        for kind in FORMATS:
            (arguments.output / f"{name}.{kind}").unlink(missing_ok=True)
    write_text(arguments.output / "figures.json", json.dumps(numbers, indent=1) + "\n")
    log.info("figures: %s: %s", ", ".join(name for name in numbers if name != "schema") or "none", arguments.output)


def genre_counts(trailers: Sequence[Trailer]) -> dict[str, Any]:
    """Trailers and positives of the whole set and of split 0's subsets."""
    sets = {"whole set": list(trailers)}
    sets |= {name: [t for t in trailers if t.splits[0] == code] for code, name in enumerate(SUBSETS)}
    return {
        name: {
            "trailers": len(members),
            "positives": {genre: sum(genre in t.genres for t in members) for genre in GENRES},
        }
        for name, members in sets.items()
    }


def label_counts(trailers: Sequence[Trailer]) -> dict[str, Any]:
    """Trailers by number of genres, their mean (cardinality), and trailers that have both of two genres."""
    numbers = Counter(len(trailer.genres) for trailer in trailers)
    has = np.array([[genre in trailer.genres for genre in GENRES] for trailer in trailers], int).reshape(
        -1, len(GENRES)
    )
    return {
        "trailers": {str(number): numbers[number] for number in sorted(numbers)},
        "cardinality": float(has.sum(axis=1).mean()) if len(has) else 0.0,
        "together": (has.T @ has).tolist(),
    }


def shot_counts(ledgers: Sequence[Path], layout: Layout) -> dict[str, Any]:
    """Shots by duration in frames."""
    durations: Counter[int] = Counter()
    rows = [row for path in ledgers for row in read_ledger(path).values() if row.status == OK]
    for row in rows:
        spans, header = read_spans(layout.shots(row.trailer), kind=Shot, schema=SHOTS_SCHEMA)
        check_carried(row, header.get("fingerprint", ""), layout.shots(row.trailer))
        durations.update(len(span) for span in spans)
    every = np.repeat(list(durations), list(durations.values())) if durations else np.zeros(0)
    return {
        "trailers": len(rows),
        "shots": int(every.size),
        "mean": float(every.mean()) if every.size else None,
        "median": float(np.median(every)) if every.size else None,
        "commonest": min(durations, key=lambda frames: (-durations[frames], frames)) if durations else None,
        "durations": {str(frames): durations[frames] for frames in sorted(durations)},
    }


def costs(path: Path) -> list[dict[str, Any]]:
    """The rows of Table 6, ours and printed: multiply-adds for 30 clips (G), parameters (M), micro AP; None: unknown.

    Raises:
        StoreError: the file is not the stage tables'.
    """
    no_row = {"micro": [None]}
    try:
        said = read_json(path, remedy="Run the stage tables again.")
        tables = [table for table in said["tables"] if any(row["printed_gmacs"] for row in table["rows"])]
        return [
            {
                "name": row["name"],
                "ours": [row["gmacs"], row["parameters_m"], row["ours"]["trapezoid"]["micro"][0]],
                "printed": [row["printed_gmacs"], row["printed_parameters_m"], (row["printed"] or no_row)["micro"][0]],
            }
            for table in tables
            for row in table["rows"]
        ]
    except (FileNotFoundError, ValueError, KeyError, TypeError) as problem:
        raise StoreError(f"{path}: is not a tables.json: {problem!r}. Run the stage tables again.") from None


def new_figure(width: float, height: float) -> Figure:
    """An empty figure that no window system is needed for."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Ids in the SVG are drawn from a salt; the same salt gives the same file.
    matplotlib.rcParams["svg.hashsalt"] = SCHEMA
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> None:
    for kind in FORMATS:
        with atomic(path.with_suffix(f".{kind}")) as temporary:
            metadata = {"Date": None} if kind == "svg" else {"Software": None}
            figure.savefig(temporary, format=kind, dpi=150, metadata=metadata)


def draw_genres(counts: Mapping[str, Any]) -> Figure:
    figure = new_figure(10, 4.5)
    axes = figure.subplots()
    places = np.arange(len(GENRES))
    for number, (name, row) in enumerate(counts.items()):
        label = f"{name} ({row['trailers']:,})"
        axes.bar(places + BAR * (number - 1.5), shares(row), BAR, label=label, color=COLOURS[number])
    whole = counts["whole set"]
    for place, share, count in zip(places, shares(whole), whole["positives"].values(), strict=True):
        # Upright over its own bar, which is as wide as a line of text.
        own = (place - 1.5 * BAR, share)
        axes.annotate(
            f"{share:.1f} % ({count:,})", own, (0, 3), textcoords="offset points", ha="center", va="bottom",
            rotation=90, fontsize=7,
        )  # fmt: skip
    axes.set_xticks(places, GENRES)
    axes.set_ylim(0, 1.35 * max([1.0, *(share for row in counts.values() for share in shares(row))]))
    axes.set_ylabel("trailers with the genre (%)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, ncols=len(counts), **ABOVE)
    return figure


def shares(row: Mapping[str, Any]) -> list[float]:
    """Percent of the trailers that have each genre."""
    return [100 * count / max(row["trailers"], 1) for count in row["positives"].values()]


def draw_labels(counts: Mapping[str, Any]) -> Figure:
    figure = new_figure(11, 5)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.6))
    numbers = [int(number) for number in counts["trailers"]]
    bars = left.bar(numbers, list(counts["trailers"].values()), color=COLOURS[0])
    left.set_xticks(numbers)
    left.bar_label(bars, fmt="{:,.0f}", fontsize=8)
    left.set(xlabel="genres per trailer", ylabel="trailers", title=f"mean {counts['cardinality']:.2f}")
    left.spines[["top", "right"]].set_visible(False)
    whole_counts(left.yaxis)
    together = np.array(counts["together"])
    shown = np.where(np.tri(len(GENRES), k=-1, dtype=bool), together, np.nan)
    # From zero on: with one value alone the colours would stand for a range around it.
    largest = max(1, int(np.nan_to_num(shown).max()))
    image = right.imshow(shown[1:, :-1], cmap="viridis_r", vmin=0, vmax=largest)
    right.set_xticks(range(len(GENRES) - 1), GENRES[:-1], rotation=45, ha="right", rotation_mode="anchor")
    right.set_yticks(range(len(GENRES) - 1), GENRES[1:])
    right.spines[:].set_visible(False)
    for row in range(1, len(GENRES)):
        for column in range(row):
            colour = "white" if together[row, column] > largest / 2 else "black"
            right.text(
                column, row - 1, f"{together[row, column]:,}", ha="center", va="center", fontsize=7, color=colour
            )
    bar = figure.colorbar(image, ax=right, label="trailers with both")
    whole_counts(bar.ax.yaxis)
    return figure


def draw_shots(counts: Mapping[str, Any]) -> Figure:
    figure = new_figure(8, 3.5)
    marks = {
        name: (counts[name], colour)
        for name, colour in (("median", COLOURS[1]), ("mean", COLOURS[2]))
        if counts[name] is not None
    }
    durations = {int(frames): number for frames, number in counts["durations"].items()}
    draw_histogram(figure.subplots(), durations, marks, bar_frames=1, last=LAST_BAR, colour=COLOURS[0])
    return figure


def draw_costs(rows: Sequence[Mapping[str, Any]]) -> Figure:
    figure = new_figure(12, 5.5)
    halves = figure.subplots(1, 2, sharey=True)
    labels = ("multiply-adds for 30 clips (G)", "parameters (M)")
    for axes, column, label in zip(halves, (0, 1), labels, strict=True):
        axes.set_xscale("log")
        for kind, colour, marker in (("printed", COLOURS[1], "o"), ("ours", COLOURS[0], "s")):
            places = [place for row in rows for place in cost_places(row, column, (kind,))]
            if places:
                axes.scatter(*zip(*places, strict=True), c=colour, marker=marker, label=kind)
        axes.set(xlabel=label, ylabel="micro AP, trapezoid (%)" if column == 0 else None)
        axes.margins(y=0.1)
        axes.spines[["top", "right"]].set_visible(False)
        known = [x for row in rows for x, _ in cost_places(row, column)]
        if known:
            axes.set_xticks(TICKS[column], [f"{tick:,g}" for tick in TICKS[column]])
            axes.set_xlim(min(known) / 2, max(known) * 2)
            axes.legend(ncols=2, **ABOVE)
        axes.minorticks_off()
    figure.draw_without_rendering()  # only now are places known
    for axes, column in zip(halves, (0, 1), strict=True):
        named = [(row["name"], cost_places(row, column)) for row in rows]
        label_points(axes, [(name, places) for name, places in named if places])
    return figure


def cost_places(
    row: Mapping[str, Any], column: int, kinds: Sequence[str] = ("printed", "ours")
) -> list[tuple[float, float]]:
    """Cost and micro AP of a row of Table 6, of each kind that is known."""
    return [(row[kind][column], row[kind][2]) for kind in kinds if None not in row[kind]]
