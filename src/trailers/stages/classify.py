"""Train a genre classifier on one split and test it on all snippets (Sec. 5, 6).

in   manifest                                    genres and split of every trailer
     results/pack/.../{backbone}.h5              one or more packs of embeddings
out  results/classify/{experiment}/split{N}/     metrics.json (last), predictions.csv, curves.csv, left_out.csv,
                                                 weights.pt; checkpoint.pt while it trains
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trailers.domain import GENRES, SPLITS, SUBSETS, Trailer
from trailers.errors import ConfigError, StoreError
from trailers.machine.device import choose_device
from trailers.machine.gpu import exact_float32, gpu_failures
from trailers.machine.memory import keep_freed_memory
from trailers.machine.threads import job_cores
from trailers.settings import add_flags as add_setting_flags
from trailers.settings import from_flags, setting
from trailers.stages.stage import Problem, own_files
from trailers.store import experiment
from trailers.store.experiment_files import check_experiment, files_of
from trailers.store.fingerprint import fingerprint
from trailers.store.layout import Layout
from trailers.store.manifest import read_manifest
from trailers.store.pack import Pack, check_finite, open_pack
from trailers.store.videos import shared_videos, split_apart, tell_shared

if TYPE_CHECKING:
    import torch

    from trailers.classifier.recipe import Recipe
    from trailers.classifier.snippets import Examples
    from trailers.classifier.training import Epoch, Outcome, Training

log = logging.getLogger(__name__)

SCHEMA = "classify/3"

# Where the paper's text and the authors' published code differ.
PRESETS: dict[str, dict[str, Any]] = {
    "authors": {
        "optimiser": "adamw_amsgrad",
        "weight_decay": 0.01,
        "plateau_epochs": 10,
        "stop_epochs": 20,
        "batch_norm": True,
        "short_snippets": "zeros",
        "validation_loss": "snippets",
        "no_positives": "sklearn",
    },
    "paper": {
        "optimiser": "adam",
        "weight_decay": 0.0,
        "plateau_epochs": 20,
        # The text stops "on the validation loss" without saying when; with a plateau of 20 epochs
        # an earlier stop would leave the lower learning rates unused.
        "stop_epochs": 0,
        "batch_norm": False,
        "short_snippets": "masked",
        # The text says "on the validation loss" and no more; this is the loss of what is tested.
        "validation_loss": "trailers",
        "no_positives": "left_out",
    },
}

# Why a trailer takes no part.
REASONS = NO_GENRES, NO_SPLIT, NO_EMBEDDING = "no_genres", "no_split", "no_embedding"


@dataclass(frozen=True)
class Settings:
    """what shapes a classifier"""

    preset: str = setting("authors or paper: values of the settings that are null")
    aggregation: str = setting("transformer, gru, conv, average or ctt")
    fusion: str = setting("late or early: several backbones by the mean of logits or by concatenated vectors")
    seed: int = setting("of initial weights, snippets, order and dropout")
    epochs: int = setting("at most")
    batch_trailers: int = setting("trailers a batch")
    learning_rate: float = setting("initial")
    snippet_clips: int = setting("clips a snippet")
    optimiser: str | None = setting("adamw_amsgrad, adamw or adam; null: the preset's")
    weight_decay: float | None = setting("null: the preset's")
    plateau_epochs: int | None = setting(
        "epochs without a better validation loss before the learning rate falls; null: the preset's"
    )
    plateau_factor: float = setting("that the learning rate is then multiplied with")
    stop_epochs: int | None = setting(
        "epochs without a better validation loss before it stops, 0 never; null: the preset's"
    )
    batch_norm: bool | None = setting("of each backbone's vectors before aggregation; null: the preset's")
    short_snippets: str | None = setting(
        "zeros: filled with zero vectors that count as clips; masked; null: the preset's"
    )
    validation_loss: str | None = setting(
        "snippets: of every snippet's own prediction; trailers: of a trailer's mean probabilities; null: the preset's"
    )
    no_positives: str | None = setting(
        "genres without positives: left_out of the means, or sklearn, as scikit-learn counts them; null: the preset's"
    )


@dataclass(frozen=True)
class Effort:
    """what does not"""

    device: str = setting("auto, cpu or cuda")
    checkpoint_s: float = setting("seconds between checkpoints: what kill -9 costs at most")


def recipe_of(settings: Settings) -> Recipe:
    """The settings with the preset's values where they are null.

    Raises:
        ConfigError: a value that a setting cannot have.
    """
    from trailers.classifier.networks import AGGREGATIONS, FUSIONS
    from trailers.classifier.recipe import Recipe

    for name, known in (("preset", PRESETS), ("aggregation", AGGREGATIONS), ("fusion", FUSIONS)):
        if getattr(settings, name) not in known:
            raise ConfigError(
                f"classify.{name} is one of {', '.join(known)}, not '{getattr(settings, name)}'. "
                "Correct it in config.yaml."
            )
    values = {
        key: value for key, value in dataclasses.asdict(settings).items() if value is not None and key != "preset"
    }
    return Recipe(**{**PRESETS[settings.preset], **values})


@dataclass(frozen=True)
class LeftOut:
    """A trailer of the manifest that takes no part, and why."""

    trailer: Trailer
    reason: str
    backbone: str = ""


@dataclass(frozen=True)
class Study:
    """One split of a manifest, with the packs that hold its embeddings."""

    packs: tuple[Pack, ...]
    split: int
    subsets: dict[str, list[Trailer]]  # train, validation, test; each in the manifest's order
    left_out: list[LeftOut]

    def examples(self, subset: str) -> Examples:
        from trailers.classifier.snippets import Examples

        trailers = self.subsets[subset]
        tables = tuple(pack.vectors for pack in self.packs)
        rows = [rows_of(pack, trailers) for pack in self.packs]
        lengths = np.diff(self.packs[0].offsets)[rows[0]]
        firsts = tuple(pack.offsets[chosen] for pack, chosen in zip(self.packs, rows, strict=True))
        return Examples(tables, firsts, lengths, labels_of(trailers))

    @property
    def features(self) -> tuple[int, ...]:
        return tuple(pack.features for pack in self.packs)


def rows_of(pack: Pack, trailers: Sequence[Trailer]) -> np.ndarray:
    row = {trailer: number for number, trailer in enumerate(pack.trailers)}
    return np.array([row[trailer.trailer] for trailer in trailers], np.int64)


def labels_of(trailers: Sequence[Trailer]) -> np.ndarray:
    """Float32 (trailers, 10): 1 where the trailer has the genre."""
    rows = [[genre in trailer.genres for genre in GENRES] for trailer in trailers]
    return np.array(rows, np.float32).reshape(-1, len(GENRES))


def make_study(trailers: Sequence[Trailer], packs: Sequence[Pack], split: int) -> Study:
    """Who learns, who validates, who tests, and who is left out.

    Raises:
        StoreError: the packs do not belong together.
        ConfigError: a subset has no trailer.
    """
    check_packs(packs)
    held = {pack.backbone: set(pack.trailers) for pack in packs}
    subsets: dict[str, list[Trailer]] = {subset: [] for subset in SUBSETS}
    left_out = []
    for trailer in trailers:
        code = trailer.splits[split]
        missing = [backbone for backbone, ids in held.items() if trailer.trailer not in ids]
        if not trailer.genres:
            left_out.append(LeftOut(trailer, NO_GENRES))
        elif code is None:
            left_out.append(LeftOut(trailer, NO_SPLIT))
        elif missing:
            left_out.append(LeftOut(trailer, NO_EMBEDDING, missing[0]))
        else:
            subsets[SUBSETS[code]].append(trailer)
    check_lengths(packs, subsets)
    for subset, members in subsets.items():
        if not members:
            raise ConfigError(
                f"split {split} has no {subset} trailer with genres and embeddings ({len(left_out)} of {len(trailers)} "
                f"are left out). Give trailers genres and split{split} in the manifest, or run the stages before."
            )
    return Study(tuple(packs), split, subsets, left_out)


def check_packs(packs: Sequence[Pack]) -> None:
    first = packs[0]
    for pack in packs[1:]:
        if pack.clips != first.clips:
            raise StoreError(
                f"{pack.path}: clips are {pack.clips}, but {first.clips} in {first.path}. "
                "One experiment has one clip strategy."
            )
    names = [pack.backbone for pack in packs]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise ConfigError(f"--packs: backbone {double[0]} stands twice. Name each pack once.")
    for pack in packs:
        check_finite(pack)


def check_lengths(packs: Sequence[Pack], subsets: Mapping[str, Sequence[Trailer]]) -> None:
    trailers = [trailer for members in subsets.values() for trailer in members]
    first, *others = packs
    lengths = np.diff(first.offsets)[rows_of(first, trailers)]
    for pack in others:
        found = np.diff(pack.offsets)[rows_of(pack, trailers)]
        for i in np.flatnonzero(found != lengths)[:1]:
            raise StoreError(
                f"{pack.path}: {trailers[i].trailer} has {found[i]} clips, but {lengths[i]} in {first.path}. "
                "Their embeddings come from different clips: run the stages embed and pack again."
            )


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--manifest", type=Path, required=True, help="CSV of trailers with genres and splits")
    parser.add_argument("--packs", type=Path, nargs="+", required=True, help="a pack for each backbone")
    parser.add_argument("--experiment", required=True, metavar="NAME", help="recorded in the metrics")
    parser.add_argument("--split", type=int, choices=SPLITS, required=True)
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="where the five files go")
    parser.add_argument(
        "--threads", type=int, metavar="N", help="processor cores to use; the numbers stay the same (the job's)"
    )
    add_setting_flags(parser, Settings, "classify")
    add_setting_flags(parser, Effort, "classify")


def run(arguments: argparse.Namespace) -> None:
    settings, effort = from_flags(Settings, arguments), from_flags(Effort, arguments)
    recipe = recipe_of(settings)
    packs = [open_pack(path) for path in arguments.packs]
    trailers = read_manifest(arguments.manifest, links=False)
    study = make_study(trailers, packs, arguments.split)
    log_study(study, recipe)
    log_shared(trailers, arguments.manifest.parent, arguments.split)
    keep_freed_memory()
    with prepared_torch(effort.device, arguments.threads) as device, gpu_failures("classify", halving=False):
        outcome = trained(study, recipe, device, arguments.output, effort.checkpoint_s)
        write_products(arguments.output, arguments.experiment, study, settings, recipe, outcome, device)


@contextlib.contextmanager
def prepared_torch(name: str, threads: int | None) -> Iterator[torch.device]:
    """The device ``name`` asks for; inside, the same run gives the same numbers, by ``threads`` or the job's cores."""
    # cuBLAS reads this when it starts; without it, its products differ from run to run.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    from trailers.classifier.products import fastest_products

    device = torch.device(choose_device(name, setting="classify.device"))
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    memory: Any = torch.utils.deterministic
    fills = memory.fill_uninitialized_memory
    try:
        torch.set_num_threads(job_cores() if threads is None else max(1, threads))
        torch.use_deterministic_algorithms(True)
        # Every new tensor would be filled first, against code that reads what it has not written.
        memory.fill_uninitialized_memory = False
        with exact_float32(), fastest_products():
            yield device
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
        memory.fill_uninitialized_memory = fills


