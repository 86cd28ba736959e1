"""Tables 2 to 6 of the paper, our numbers beside the printed ones.

in   the study (workflow/study.yaml), metrics.json of its experiments and splits
out  {output}/table2.csv ... table6.csv   a row a row, all numbers
     {output}/tables.html                 the same to read: a fragment, for the report or a page of its own
     {output}/tables.json                 everything, and what is incomplete; written last

Our numbers are the mean and standard deviation (ddof = 1) over the splits that are there. Only the
areas by trapezoid compare with the paper's.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from trailers.classifier.metrics import CONVENTIONS, METRICS, mean_and_deviation
from trailers.domain import SPLITS
from trailers.errors import StoreError
from trailers.store.atomic import write_text
from trailers.store.experiment import read_metrics, write_table
from trailers.store.study import Study, Table, TableRow, read_study

log = logging.getLogger(__name__)

SCHEMA = "tables/1"
SNIPPET_CLIPS = 30  # for which the paper counts multiply-adds (Table 6)
HEADINGS = {"micro": "μAP", "macro": "mAP", "weighted": "wAP", "sample": "sAP"}
NOT_REAL = ("synthetic", "random")  # how weights begin that teach nothing about trailers

ENDS = ("", "_std", "_printed", "_printed_std", "_step", "_step_std")  # of a metric's columns in the CSV

Metrics = Mapping[str, Any]


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--study", type=Path, required=True, metavar="YAML", help="such as workflow/study.yaml")
    parser.add_argument("--metrics", type=Path, nargs="*", default=[], metavar="JSON", help="what there is so far")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")


def run(arguments: argparse.Namespace) -> None:
    study = read_study(arguments.study)
    found = collect(arguments.metrics, study)
    tables = [make_table(table, study, found) for table in study.tables]
    for table in tables:
        write_table(arguments.output / f"table{table['number']}.csv", *as_csv(table))
    write_text(arguments.output / "tables.html", "\n".join(as_html(table) for table in tables))
    incomplete = sorted({why for table in tables for why in table["incomplete"]})
    whole = {"schema": SCHEMA, "tables": tables, "incomplete": incomplete}
    write_text(arguments.output / "tables.json", json.dumps(whole, indent=1, ensure_ascii=False) + "\n")
    for why in incomplete:
        log.warning("tables: the comparison is incomplete: %s", why)
    log.info("tables: %d of %d experiments: %s", len(found), len(study.experiments), arguments.output / "tables.html")


def collect(paths: Iterable[Path], study: Study) -> dict[str, dict[int, Metrics]]:
    """Experiment -> split -> metrics.

    Raises:
        StoreError: metrics that are not of the experiment the study describes.
    """
    found: dict[str, dict[int, Metrics]] = {}
    for path in paths:
        metrics = read_metrics(path)
        wanted = study.experiments.get(metrics["experiment"])
        if wanted is None:
            log.info("tables: %s: no experiment of the study, left out", path)
            continue
        said = {**metrics["settings"], **{key: metrics[key] for key in ("clips", "backbones", "preset")}}
        for key, value in wanted.items():
            if value is not None and said.get(key) != value:
                raise StoreError(
                    f"{path}: {key} is {said.get(key)!r}, but {value!r} in the study. Run the stage classify again."
                )
        found.setdefault(metrics["experiment"], {})[metrics["split"]] = metrics
    return found


def make_table(table: Table, study: Study, found: Mapping[str, Mapping[int, Metrics]]) -> dict[str, Any]:
    """One table as plain values, with the floor over all that is in it and what it lacks."""
    rows = [make_row(row, study, found.get(row.experiment, {})) for row in table.rows]
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


def make_row(row: TableRow, study: Study, splits: Mapping[int, Metrics]) -> dict[str, Any]:
    experiment = study.experiments[row.experiment]
    there = [splits[split] for split in sorted(splits)]
    costs = [study.backbones[name] for name in experiment["backbones"] if name in study.backbones]
    known = len(costs) == len(experiment["backbones"])
    head = there[0]["parameters"] / 1e6 if there else None
    return {
        "group": row.group,
        "name": row.name,
        "experiment": row.experiment,
        "pretraining": list(row.pretraining),
        "splits": sorted(splits),
        "ours": over_splits([metrics["metrics"] for metrics in there]),
        "printed": dict(zip(METRICS, map(list, row.printed), strict=True)) if row.printed else None,
        "parameters_m": sum(cost.parameters_m for cost in costs) + head if known and head is not None else None,
        "gmacs": SNIPPET_CLIPS * sum(cost.gmacs for cost in costs) if known else None,
        "printed_parameters_m": row.printed_parameters_m,
        "printed_gmacs": row.printed_gmacs,
        "incomplete": lacks(row.experiment, splits),
    }


def lacks(experiment: str, splits: Mapping[int, Metrics]) -> list[str]:
    """Why the numbers of an experiment do not compare with the printed ones."""
    missing = [str(split) for split in SPLITS if split not in splits]
    if len(missing) == len(SPLITS):
        return [f"{experiment} has not been trained"]
    reasons = [f"{experiment} lacks split {', '.join(missing)}"] if missing else []
    left_out = [metrics["left_out"]["no_embedding"] for metrics in splits.values() if not metrics["complete"]]
    if left_out:
        reasons.append(f"{experiment} was trained without {max(left_out)} trailers that have no embedding")
    weights = {pack["weights"] for metrics in splits.values() for pack in metrics["packs"]}
    if any(name.startswith(NOT_REAL) for name in weights):
        reasons.append(f"{experiment} is on {'; '.join(sorted(weights))}: its numbers say nothing about trailers")
    return reasons


def over_splits(metrics: Sequence[Metrics]) -> dict[str, dict[str, list[float | None]]]:
    """Convention -> metric -> [mean, standard deviation]."""
    return {
        convention: {name: list(mean_and_deviation([row[convention][name] for row in metrics])) for name in METRICS}
        for convention in CONVENTIONS
    }


def as_csv(table: Mapping[str, Any]) -> tuple[list[str], list[list[object]]]:
    columns = ["group", "name", "experiment", "splits"]
    columns += [
        f"{name}{end}" for name in METRICS for end in ("", "_std", "_printed", "_printed_std", "_step", "_step_std")
    ]
    columns += ["parameters_m", "parameters_m_printed", "gmacs", "gmacs_printed"]
    rows = []
    for row in table["rows"]:
        cells: list[object] = [row["group"], row["name"], row["experiment"], len(row["splits"])]
        for name in METRICS:
            printed = row["printed"][name] if row["printed"] else [None, None]
            cells += [digits(x) for x in (*row["ours"]["trapezoid"][name], *printed, *row["ours"]["step"][name])]
        cells += [digits(row[key]) for key in ("parameters_m", "printed_parameters_m", "gmacs", "printed_gmacs")]
        rows.append(cells)
    floor = [x for name in METRICS for x in floor_cells(table, name)]
    return columns, [*rows, ["", "floor: genre shares alone", "", "", *floor, "", "", "", ""]]


def floor_cells(table: Mapping[str, Any], name: str) -> list[str]:
    trapezoid, step = (table["floor"][convention][name] for convention in CONVENTIONS)
    return [digits(x) for x in (*trapezoid, None, None, *step)]


def digits(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def with_deviation(pair: Sequence[float | None] | None) -> str:
    if pair is None or pair[0] is None:
        return "–"
    return f"{pair[0]:.2f}" + ("" if pair[1] is None else f" ± {pair[1]:.2f}")


def as_html(table: Mapping[str, Any]) -> str:
    """One section: our number, under it the printed one."""
    cost = any(row["printed_gmacs"] for row in table["rows"])
    head = "".join(f"<th>{heading}</th>" for heading in HEADINGS.values())
    head += "<th>parameters (M)</th><th>multiply-adds (G)</th>" if cost else ""
    lines = [
        f'<section class="paper-table" id="table{table["number"]}">',
        f"<h3>Table {table['number']}. {escape(table['title'])} (Sec. {escape(table['section'])})</h3>",
        f"<table><thead><tr><th></th><th></th>{head}</tr></thead><tbody>",
    ]
    for row in table["rows"]:
        lines.append(html_row(row, "ours", row["ours"]["trapezoid"], cost))
        if row["printed"]:
            lines.append(html_row(row, "printed", row["printed"], cost))
    for convention in CONVENTIONS:
        cells = "".join(f"<td>{with_deviation(table['floor'][convention][name])}</td>" for name in METRICS)
        lines.append(f'<tr class="floor"><td>floor: genre shares alone</td><td>{convention}</td>{cells}</tr>')
    lines.append("</tbody></table>")
    if table["incomplete"]:
        reasons = "".join(f"<li>{escape(why)}</li>" for why in table["incomplete"])
        lines.append(f'<p class="incomplete">This comparison is incomplete:</p><ul>{reasons}</ul>')
    return "\n".join([*lines, "</section>"])


def html_row(row: Mapping[str, Any], kind: str, pairs: Mapping[str, Sequence[float | None]], cost: bool) -> str:
    name = " ".join(filter(None, (row["group"], row["name"]))) if kind == "ours" else ""
    cells = "".join(f"<td>{with_deviation(pairs[metric])}</td>" for metric in METRICS)
    if cost:
        before = "" if kind == "ours" else "printed_"
        values = [row[f"{before}{key}"] for key in ("parameters_m", "gmacs")]
        cells += "".join(f"<td>{'–' if value is None else f'{value:.1f}'}</td>" for value in values)
    return f'<tr class="{kind}"><td>{escape(name)}</td><td>{kind}</td>{cells}</tr>'
