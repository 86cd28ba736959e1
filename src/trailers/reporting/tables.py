"""Tables 2 to 6 of the paper, our numbers beside the printed ones.

in   the study (workflow/study.yaml), metrics.json of its experiments and splits
out  {output}/table2.csv ... table6.csv   one line per row of the table, with all numbers
     {output}/tables.html                 the same as a fragment of HTML, for the report or a separate page
     {output}/tables.json                 all numbers, and what is incomplete; written last

Our numbers are mean and standard deviation (ddof = 1) over the existing splits. Only the areas computed with the
trapezoid rule can be compared with the paper's. Predictions on disk give a 95 % bootstrap interval of each number and
its difference from the first row of the table, paired over splits and draws (significance.py).
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trailers.classifier.metrics import CONVENTIONS, METRICS, mean_and_deviation
from trailers.domain import SPLITS, folder_name
from trailers.errors import StoreError
from trailers.reporting.local_paths import shown_path
from trailers.reporting.numbers import NOT_REAL
from trailers.reporting.significance import Draws, difference, draws_of, intervals
from trailers.reporting.templates import render
from trailers.store.atomic import write_text
from trailers.store.experiment import read_metrics, write_table
from trailers.store.study import Study, Table, TableRow, read_study

log = logging.getLogger(__name__)

SCHEMA = "tables/1"
SNIPPET_CLIPS = 30  # number of clips for which the paper counts multiply-adds (Table 6)
HEADINGS = {"micro": "μAP", "macro": "mAP", "weighted": "wAP", "sample": "sAP"}

# Suffixes of a metric's columns in the CSV: ours, printed, step; bootstrap interval; difference from the first row.
ENDS = (
    *("", "_std", "_printed", "_printed_std", "_step", "_step_std"),
    *("_low", "_high", "_diff", "_diff_low", "_diff_high"),
)

Metrics = Mapping[str, Any]


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--study", type=Path, required=True, metavar="YAML", help="such as workflow/study.yaml")
    parser.add_argument(
        "--metrics", type=Path, nargs="*", default=[], metavar="JSON", help="the existing metrics.json files"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--prefix", default="", help="prefix of the experiments' names that the study does not have")
    parser.add_argument(
        "--packs",
        type=Path,
        metavar="FOLDER",
        help="folder of packs made elsewhere; packs that experiments lack are listed",
    )
    parser.add_argument(
        "--draws", type=int, default=500, metavar="N", help="number of bootstrap draws; 0: none (default: 500)"
    )


def run(arguments: argparse.Namespace) -> None:
    study = read_study(arguments.study)
    files = collect(arguments.metrics, study, arguments.prefix)
    found = {name: {split: metrics for split, (_, metrics) in splits.items()} for name, splits in files.items()}
    draws = {name: draws_of_splits(splits, arguments.draws) for name, splits in files.items()}
    tables = [make_table(table, study, found, draws) for table in study.tables]
    if arguments.packs:
        for table in tables:
            table["incomplete"] += missing_packs(table, study, arguments.packs)
    for table in tables:
        write_table(arguments.output / f"table{table['number']}.csv", *as_csv(table))
    write_text(arguments.output / "tables.html", as_html(tables))
    incomplete = sorted({why for table in tables for why in table["incomplete"]})
    whole = {"schema": SCHEMA, "tables": tables, "incomplete": incomplete}
    write_text(arguments.output / "tables.json", json.dumps(whole, indent=1, ensure_ascii=False) + "\n")
    for why in incomplete:
        log.warning("tables: the comparison is incomplete: %s", why)
    log.info("tables: %d of %d experiments: %s", len(found), len(study.experiments), arguments.output / "tables.html")


def collect(paths: Iterable[Path], study: Study, prefix: str = "") -> dict[str, dict[int, tuple[Path, Metrics]]]:
    """Experiment -> split -> the path and content of its metrics.json.

    Raises:
        StoreError: the settings of an experiment differ from those of the study.
    """
    found: dict[str, dict[int, tuple[Path, Metrics]]] = {}
    for path in paths:
        metrics = read_metrics(path)
        name = metrics["experiment"].removeprefix(prefix)
        wanted = study.experiments.get(name)
        if wanted is None:
            log.info("tables: %s: is not an experiment of the study and is left out", path)
            continue
        settings = {**metrics["settings"], **{key: metrics[key] for key in ("clips", "backbones", "preset")}}
        for key, value in wanted.items():
            if value is not None and settings.get(key) != value:
                raise StoreError(
                    f"{path}: {key} is {settings.get(key)!r}, but the study has {value!r}. Rerun the classify stage."
                )
        found.setdefault(name, {})[metrics["split"]] = (path, metrics)
    return found


def make_table(
    table: Table,
    study: Study,
    found: Mapping[str, Mapping[int, Metrics]],
    draws: Mapping[str, Mapping[int, Draws | None]],
) -> dict[str, Any]:
    """One table as plain values, with its floor and the reasons why it is incomplete."""
    first = table.rows[0].experiment
    rows = [
        make_row(row, study, found.get(row.experiment, {}))
        | {
            "interval": intervals(draws.get(row.experiment, {})),
            "difference": None if row.experiment == first else against(row.experiment, first, found, draws),
        }
        for row in table.rows
    ]
    everything = [metrics for row in table.rows for metrics in found.get(row.experiment, {}).values()]
    by_split = {metrics["split"]: metrics["floor"] for metrics in everything}
    return {
        "number": table.number,
        "title": table.title,
        "section": table.section,
        "rows": rows,
        "floor": over_splits([by_split[split] for split in sorted(by_split)]),
        "incomplete": sorted({why for row in rows for why in row["incomplete"]}),
    }


def draws_of_splits(splits: Mapping[int, tuple[Path, Metrics]], draws: int) -> dict[int, Draws | None]:
    """Split -> bootstrap draws of one experiment; None without predictions."""
    return {split: draws_of(path, metrics, draws=draws) if draws else None for split, (path, metrics) in splits.items()}


def against(
    experiment: str,
    first: str,
    found: Mapping[str, Mapping[int, Metrics]],
    draws: Mapping[str, Mapping[int, Draws | None]],
) -> dict[str, Any]:
    """The difference of ``experiment`` from ``first``."""
    ours, other = (found.get(name, {}) for name in (experiment, first))
    return difference(ours, other, draws.get(experiment, {}), draws.get(first, {}))


def make_row(row: TableRow, study: Study, splits: Mapping[int, Metrics]) -> dict[str, Any]:
    experiment = study.experiments[row.experiment]
    trained = [splits[split] for split in sorted(splits)]
    costs = [study.backbones[name] for name in experiment["backbones"] if name in study.backbones]
    known = len(costs) == len(experiment["backbones"])
    head = trained[0]["parameters"] / 1e6 if trained else None
    ours = over_splits([metrics["metrics"] for metrics in trained])
    return {
        "group": row.group,
        "name": row.name,
        "experiment": row.experiment,
        "pretraining": list(row.pretraining),
        "splits": sorted(splits),
        "ours": ours,
        "printed": as_published(row.printed, ours),
        "repository": as_published(row.repository, ours),
        "parameters_m": sum(cost.parameters_m for cost in costs) + head if known and head is not None else None,
        "gmacs": SNIPPET_CLIPS * sum(cost.gmacs for cost in costs) if known else None,
        "printed_parameters_m": row.printed_parameters_m,
        "printed_gmacs": row.printed_gmacs,
        "incomplete": lacks(row.experiment, splits) + (departures(row, study, trained) if row.printed else []),
    }


def missing_packs(table: Mapping[str, Any], study: Study, packs: Path) -> list[str]:
    """The missing packs of a table's untrained experiments, each with the command that makes it from the videos."""
    untrained = [study.experiments[row["experiment"]] for row in table["rows"] if not row["splits"]]
    needed = {(row["clips"], backbone) for row in untrained for backbone in row["backbones"]}
    return [
        f"{shown_path(packs)} has no {clips}/{folder_name(backbone)}.h5; with the trailers' videos, `snakemake "
        f"results/pack/study/{clips}/{folder_name(backbone)}.h5` makes it"
        for clips, backbone in sorted(needed)
        if not (packs / clips / f"{folder_name(backbone)}.h5").exists()
    ]


