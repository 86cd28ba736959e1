"""One study: a manifest, and the products that are wanted for its trailers.

manifest      ->  shards of trailers
strategies,
backbones,    ->  pairs of clip strategy and backbone  ->  ledgers, packs  ->  metrics, report
experiments
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from trailers.backbones.rows import is_2d
from trailers.domain import GENRES, SPLITS, SUBSETS, Trailer, canonical_name, folder_name
from trailers.genres import changed_genres_flag
from trailers.stages import registry
from trailers.store.layout import Layout
from trailers.store.manifest import read_manifest
from trailers.store.shards import make_shards

Pair = tuple[str, str]  # clip strategy, backbone
Stage = tuple[str, ...]  # its name, then its clip strategy or backbone if any: the folders of its ledgers
Experiments = Mapping[str, Mapping[str, Any]]  # by name; each names its clips and backbones


def pairs_of(
    experiments: Experiments, strategies: Sequence[str] = (), backbones: Sequence[str] = ()
) -> tuple[Pair, ...]:
    """Every strategy with every backbone, then the other pairs that the experiments need."""
    requested = [(clips, canonical_name(backbone)) for clips in strategies for backbone in backbones]
    needed = [(row["clips"], canonical_name(backbone)) for row in experiments.values() for backbone in row["backbones"]]
    return tuple(dict.fromkeys(requested + needed))


@dataclass(frozen=True, eq=False)
class Study:
    """A manifest and the products that are wanted. The manifest is read when it is first needed."""

    name: str
    manifest: Path
    experiments: Experiments
    layout: Layout
    shard_size: int
    weights_dir: Path
    letter: str = "s"  # the first letter of the names of its shards, which shows the study in paths
    strategies: Sequence[str] = ()
    backbones: Sequence[str] = ()
    embedded_elsewhere: Sequence[Pair] = ()  # pairs that another study's jobs embed
    made_elsewhere: Path | None = None  # a folder of imported or synthetic packs, in place of own embeddings
    packs: str = "study"  # its folder below results/pack
    page: str = ""  # its folder below results/report
    has_posters: bool = False  # whether posters that the manifest names are downloaded
    prerequisites: tuple[str, ...] = field(default=())  # files that must be made before downloads
    base: Path | None = None  # folder that paths in the manifest are relative to, if it is not the manifest's
    excluded_flags: Sequence[str] = ()  # flags of the quality stage that exclude trailers from training and tests
    known_splits: tuple[int, ...] | None = None  # the splits, if they are known before the manifest is made
    genres: tuple[str, ...] = GENRES

    @cached_property
    def trailers(self) -> list[Trailer]:
        return read_manifest(self.manifest, links=self.made_elsewhere is None, genres=self.genres)

    @property
    def folder(self) -> Path:
        """The folder that paths in the manifest are relative to."""
        return self.manifest.parent if self.base is None else self.base

    @cached_property
    def by_id(self) -> dict[str, Trailer]:
        return {trailer.trailer: trailer for trailer in self.trailers}

    @cached_property
    def shards(self) -> dict[str, tuple[str, ...]]:
        """Shard name -> trailer ids."""
        return make_shards([trailer.trailer for trailer in self.trailers], size=self.shard_size, letter=self.letter)

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """The requested pairs, and the pairs that the experiments need."""
        return pairs_of(self.experiments, self.strategies, self.backbones)

    @property
    def own_pairs(self) -> tuple[Pair, ...]:
        """The pairs that this study's own jobs embed."""
        return tuple(pair for pair in self.pairs if pair not in self.embedded_elsewhere)

    @cached_property
    def splits(self) -> tuple[int, ...]:
        """The splits that have a trailer with genres in each subset."""
        if self.known_splits is not None:
            return self.known_splits
        codes = [{trailer.splits[n] for trailer in self.trailers if trailer.genres} for n in SPLITS]
        return tuple(n for n in SPLITS if codes[n] >= set(range(len(SUBSETS))))

    @cached_property
    def poster_shards(self) -> tuple[str, ...]:
        """The shards in which a trailer has a poster."""
        return tuple(
            shard for shard, members in self.shards.items() if any(self.by_id[trailer].poster for trailer in members)
        )

    @cached_property
    def poster_stages(self) -> tuple[Stage, ...]:
        """Download of posters, and their embedding by each 2D backbone; empty if there are no posters."""
        if not self.has_posters or not self.poster_shards:
            return ()
        names = dict.fromkeys(backbone for _, backbone in self.pairs)
        return (("posters",), *(("posters", name) for name in names if is_2d(name, self.weights_dir)))

    @property
    def page_stages(self) -> tuple[Stage, ...]:
        """The stage of pages; empty if packs were made elsewhere."""
        return () if self.made_elsewhere else (("pages",),)

    @property
    def quality_stages(self) -> tuple[Stage, ...]:
        """The quality stage, if its flags exclude trailers."""
        return (("quality",),) if self.excluded_flags and not self.made_elsewhere else ()

    @cached_property
    def all_strategies(self) -> tuple[str, ...]:
        """The clip strategies of all pairs, the requested ones first."""
        return tuple(dict.fromkeys(clips for clips, _ in self.pairs))

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All stages that write ledgers; empty if packs were made elsewhere."""
        if self.made_elsewhere:
            return ()
        return (*registry.keys_for(self.pairs), *self.quality_stages, *self.poster_stages)

    def ledgers(self, stage: str, *variant: str) -> list[str]:
        shards = self.poster_shards if stage == "posters" else self.shards
        return [str(self.layout.ledger(stage, shard, *variant)) for shard in shards]

    def ledgers_of(self, stages: Iterable[Stage]) -> list[str]:
        return [ledger for stage in stages for ledger in self.ledgers(*stage)]

    def all_ledgers(self) -> list[str]:
        return self.ledgers_of(self.stages)

    def poster_ledgers(self) -> list[str]:
        return self.ledgers_of(self.poster_stages)

    def page_ledgers(self) -> list[str]:
        return self.ledgers_of(self.page_stages)

    def quality_ledgers(self) -> list[str]:
        return self.ledgers("quality")

    def excluded(self) -> list[str]:
        """The file of excluded trailers; empty if no flags exclude trailers."""
        return [str(self.layout.excluded())] if self.quality_stages else []

    def quality_files(self) -> list[str]:
        return [*self.quality_ledgers(), str(self.layout.duplicates()), *self.excluded()]

    def browse_stages(self, with_embeddings: bool) -> tuple[Stage, ...]:
        """The stages that the list of all trailers shows."""
        if not self.page_stages:
            return ()
        shown = [stage for stage in self.stages if with_embeddings or stage[0] not in ("embed", "posters")]
        return tuple(dict.fromkeys((*shown, ("quality",), *self.page_stages)))

    def browse_ledgers(self, with_embeddings: bool) -> list[str]:
        return self.ledgers_of(self.browse_stages(with_embeddings))

    def genres_flag(self) -> str:
        """The flag with the genres; "" for the paper's genres, so that parameters of rules do not change."""
        return changed_genres_flag(self.genres)

    def browse_flags(self, with_embeddings: bool) -> str:
        """Flags with ledgers, genres, and the vectors that give the similarity of trailers."""
        near = shlex.join(["--near", *self.pairs[0]]) if with_embeddings and self.pairs else ""
        words = (self.ledger_flags_of(self.browse_stages(with_embeddings)), near, self.genres_flag())
        return " ".join(filter(None, words))

    def page_index(self) -> list[str]:
        """The list of all trailers, for the studies that have one (others show the same trailers)."""
        folders = {"study": "", "demo": "demo"}
        shown = self.page_stages and self.name in folders
        return [str(self.layout.page_index(folders[self.name]))] if shown else []

    def shot_ledgers(self) -> list[str]:
        """The ledgers of shots; packs made elsewhere may come with their own."""
        if self.made_elsewhere is None:
            return self.ledgers("shots")
        folder = Layout(self.made_elsewhere).ledger("shots", "").parent
        return sorted(str(path) for path in folder.glob("*.tsv"))

    def ledger_flags(self) -> str:
        return self.ledger_flags_of(self.stages)

    def ledger_flags_of(self, stages: Iterable[Stage]) -> str:
        """Flags with folders of ledgers and shards, because a command cannot have the names of thousands of ledgers."""
        folders = [str(self.layout.ledger(stage, "", *variant).parent) for stage, *variant in stages]
        return f"--ledgers {shlex.join(folders)} --shards {self.letter}{self.shard_size}"

    def shot_flags(self) -> str:
        """As ``ledger_flags``, for shots."""
        if self.made_elsewhere is None:
            return self.ledger_flags_of([("shots",)])
        return f"--results {shlex.quote(str(self.made_elsewhere))} --ledgers {shlex.join(self.shot_ledgers())}"

    def pack(self, clips: str, backbone: str) -> str:
        if self.made_elsewhere is None:
            return str(self.layout.pack(self.packs, clips, backbone))
        return str(self.made_elsewhere / clips / f"{folder_name(backbone)}.h5")

    def link_flags(self) -> str:
        """Flags with the manifest, for the download stages."""
        base = ["--base", str(self.base)] if self.base is not None else []
        return shlex.join(["--manifest", str(self.manifest), *base])

    def metrics(self) -> list[str]:
        return self.metrics_of(self.experiments)

    def metrics_of(self, experiments: Iterable[str]) -> list[str]:
        return [str(self.layout.experiment(name, n) / "metrics.json") for name in experiments for n in self.splits]

    def possible_metrics(self) -> list[str]:
        """As ``metrics``, without the experiments whose packs are missing in a folder made elsewhere."""
        return self.metrics_of(name for name in self.experiments if not self.lacks_packs(name))

    def lacks_packs(self, experiment: str) -> bool:
        row = self.experiments[experiment]
        packs = (self.pack(row["clips"], backbone) for backbone in row["backbones"])
        return self.made_elsewhere is not None and not all(Path(pack).exists() for pack in packs)

    def report(self) -> str:
        return str(self.layout.report(self.page))

    def owns(self, shard: str, pair: Pair) -> bool:
        """Whether this study's own jobs embed ``pair`` on ``shard``."""
        return shard.startswith(self.letter) and pair in self.own_pairs
