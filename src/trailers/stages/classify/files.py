"""Writes the files of a training: weights, predictions, curves, excluded trailers, and metrics.json last."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trailers.domain import SUBSETS
from trailers.stages.classify.learning import training_fingerprint
from trailers.stages.classify.settings import Settings
from trailers.stages.classify.study import NO_EMBEDDING, Study
from trailers.store import experiment
from trailers.store.experiment_files import prediction_columns

if TYPE_CHECKING:
    import torch

    from trailers.classifier.recipe import Recipe
    from trailers.classifier.training import Epoch, Outcome

log = logging.getLogger(__name__)


def write_products(
    folder: Path, name: str, study: Study, settings: Settings, recipe: Recipe, outcome: Outcome, device: torch.device
) -> None:
    """Test the best epoch and write everything, metrics.json last."""
    from trailers.classifier.training import network_for, predict

    network = network_for(recipe, study.features, len(study.genres)).to(device)
    network.load_state_dict(outcome.state)
    found = {subset: predict(network, study.examples(subset), recipe, device) for subset in ("validation", "test")}
    common: dict[str, Any] = {
        "fingerprint": training_fingerprint(study, recipe),
        "experiment": name,
        "split": study.split,
        "clips": study.packs[0].clips,
        "backbones": [pack.backbone for pack in study.packs],
    }
    experiment.save_state(folder / experiment.WEIGHTS, common | weights_of(study, recipe, outcome))
    write_predictions(folder / experiment.PREDICTIONS, study, found)
    write_curves(folder / experiment.CURVES, outcome.curves)
    write_left_out(folder / experiment.LEFT_OUT, study)
    metrics = common | metrics_of(study, recipe, outcome, found)
    experiment.write_metrics(folder, metrics | {"preset": settings.preset, "device": device.type})
    (folder / experiment.CHECKPOINT).unlink(missing_ok=True)
    ours, floor = (two_digits(metrics[key]["trapezoid"]["micro"]) for key in ("metrics", "floor"))
    log.info("classify: %s split %d: best epoch %d of %d", name, study.split, outcome.best_epoch, len(outcome.curves))
    log.info("classify: micro AP (trapezoid) %s, floor %s: %s", ours, floor, folder / experiment.METRICS)


def two_digits(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.2f}"


def weights_of(study: Study, recipe: Recipe, outcome: Outcome) -> dict[str, Any]:
    """Everything needed to make the network again, and to test it again without training."""
    return {
        "schema": experiment.WEIGHTS_SCHEMA,
        "features": list(study.features),
        "packs": packs_of(study),
        "genres": list(study.genres),
        "recipe": dataclasses.asdict(recipe),
        "state": outcome.state,
        "curves": [dataclasses.astuple(row) for row in outcome.curves],
        "best_epoch": outcome.best_epoch,
    }


def metrics_of(study: Study, recipe: Recipe, outcome: Outcome, found: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The content of metrics.json. It has no times or paths, so the same run gives the same bytes.

    ``found`` has the probabilities (trailers, genres) of validation and test.
    """
    from trailers.classifier.metrics import floor, positives, scores_of, undefined
    from trailers.classifier.networks import parameters
    from trailers.classifier.training import network_for

    labels = {subset: study.labels_of(trailers) for subset, trailers in study.subsets.items()}
    lengths = np.concatenate([study.examples(subset).lengths for subset in SUBSETS])
    counted, genres = recipe.no_positives, study.genres
    return {
        "packs": packs_of(study),
        "settings": dataclasses.asdict(recipe),
        "parameters": parameters(network_for(recipe, study.features, len(study.genres))),
        **scores_of(labels["test"], found["test"], genres, no_positives=counted),
        "floor": floor(labels["train"], labels["test"], genres, no_positives=counted),
        "validation": scores_of(labels["validation"], found["validation"], genres, no_positives=counted)["metrics"],
        "epochs": len(outcome.curves),
        "best_epoch": outcome.best_epoch,
        "validation_loss": outcome.curves[outcome.best_epoch - 1].validation_loss,
        "trailers": {subset: len(trailers) for subset, trailers in study.subsets.items()},
        "positives": {subset: positives(labels[subset], genres) for subset in SUBSETS},
        "undefined": {subset: undefined(labels[subset], genres) for subset in SUBSETS},
        "short_trailers": int((lengths < recipe.snippet_clips).sum()),
        "complete": not any(left.reason == NO_EMBEDDING for left in study.left_out),
        "left_out": left_out_counts(study),
    }


def packs_of(study: Study) -> list[dict[str, Any]]:
    """The origin of the vectors, one entry per pack."""
    return [
        {"backbone": pack.backbone, "F": pack.features, "fingerprint": pack.fingerprint}
        | {key: str(pack.attributes.get(key, "")) for key in ("weights", "weights_sha256", "transform")}
        for pack in study.packs
    ]


def left_out_counts(study: Study) -> dict[str, Any]:
    """Reason -> number of trailers; for trailers without embeddings, also by subset and genre."""
    reasons = {reason: sum(left.reason == reason for left in study.left_out) for reason in study.reasons}
    missing = [left.trailer for left in study.left_out if left.reason == NO_EMBEDDING]
    by_subset = {subset: sum(t.splits[study.split] == code for t in missing) for code, subset in enumerate(SUBSETS)}
    by_genre = {genre: sum(genre in t.genres for t in missing) for genre in study.genres}
    return {**reasons, "no_embedding_by_subset": by_subset, "no_embedding_by_genre": by_genre}


def write_predictions(path: Path, study: Study, found: Mapping[str, np.ndarray]) -> None:
    rows = [
        [trailer.trailer, subset, *(f"{p:.8f}" for p in row), *(int(genre in trailer.genres) for genre in study.genres)]
        for subset, probabilities in found.items()
        for trailer, row in zip(study.subsets[subset], probabilities, strict=True)
    ]
    experiment.write_table(path, prediction_columns(study.genres), rows)


def write_curves(path: Path, curves: Sequence[Epoch]) -> None:
    rows = [
        [row.epoch, f"{row.learning_rate:.6g}", f"{row.train_loss:.8f}", f"{row.validation_loss:.8f}"] for row in curves
    ]
    experiment.write_table(path, ["epoch", "learning_rate", "train_loss", "validation_loss"], rows)


def write_left_out(path: Path, study: Study) -> None:
    rows = []
    for left in study.left_out:
        code = left.trailer.splits[study.split]
        subset = "" if code is None else SUBSETS[code]
        reason = f"{left.reason}: {' '.join(left.flags)}" if left.flags else left.reason
        rows.append([left.trailer.trailer, reason, left.backbone, subset, ";".join(left.trailer.genres)])
    experiment.write_table(path, ["trailer", "reason", "backbone", "subset", "genres"], rows)