def lacks(experiment: str, splits: Mapping[int, Metrics]) -> list[str]:
    """The reasons why the numbers of an experiment cannot be compared with the printed ones."""
    missing = [str(split) for split in SPLITS if split not in splits]
    if len(missing) == len(SPLITS):
        return [f"{experiment} has not been trained"]
    reasons = [f"{experiment} has no results for split {', '.join(missing)}"] if missing else []
    left_out = [metrics["left_out"]["no_embedding"] for metrics in splits.values() if not metrics["complete"]]
    if left_out:
        reasons.append(f"{experiment} was trained without {max(left_out)} trailers that have no embedding")
    weights = {pack["weights"] for metrics in splits.values() for pack in metrics["packs"]}
    if any(name.startswith(NOT_REAL) for name in weights):
        reasons.append(f"{experiment} uses {'; '.join(sorted(weights))}: its numbers say nothing about trailers")
    return reasons


def as_published(pairs: Sequence[tuple[float, float]], ours: Metrics) -> dict[str, list[float | None]] | None:
    """Metric -> [mean, deviation, (our number - mean) / deviation]."""
    if not pairs:
        return None
    found: dict[str, list[float | None]] = {}
    for name, (mean, deviation) in zip(METRICS, pairs, strict=True):
        own = ours["trapezoid"][name][0]
        found[name] = [mean, deviation, None if own is None or not deviation else (own - mean) / deviation]
    return found


