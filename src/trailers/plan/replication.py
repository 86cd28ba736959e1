"""The study of `snakemake replicate`: the paper's experiments on the embeddings that its authors publish."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trailers.domain import SPLITS, folder_name
from trailers.plan.study import Experiments, Study
from trailers.store.layout import Layout
from trailers.store.published_files import STORES, PublishedStore

PREFIX = "published-"  # of the names of its experiments, whose folders are beside those of other studies
FOLDER = "replicate"  # below results/


def stores_of(config: Mapping[str, Any]) -> list[PublishedStore]:
    """The published archives that `replicate.stores` in config.yaml names; all if it is null."""
    names = config["replicate"]["stores"]
    return [store for store in STORES if names is None or store.stem in names]


def make_replication(config: Mapping[str, Any], experiments: Experiments, results: Path, shared: Any) -> Study:
    """The study of those ``experiments`` whose vectors are all published; rules make its manifest and packs."""
    held = {(store.clips, store.backbone) for store in stores_of(config)}
    covered = {
        PREFIX + name: row
        for name, row in experiments.items()
        if all((row["clips"], backbone) in held for backbone in row["backbones"])
    }
    folder = results / FOLDER
    return Study(
        "replicate", manifest=folder / "manifest.csv", experiments=covered, made_elsewhere=folder / "packs",
        page="replicate", known_splits=SPLITS, **shared,
    )  # fmt: skip


def store_of(config: Mapping[str, Any], clips: str, folder: str) -> PublishedStore:
    """The archive from which the pack {clips}/{folder}.h5 is made. Raises StopIteration if there is none."""
    return next(store for store in stores_of(config) if (store.clips, folder_name(store.backbone)) == (clips, folder))


def pack_path(layout: Layout) -> str:
    """The path of a pack, with wildcards for strategy and backbone."""
    return str(layout.root / FOLDER / "packs" / "{clips}" / "{backbone}.h5")