def mark_of(study: Study, recipe: Recipe) -> str:
    """The fingerprint of what ``recipe`` makes of ``study``."""
    labels = {subset: [[t.trailer, *t.genres] for t in trailers] for subset, trailers in study.subsets.items()}
    packs = [f"{pack.backbone} {pack.fingerprint}" for pack in study.packs]
    return fingerprint(SCHEMA, {"recipe": dataclasses.asdict(recipe), "labels": labels}, *packs)


def log_shared(trailers: Sequence[Trailer], folder: Path, split: int) -> None:
    """Say which trailers of different subsets have the same video: what is tested was then trained on."""
    for group in shared_videos(trailers, folder):
        if split in split_apart(group):
            log.warning("classify: %s", tell_shared(group, split))


def log_study(study: Study, recipe: Recipe) -> None:
    """Say before training starts who is there, who is not, and what cannot be measured."""
    from trailers.classifier.metrics import undefined

    counts = ", ".join(f"{len(trailers)} {subset}" for subset, trailers in study.subsets.items())
    names = " + ".join(f"{pack.backbone} (F {pack.features})" for pack in study.packs)
    log.info("classify: split %d: %s trailers", study.split, counts)
    log.info("classify: %s on %s, %s", recipe.aggregation, names, study.packs[0].clips)
    for reason in REASONS:
        named = [left.trailer.trailer for left in study.left_out if left.reason == reason]
        if named:
            shown = ", ".join(named[:5]) + (", ..." if len(named) > 5 else "")
            log.warning("classify: %d trailers are left out, %s: %s (all in left_out.csv)", len(named), reason, shown)
    for subset, trailers in study.subsets.items():
        missing = undefined(labels_of(trailers), GENRES)
        if missing:
            what = "nothing to learn from" if subset == "train" else "not measured there"
            log.warning("classify: split %d has no %s trailer of %s: %s", study.split, subset, ", ".join(missing), what)


