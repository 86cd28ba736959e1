"""The paper's study: experiments, and the tables that show them (workflow/study.yaml)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trailers.config import fit
from trailers.domain import ClipStrategy
from trailers.errors import ConfigError
from trailers.project import project_file
from trailers.yaml_file import read_yaml

SCHEMA = project_file("workflow", "schemas", "study.schema.yaml")


@dataclass(frozen=True)
class Cost:
    """The cost of a backbone: F, millions of parameters without head, billions of multiply-adds per clip."""

    features: int
    parameters_m: float
    gmacs: float


@dataclass(frozen=True)
class TableRow:
    """One row of a table.

    Args:
        printed: (mean, deviation) of micro, macro, weighted and sample average precision, as the paper prints them.
        repository: the same from the README of the authors' repository, which prints Table 6 again.
    """

    name: str
    experiment: str
    group: str = ""
    pretraining: tuple[str, ...] = ()
    printed: tuple[tuple[float, float], ...] = ()
    repository: tuple[tuple[float, float], ...] = ()
    printed_parameters_m: float | None = None
    printed_gmacs: float | None = None


@dataclass(frozen=True)
class Table:
    number: int
    title: str
    section: str
    rows: tuple[TableRow, ...]


@dataclass(frozen=True)
class Study:
    """Experiments by name, each a mapping as in `experiments` of config.yaml, and the tables."""

    experiments: Mapping[str, Mapping[str, Any]]
    tables: tuple[Table, ...]
    backbones: Mapping[str, Cost] = field(default_factory=dict)
    printed_with: Mapping[str, Any] = field(default_factory=dict)  # settings and trailers of the printed numbers


def read_study(path: Path) -> Study:
    """The study at ``path``.

    Raises:
        ConfigError: a key or value is not allowed, or a row names an experiment that does not exist.
    """
    values = read_yaml(path)
    fit(values, SCHEMA, where=path)
    for name, row in values["experiments"].items():
        try:
            ClipStrategy.parse(row["clips"])
        except ConfigError as problem:
            raise ConfigError(f"{path}: experiment '{name}': {problem}") from None
    tables = tuple(make_table(path, table, values["experiments"]) for table in values["tables"])
    backbones = {name: Cost(**cost) for name, cost in values.get("backbones", {}).items()}
    return Study(values["experiments"], tables, backbones, values.get("printed_with", {}))


def make_table(path: Path, values: Mapping[str, Any], experiments: Mapping[str, Any]) -> Table:
    for row in values["rows"]:
        if row["experiment"] not in experiments:
            raise ConfigError(
                f"{path}: Table {values['number']}, row '{row['name']}': no experiment is called "
                f"'{row['experiment']}'. Add it under experiments, or name one of {', '.join(sorted(experiments))}."
            )
    return Table(values["number"], values["title"], values.get("section", ""), tuple(map(make_row, values["rows"])))


def make_row(values: Mapping[str, Any]) -> TableRow:
    pairs = {
        key: tuple((mean, deviation) for mean, deviation in values.get(key, ())) for key in ("printed", "repository")
    }
    return TableRow(**{**values, **pairs, "pretraining": tuple(values.get("pretraining", ()))})
