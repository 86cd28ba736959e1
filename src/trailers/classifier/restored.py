"""A trained experiment, read from its weights.pt to predict further trailers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from trailers.classifier.contribution import Course, Explanation, explain, genres_over_time
from trailers.classifier.recipe import Recipe
from trailers.classifier.training import check_state, network_for
from trailers.errors import ConfigError, StoreError
from trailers.store.experiment import TrainedExperiment, read_weights
from trailers.store.published import PUBLISHED

SAME = ("weights", "weights_sha256", "transform")  # attributes that must equal those of the training vectors
CPU = torch.device("cpu")  # one trailer is too little work for a GPU


@dataclass(frozen=True)
class Restored:
    """The network of a trained experiment, and the description in its weights.pt.

    ``vectors`` are float32 (clips, F) of each backbone, in the order of ``trained.backbones``. The results do not
    depend on the number of threads.
    """

    trained: TrainedExperiment
    network: nn.Module
    recipe: Recipe

    def explain(self, vectors: Sequence[np.ndarray]) -> Explanation:
        """Probabilities of a trailer, and the contributions of its clips; see ``contribution.explain``."""
        with one_thread():
            return explain(self.network, vectors, self.recipe, CPU)

    def over_time(self, vectors: Sequence[np.ndarray], *, step_clips: int = 1) -> Course:
        """Genre probabilities of overlapping snippets; see ``contribution.genres_over_time``."""
        with one_thread():
            return genres_over_time(self.network, vectors, self.recipe, CPU, step_clips=step_clips)

    def check(self, vectors: Sequence[np.ndarray], attributes: Sequence[Mapping[str, Any]]) -> None:
        """Raises ConfigError if ``vectors``, whose files have ``attributes``, do not fit the experiment."""
        kinds = zip(self.trained.backbones, self.trained.packs, vectors, attributes, strict=True)
        for backbone, pack, table, own in kinds:
            check_kind(backbone, pack, table.shape[1], own)
        if len({len(table) for table in vectors}) > 1:
            counts = ", ".join(
                f"{len(table)} of {name}" for name, table in zip(self.trained.backbones, vectors, strict=True)
            )
            raise ConfigError(f"the vectors come from different clips: {counts}", remedy="Rerun snakemake.")


def read_experiment(path: Path) -> Restored:
    """The experiment whose weights.pt is ``path``. An untrusted file is safe: nothing in it is executed.

    Raises:
        StoreError: the file is missing or damaged, or its weights do not fit the network that it describes.
    """
    return restore(read_weights(path), path)


def restore(trained: TrainedExperiment, path: Path) -> Restored:
    """``trained`` with its network, on the CPU. Raises StoreError as ``read_experiment`` does."""
    try:
        recipe = Recipe(**trained.recipe)
        check_state(recipe, trained.features, len(trained.genres), trained.state)
        network = network_for(recipe, trained.features, len(trained.genres))
        network.load_state_dict(dict(trained.state))
    except (TypeError, ValueError, RuntimeError, ConfigError) as problem:
        raise StoreError(
            f"does not fit this version: {problem}", where=path, remedy="Remove it and rerun the classify stage."
        ) from None
    return Restored(trained, network.eval(), recipe)


def check_kind(backbone: str, pack: Mapping[str, Any], features: int, attributes: Mapping[str, Any]) -> None:
    """Raises ConfigError if a trailer's vectors of ``backbone`` differ in kind from the training's, in ``pack``."""
    if pack.get("F") and int(pack["F"]) != features:
        raise ConfigError(
            f"{backbone}: gives vectors with {features} features, but the experiment was trained with {pack['F']}",
            remedy="Use the backbone with which it was trained, or train it again.",
        )
    for key in () if is_published(pack) else SAME:
        if pack.get(key) and pack[key] != str(attributes.get(key, "")):
            raise ConfigError(
                f"{backbone}: {key} is '{attributes.get(key)}', but the experiment was trained on '{pack[key]}'. "
                "Use the weights and settings with which it was trained, or train it again."
            )


def is_published(pack: Mapping[str, Any]) -> bool:
    """Whether the vectors are the published ones, whose exact weights are not known."""
    return str(pack.get("weights", "")).startswith(PUBLISHED)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Inside, torch computes with one thread, so that sums are always computed in the same order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