def trained(study: Study, recipe: Recipe, device: torch.device, folder: Path, checkpoint_s: float) -> Outcome:
    """The outcome of the training, taken from the files of ``folder`` as far as they go."""
    from trailers.classifier.training import train

    mark = mark_of(study, recipe)
    finished = trained_before(recipe, study, folder / experiment.WEIGHTS, mark)
    if finished is not None:
        return finished
    training = started(recipe, study, device, experiment.load_checkpoint(folder / experiment.CHECKPOINT, mark))
    kept = time.monotonic()

    def keep(training: Training) -> None:
        nonlocal kept
        if time.monotonic() - kept >= checkpoint_s and not training.finished:
            experiment.save_state(folder / experiment.CHECKPOINT, {"fingerprint": mark, **training.state()})
            kept = time.monotonic()

    return train(training, study.examples("train"), study.examples("validation"), keep=keep)


def trained_before(recipe: Recipe, study: Study, path: Path, mark: str) -> Outcome | None:
    """The outcome that an earlier run left at ``path``; None when there is none that fits."""
    from trailers.classifier.training import Epoch, Outcome, check_state

    found = experiment.find_weights(path, mark)
    if found is None:
        return None
    try:
        check_state(recipe, study.features, len(GENRES), found.state)
    except ValueError as problem:
        log.warning("%s: does not fit: %s. It is trained again.", path, problem)
        return None
    log.info("classify: %s is there: tested again, not trained again", path)
    return Outcome(dict(found.state), [Epoch(*row) for row in found.curves], found.best_epoch)


