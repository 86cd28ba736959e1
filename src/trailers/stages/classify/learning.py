"""Training on a study, which continues after a restart from the files of weights and checkpoint."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trailers.domain import GENRES
from trailers.machine.device import choose_device
from trailers.machine.gpu import exact_float32
from trailers.machine.threads import job_cores
from trailers.stages.classify.study import Study
from trailers.store import experiment
from trailers.store.fingerprint import fingerprint

if TYPE_CHECKING:
    import torch

    from trailers.classifier.recipe import Recipe
    from trailers.classifier.training import Outcome, Training

log = logging.getLogger(__name__)

SCHEMA = "classify/3"


@contextlib.contextmanager
def prepared_torch(name: str, threads: int | None) -> Iterator[torch.device]:
    """The device ``name``; in the block, torch is deterministic and uses ``threads``, or the job's cores."""
    # cuBLAS reads this when it starts; without it, matrix products differ from run to run.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    from trailers.classifier.products import fastest_products

    device = torch.device(choose_device(name, setting="classify.device"))
    before = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    memory: Any = torch.utils.deterministic
    fills = memory.fill_uninitialized_memory
    try:
        torch.set_num_threads(job_cores() if threads is None else max(1, threads))
        # The same as use_deterministic_algorithms(True), which takes three seconds to import torch's compiler.
        torch.set_deterministic_debug_mode("error")
        # Otherwise every new tensor would be filled, to protect code that reads uninitialised values.
        memory.fill_uninitialized_memory = False
        with exact_float32(), fastest_products():
            yield device
    finally:
        torch.set_num_threads(before[0])
        torch.set_deterministic_debug_mode(before[1])
        memory.fill_uninitialized_memory = fills


def training_fingerprint(study: Study, recipe: Recipe) -> str:
    """The fingerprint of a training with ``recipe`` on ``study``."""
    labels = {subset: [[t.trailer, *t.genres] for t in trailers] for subset, trailers in study.subsets.items()}
    packs = [f"{pack.backbone} {pack.fingerprint}" for pack in study.packs]
    # The paper's ten genres are left out, so that trainings made before other genres were possible stay valid.
    named = {} if study.genres == GENRES else {"genres": study.genres}
    return fingerprint(SCHEMA, {"recipe": dataclasses.asdict(recipe), "labels": labels, **named}, *packs)


def trained(study: Study, recipe: Recipe, device: torch.device, folder: Path, checkpoint_s: float) -> Outcome:
    """The outcome of the training; continues from the files in ``folder`` if they belong to it."""
    from trailers.classifier.training import train

    wanted = training_fingerprint(study, recipe)
    finished = trained_before(recipe, study, folder / experiment.WEIGHTS, wanted)
    if finished is not None:
        return finished
    training = started(recipe, study, device, experiment.load_checkpoint(folder / experiment.CHECKPOINT, wanted))
    kept = time.monotonic()

    def keep(training: Training) -> None:
        nonlocal kept
        if time.monotonic() - kept >= checkpoint_s and not training.finished:
            experiment.save_state(folder / experiment.CHECKPOINT, {"fingerprint": wanted, **training.state()})
            kept = time.monotonic()

    return train(training, study.examples("train"), study.examples("validation"), keep=keep)


def trained_before(recipe: Recipe, study: Study, path: Path, wanted: str) -> Outcome | None:
    """The outcome that an earlier run wrote to ``path``; None if there is none for this training."""
    from trailers.classifier.training import Epoch, Outcome, check_state

    found = experiment.find_weights(path, wanted)
    if found is None:
        return None
    try:
        check_state(recipe, study.features, len(study.genres), found.state)
    except ValueError as problem:
        log.warning("%s: does not fit this experiment: %s. The experiment is trained again.", path, problem)
        return None
    log.info("classify: %s exists: testing it again without training", path)
    return Outcome(dict(found.state), [Epoch(*row) for row in found.curves], found.best_epoch)


def started(recipe: Recipe, study: Study, device: torch.device, state: dict[str, Any] | None) -> Training:
    """A training as the checkpoint ``state`` left it, or from its beginning."""
    from trailers.classifier.training import Training

    training = Training(recipe, study.features, len(study.genres), device)
    if state is None:
        return training
    try:
        training.restore(state)
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, IndexError) as problem:
        log.warning("classify: the checkpoint does not fit this training (%s), so training starts again", problem)
        return Training(recipe, study.features, len(study.genres), device)
    log.info("classify: resuming after epoch %d of the checkpoint", len(training.curves))
    return training
