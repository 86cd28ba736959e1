"""The studies of a configuration: the user's, the paper's tables on the same manifest, the demo and the replication.

All use the same results folder and the same rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from trailers.backbones.rows import check_name
from trailers.config import read_config
from trailers.domain import ClipStrategy, folder_name
from trailers.errors import ConfigError, ManifestError, TrailerError
from trailers.genres import checked_genres
from trailers.plan.replication import make_replication
from trailers.plan.study import Pair, Study
from trailers.plan.titles import LETTER, TitleList, make_titles
from trailers.project import PROJECT, find_file
from trailers.store.layout import Layout
from trailers.store.study import read_study

RESULTS = Path("results")
DEMO_CUTS = str(RESULTS / "demo" / "cuts.csv")  # written when the demo's videos are made


@dataclass(frozen=True, eq=False)
class Plan:
    """The studies of one configuration, as the rules need them."""

    config: Mapping[str, Any]
    layout: Layout
    study_file: Path  # with the paper's experiments and tables
    users: Study
    paper: Study
    demo: Study
    replication: Study  # the paper's experiments on the published embeddings
    titles: TitleList  # the titles for `snakemake search`

    @property
    def studies(self) -> tuple[Study, ...]:
        return self.users, self.paper, self.demo, self.replication

    @property
    def weights_dir(self) -> Path:
        return self.users.weights_dir

    @property
    def has_random_weights(self) -> bool:
        return bool(self.config["embed"]["random_weights"])

    @cached_property
    def by_experiment(self) -> dict[str, Study]:
        return {name: study for study in self.studies for name in study.experiments}

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """The pairs of clip strategy and backbone of all studies."""
        return tuple(dict.fromkeys(pair for study in self.studies for pair in study.pairs))

    @cached_property
    def full_names(self) -> dict[str, str]:
        """Folder of a backbone -> its full name; folders have shortened names."""
        return {folder_name(backbone): backbone for _, backbone in self.pairs}

    def full_name(self, folder: str) -> str:
        return self.full_names.get(folder, folder)

    def of_shard(self, shard: str) -> Study:
        """The study to which a shard belongs; the paper's tables share the shards of the user's study."""
        return self.demo if shard.startswith(self.demo.letter) else self.users

    def members(self, shard: str) -> tuple[str, ...]:
        """The trailers of a shard, or the titles of a shard of titles."""
        return (self.titles if shard.startswith(LETTER) else self.of_shard(shard)).shards[shard]

    def of_packs(self, folder: str) -> Study:
        """The study whose packs are in ``folder``; the paper's tables share those of the user's study."""
        return self.demo if folder == self.demo.packs else self.users

    def with_trailer(self, trailer: str) -> Study:
        """The study whose manifest names a trailer; the demo's manifest is always there.

        Raises:
            ManifestError: no manifest names it.
        """
        for study in (self.demo, self.users):
            if trailer in study.by_id:
                return study
        raise ManifestError(f"no manifest contains '{trailer}'.", remedy=f"Add it to {self.users.manifest}.")

    def experiment(self, name: str) -> dict[str, Any]:
        """The settings of an experiment: its own, and those of `classify` in config.yaml."""
        return {**self.config["classify"], **self.by_experiment[name].experiments[name]}

    def excluded_of(self, experiment: str) -> list[str]:
        """The file of trailers that are excluded from an experiment; empty if no flags exclude trailers."""
        return self.by_experiment[experiment].excluded()

    def packs_of(self, experiment: str) -> list[str]:
        row = self.experiment(experiment)
        return [self.by_experiment[experiment].pack(row["clips"], backbone) for backbone in row["backbones"]]

    def extra_pairs(self, shard: str, own: Pair) -> list[Pair]:
        """The other pairs of the same study whose ledgers are missing for the shard."""
        study = next((study for study in self.studies if study.owns(shard, own)), None)
        together: Sequence[Pair] = study.own_pairs if study else ()
        return [pair for pair in together if pair != own and not self.layout.ledger("embed", shard, *pair).exists()]


def make_plan(config: Mapping[str, Any], project: Path) -> Plan:
    """What ``config``, a whole configuration that was checked, asks for.

    Raises:
        ConfigError: the file of the paper's study is damaged, two experiments share a name, or no backbone has a name.
    """
    study_file = find_study(config["study"], project)
    if set("{}") & set(config["packs"] or ""):
        raise ConfigError(
            f"'{config['packs']}': Snakemake reads text in braces as a wildcard", where="config.yaml, packs",
            remedy="Rename the folder.",
        )  # fmt: skip
    weights_dir = Path(config["embed"]["weights_dir"])
    shared: dict[str, Any] = {
        "layout": Layout(RESULTS), "shard_size": config["shard_size"], "weights_dir": weights_dir,
    }  # fmt: skip
    if config["packs"] and config["quality"]["exclude"]:
        raise ConfigError(
            "leaves out trailers by flags, but packs made elsewhere have none", where="config.yaml, quality.exclude",
            remedy="Set it to [], or set packs to null.",
        )  # fmt: skip
    own: dict[str, Any] = {
        "excluded_flags": config["quality"]["exclude"], "genres": checked_genres(config["genres"]),
        "manifest": Path(config["manifest"]), "made_elsewhere": Path(config["packs"]) if config["packs"] else None,
    }  # fmt: skip
    users = Study(
        "study", experiments=config["experiments"], strategies=config["clips"]["strategies"],
        backbones=config["embed"]["backbones"], has_posters=True, **own, **shared,
    )  # fmt: skip
    paper = Study(
        "tables", experiments=read_study(study_file).experiments, embedded_elsewhere=users.pairs, page="tables",
        **own, **shared,
    )  # fmt: skip
    demo = Study(
        "demo", manifest=project / "workflow" / "demo.csv", experiments=config["demo"], letter="d", packs="demo",
        page="demo", prerequisites=(DEMO_CUTS,), base=Path(), **shared,
    )  # fmt: skip
    replication = make_replication(config, paper.experiments, RESULTS, shared)
    for study in (users, demo):
        for name in (paper.experiments.keys() | replication.experiments.keys()) & study.experiments.keys():
            raise ConfigError(f"two experiments are called '{name}', in config.yaml and {study_file}. Rename one.")
    check_names(users, "config.yaml")
    check_names(demo, "config.yaml")
    check_names(paper, str(study_file))
    check_folders(pair[1] for study in (users, paper, demo) for pair in study.pairs)
    titles = make_titles(config, Layout(RESULTS))
    return Plan(config, Layout(RESULTS), study_file, users, paper, demo, replication, titles)


def find_study(name: str, project: Path) -> Path:
    """The study file ``name`` in the working folder, or else in the project. Raises ConfigError."""
    path = find_file(name, project)
    if path is not None:
        return path
    raise ConfigError(
        f"'{name}' is not a file, neither here nor in the project", where="config.yaml, study",
        remedy="Give the path of a copy of workflow/study.yaml, or omit the key.",
    )  # fmt: skip


def plan_here() -> Plan:
    """The plan for config.yaml in the working folder, with defaults from the project's. Raises ConfigError."""
    return make_plan(read_config(), PROJECT)


def check_names(study: Study, file: str) -> None:
    """Refuse strategies and backbones that do not exist; packs made elsewhere may have any backbone.

    Raises:
        ConfigError: a name is unknown; gives the file, the place in it and the name.
    """
    named = {f"experiments, {name}": ([row["clips"]], row["backbones"]) for name, row in study.experiments.items()}
    named["clips"] = (list(study.strategies), [])
    named["embed"] = ([], list(study.backbones))
    for place, (strategies, backbones) in named.items():
        try:
            for clips in strategies:
                ClipStrategy.parse(clips)
            for backbone in backbones if not study.made_elsewhere else ():
                check_name(backbone)
        except TrailerError as problem:
            raise ConfigError(str(problem), where=f"{file}, {place}") from None


def check_folders(backbones: Iterable[str]) -> None:
    """Raise ConfigError if two backbones would have the same folder of products."""
    seen: dict[str, str] = {}
    for backbone in backbones:
        other = seen.setdefault(folder_name(backbone), backbone)
        if other.removeprefix("./") != backbone.removeprefix("./"):
            raise ConfigError(
                f"'{other}' and '{backbone}' would share the folder {folder_name(backbone)}",
                where="backbones", remedy="Rename or move one of the files.",
            )  # fmt: skip