def started(recipe: Recipe, study: Study, device: torch.device, state: dict[str, Any] | None) -> Training:
    """A training as the checkpoint ``state`` left it, or from its beginning."""
    from trailers.classifier.training import Training

    training = Training(recipe, study.features, len(GENRES), device)
    if state is None:
        return training
    try:
        training.restore(state)
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, IndexError) as problem:
        log.warning("classify: the checkpoint does not fit, so it starts again: %s", problem)
        return Training(recipe, study.features, len(GENRES), device)
    log.info("classify: goes on after epoch %d of its checkpoint", len(training.curves))
    return training


def write_products(
    folder: Path, name: str, study: Study, settings: Settings, recipe: Recipe, outcome: Outcome, device: torch.device
) -> None:
    """Test the best epoch and write everything, metrics.json last."""
    from trailers.classifier.training import network_for, predict

    network = network_for(recipe, study.features, len(GENRES)).to(device)
    network.load_state_dict(outcome.state)
    found = {subset: predict(network, study.examples(subset), recipe, device) for subset in ("validation", "test")}
    common: dict[str, Any] = {
        "fingerprint": mark_of(study, recipe),
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
    """Enough to make the network again, and to test it again without training."""
    return {
        "schema": experiment.WEIGHTS_SCHEMA,
        "features": list(study.features),
        "packs": packs_of(study),
        "genres": list(GENRES),
        "recipe": dataclasses.asdict(recipe),
        "state": outcome.state,
        "curves": [dataclasses.astuple(row) for row in outcome.curves],
        "best_epoch": outcome.best_epoch,
    }


def metrics_of(study: Study, recipe: Recipe, outcome: Outcome, found: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What metrics.json says; no time and no path in it, so the same run gives the same bytes.

    ``found`` has the probabilities (trailers, genres) of validation and test.
    """
    from trailers.classifier.metrics import floor, positives, scores_of, undefined
    from trailers.classifier.networks import parameters
    from trailers.classifier.training import network_for

    labels = {subset: labels_of(trailers) for subset, trailers in study.subsets.items()}
    lengths = np.concatenate([study.examples(subset).lengths for subset in SUBSETS])
    counted = recipe.no_positives
    return {
        "packs": packs_of(study),
        "settings": dataclasses.asdict(recipe),
        "parameters": parameters(network_for(recipe, study.features, len(GENRES))),
        **scores_of(labels["test"], found["test"], GENRES, no_positives=counted),
        "floor": floor(labels["train"], labels["test"], GENRES, no_positives=counted),
        "validation": scores_of(labels["validation"], found["validation"], GENRES, no_positives=counted)["metrics"],
        "epochs": len(outcome.curves),
        "best_epoch": outcome.best_epoch,
        "validation_loss": outcome.curves[outcome.best_epoch - 1].validation_loss,
        "trailers": {subset: len(trailers) for subset, trailers in study.subsets.items()},
        "positives": {subset: positives(labels[subset], GENRES) for subset in SUBSETS},
        "undefined": {subset: undefined(labels[subset], GENRES) for subset in SUBSETS},
        "short_trailers": int((lengths < recipe.snippet_clips).sum()),
        "complete": not any(left.reason == NO_EMBEDDING for left in study.left_out),
        "left_out": left_out_counts(study),
    }


def packs_of(study: Study) -> list[dict[str, Any]]:
    """What the vectors can be traced to."""
    return [
        {"backbone": pack.backbone, "F": pack.features, "fingerprint": pack.fingerprint}
        | {key: str(pack.attributes.get(key, "")) for key in ("weights", "weights_sha256", "transform")}
        for pack in study.packs
    ]


def left_out_counts(study: Study) -> dict[str, Any]:
    """Reason -> how many; of those without embeddings also by subset and genre."""
    reasons = {reason: sum(left.reason == reason for left in study.left_out) for reason in REASONS}
    missing = [left.trailer for left in study.left_out if left.reason == NO_EMBEDDING]
    by_subset = {subset: sum(t.splits[study.split] == code for t in missing) for code, subset in enumerate(SUBSETS)}
    by_genre = {genre: sum(genre in t.genres for t in missing) for genre in GENRES}
    return {**reasons, "no_embedding_by_subset": by_subset, "no_embedding_by_genre": by_genre}


def write_predictions(path: Path, study: Study, found: Mapping[str, np.ndarray]) -> None:
    rows = [
        [trailer.trailer, subset, *(f"{p:.8f}" for p in row), *(int(genre in trailer.genres) for genre in GENRES)]
        for subset, probabilities in found.items()
        for trailer, row in zip(study.subsets[subset], probabilities, strict=True)
    ]
    experiment.write_table(path, ["trailer", "subset", *GENRES, *(f"is_{genre}" for genre in GENRES)], rows)


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
        rows.append([left.trailer.trailer, left.reason, left.backbone, subset, ";".join(left.trailer.genres)])
    experiment.write_table(path, ["trailer", "reason", "backbone", "subset", "genres"], rows)


def products(layout: Layout) -> list[Path]:
    """The metrics.json of every finished training on disk."""
    return own_files(layout.root / "classify", f"*/*/{experiment.METRICS}")


def problems(path: Path) -> Iterator[Problem]:
    """What is wrong with the training whose metrics.json is ``path``; it is made again when that file goes."""
    for file in files_of(path):
        try:
            check_experiment(path.parent, file.name)
        except StoreError as problem:
            yield Problem(file, problem.what, (file, path) if file != path else (path,))
            if file == path:
                return
