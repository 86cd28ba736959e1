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
    """One row of a table; ``printed`` is (mean, deviation) of micro, macro, weighted, sample.

    ``repository`` is the same from the README of the authors' repository, which prints Table 6 again.
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
    """Experiments by name, each a mapping as in config.yaml, experiments; and the tables."""

    experiments: Mapping[str, Mapping[str, Any]]
    tables: tuple[Table, ...]
    backbones: Mapping[str, Cost] = field(default_factory=dict)
    printed_with: Mapping[str, Any] = field(default_factory=dict)  # settings behind the printed numbers, and trailers


def read_study(path: Path) -> Study:
    """The study at ``path``.

    Raises:
        ConfigError: with the line or the key, or with the row that shows an experiment that does not exist.
    """
    said = read_yaml(path)
    fit(said, SCHEMA, where=path)
    for name, row in said["experiments"].items():
        try:
            ClipStrategy.parse(row["clips"])
        except ConfigError as problem:
            raise ConfigError(f"{path}: experiment '{name}': {problem}") from None
    tables = tuple(make_table(path, table, said["experiments"]) for table in said["tables"])
    backbones = {name: Cost(**cost) for name, cost in said.get("backbones", {}).items()}
    return Study(said["experiments"], tables, backbones, said.get("printed_with", {}))


def make_table(path: Path, said: Mapping[str, Any], experiments: Mapping[str, Any]) -> Table:
    for row in said["rows"]:
        if row["experiment"] not in experiments:
            raise ConfigError(
                f"{path}: Table {said['number']}, row '{row['name']}': no experiment is called '{row['experiment']}'. "
                f"Add it under experiments, or name one of {', '.join(sorted(experiments))}."
            )
    return Table(said["number"], said["title"], said.get("section", ""), tuple(map(make_row, said["rows"])))


def make_row(said: Mapping[str, Any]) -> TableRow:
    pairs = {
        key: tuple((mean, deviation) for mean, deviation in said.get(key, ())) for key in ("printed", "repository")
    }
    return TableRow(**{**said, **pairs, "pretraining": tuple(said.get("pretraining", ()))})