def departures(row: TableRow, study: Study, trained: Sequence[Metrics]) -> list[str]:
    """The settings, and the number of trailers, that differ between a training and the printed numbers."""
    own = study.experiments[row.experiment]
    reasons = []
    for key, printed in study.printed_with.items():
        if key == "trailers":
            found = {sum(metrics["trailers"].values()) for metrics in trained}
        else:
            found = {metrics["settings"].get(key) for metrics in trained if key not in own}
        for value in sorted(found - {printed}, key=str):
            reasons.append(
                f"{row.experiment}: {key} is {value_text(value)}, but {value_text(printed)} for the printed numbers"
            )
    return reasons


def value_text(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def over_splits(metrics: Sequence[Metrics]) -> dict[str, dict[str, list[float | None]]]:
    """Convention -> metric -> [mean, standard deviation]."""
    return {
        convention: {name: list(mean_and_deviation([row[convention][name] for row in metrics])) for name in METRICS}
        for convention in CONVENTIONS
    }


def as_csv(table: Mapping[str, Any]) -> tuple[list[str], list[list[object]]]:
    columns = ["group", "name", "experiment", "splits"]
    columns += [f"{name}{end}" for name in METRICS for end in ENDS]
    columns += ["parameters_m", "parameters_m_printed", "gmacs", "gmacs_printed"]
    rows = []
    for row in table["rows"]:
        cells: list[object] = [row["group"], row["name"], row["experiment"], len(row["splits"])]
        for name in METRICS:
            printed = row["printed"][name][:2] if row["printed"] else [None, None]
            ours = (*row["ours"]["trapezoid"][name], *printed, *row["ours"]["step"][name])
            cells += [digits(x) for x in (*ours, *(row["interval"][name] or [None, None]), *paired_cells(row, name))]
        cells += [digits(row[key]) for key in ("parameters_m", "printed_parameters_m", "gmacs", "printed_gmacs")]
        rows.append(cells)
    floor = [x for name in METRICS for x in floor_cells(table, name)]
    return columns, [*rows, ["", "floor: genre shares alone", "", "", *floor, "", "", "", ""]]


def floor_cells(table: Mapping[str, Any], name: str) -> list[str]:
    trapezoid, step = (table["floor"][convention][name] for convention in CONVENTIONS)
    return [digits(x) for x in (*trapezoid, None, None, *step, *[None] * (len(ENDS) - 6))]


def paired_cells(row: Mapping[str, Any], name: str) -> list[float | None]:
    """The difference of ``row`` from the table's first: its mean, and its interval."""
    if row["difference"] is None:
        return [None] * 3
    found = row["difference"][name]
    return [found["mean"][0], *(found["interval"] or [None, None])]


def digits(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def as_html(tables: Sequence[Mapping[str, Any]]) -> str:
    """A section per table: our number, its interval, its difference from the first row, and the printed number."""
    return render("tables.html.j2", {"tables": tables, "conventions": CONVENTIONS, "headings": HEADINGS})
