"""Training with early stopping on the validation loss, and testing on all snippets (Sec. 5, 6).

All random numbers of an epoch are drawn from (seed, epoch) alone. So a run that is resumed after any epoch gives the
same result as an uninterrupted one.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trailers.classifier.metrics import cross_entropy
from trailers.classifier.networks import make_network
from trailers.classifier.parts import Learner
from trailers.classifier.recipe import MASKED, OF_TRAILERS, OPTIMISERS, Recipe
from trailers.classifier.snippets import (
    Examples,
    Snippets,
    gather,
    read_ahead,
    room_for,
    test_snippets,
    training_snippets,
)
from trailers.errors import SystemicError
from trailers.machine.threads import single_threads

log = logging.getLogger(__name__)

TEST_BATCH = {"cpu": 32, "cuda": 1024}  # snippets; 32 stay in the cache of a CPU (measured)


@dataclass(frozen=True)
class Epoch:
    """One row of the learning curves; epochs count from 1."""

    epoch: int
    learning_rate: float
    train_loss: float
    validation_loss: float


@dataclass(frozen=True)
class Outcome:
    """The weights of the best epoch, and the learning curves."""

    state: dict[str, Tensor]
    curves: list[Epoch]
    best_epoch: int


def network_for(recipe: Recipe, features: Sequence[int], genres: int) -> nn.Module:
    """A network with the initial weights of ``recipe.seed``; the caller's random generator is not changed."""
    with seeded(recipe.seed, 0, torch.device("cpu")):
        return make_network(
            features, genres, aggregation=recipe.aggregation, fusion=recipe.fusion, batch_norm=recipe.batch_norm
        )


def check_state(recipe: Recipe, features: Sequence[int], genres: int, state: Mapping[str, Tensor]) -> None:
    """Raises ValueError with the name of the first tensor in which ``state`` differs from the network of ``recipe``.

    It allocates no memory for the network, so invented sizes in ``features`` do no harm.
    """
    with torch.device("meta"):
        wanted = network_for(recipe, features, genres).state_dict()
    for name in sorted(wanted.keys() | state.keys()):
        if name not in wanted or name not in state:
            raise ValueError(f"'{name}' is {'unknown' if name in state else 'missing'}")
        expected, found = ((value[name].dtype, tuple(value[name].shape)) for value in (wanted, state))
        if found != expected:
            raise ValueError(f"'{name}' is {found[0]} {found[1]}, expected {expected[0]} {expected[1]}")


@contextlib.contextmanager
def seeded(seed: int, epoch: int, device: torch.device) -> Iterator[None]:
    """Inside, torch's random numbers are those of ``epoch`` and ``seed``."""
    (number,) = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(number))
        yield


class Training:
    """A training between two epochs; ``state`` and ``restore`` save it and resume it after a restart."""

    def __init__(self, recipe: Recipe, features: Sequence[int], genres: int, device: torch.device) -> None:
        self.recipe = recipe
        self.device = device
        self.network = network_for(recipe, features, genres).to(device)
        self.optimiser = OPTIMISERS[recipe.optimiser](
            self.network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
        )
        self.schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimiser, factor=recipe.plateau_factor, patience=recipe.plateau_epochs
        )
        self.curves: list[Epoch] = []
        self.best_epoch = 0
        self.best_state: dict[str, Tensor] = {}

    @property
    def finished(self) -> bool:
        done, stop = len(self.curves), self.recipe.stop_epochs
        return done >= self.recipe.epochs or bool(stop and self.best_epoch and done - self.best_epoch >= stop)

    def state(self) -> dict[str, Any]:
        """Tensors and plain values, for torch.save."""
        return {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "curves": [[row.epoch, row.learning_rate, row.train_loss, row.validation_loss] for row in self.curves],
            "best_epoch": self.best_epoch,
            "best_state": self.best_state,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from a value of ``state``.

        Raises:
            KeyError, TypeError, ValueError, RuntimeError, AttributeError, IndexError: it does not fit.
        """
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.curves = [Epoch(*row) for row in state["curves"]]
        self.best_epoch = state["best_epoch"]
        self.best_state = {key: value.cpu() for key, value in state["best_state"].items()}
        shapes = {key: value.shape for key, value in self.network.state_dict().items()}
        if {key: value.shape for key, value in self.best_state.items()} != shapes:
            raise ValueError("the weights of its best epoch belong to another network")
        if not 1 <= self.best_epoch <= len(self.curves):
            raise ValueError(f"its best epoch is {self.best_epoch} of {len(self.curves)}")

    def run_epoch(self, train: Examples, validation: Examples) -> Epoch:
        """One pass over the training trailers, then the validation loss and the changes that depend on it."""
        number = len(self.curves) + 1
        rate = float(self.optimiser.param_groups[0]["lr"])
        with seeded(self.recipe.seed, number, self.device):
            train_loss = self.learn(train, np.random.default_rng([self.recipe.seed, number]))
        validation_loss = validation_loss_of(self.network, validation, self.recipe, self.device)
        if not (math.isfinite(train_loss) and math.isfinite(validation_loss)):
            raise SystemicError(
                f"classify: the loss is {train_loss} (train), {validation_loss} (validation) in epoch {number}. "
                "Lower classify.learning_rate, or check the embeddings."
            )
        row = Epoch(number, rate, train_loss, validation_loss)
        if not self.curves or validation_loss < self.curves[self.best_epoch - 1].validation_loss:
            self.best_epoch = number
            self.best_state = {key: value.detach().cpu().clone() for key, value in self.network.state_dict().items()}
        self.curves.append(row)
        self.schedule.step(validation_loss)
        return row

    def learn(self, train: Examples, random: np.random.Generator) -> float:
        """Mean loss of one pass over ``train``, with one snippet per trailer."""
        snippets = training_snippets(train.lengths, clips=self.recipe.snippet_clips, random=random)
        seed = self.recipe.seed, len(self.curves) + 1
        return Learner(self.network, self.optimiser, self.recipe, self.device, train, snippets, seed).learn()


def batches(
    examples: Examples, snippets: Snippets, recipe: Recipe, size: int, device: torch.device
) -> Iterator[tuple[int, list[Tensor], Tensor | None]]:
    """Position of the first snippet, vectors of each backbone (snippets, clips, F), counts for the networks.

    All batches use the same memory, so a batch is valid only until the next one is requested. While the network
    computes, the system reads the next batch from disk; a thread for that would take cores from the network.
    """
    room = room_for(examples, min(size, len(snippets)), clips=recipe.snippet_clips)
    for first in range(0, len(snippets), size):
        read_ahead(examples, snippets[first + size : first + 2 * size])
        some = snippets[first : first + size]
        vectors = gather(examples, some, clips=recipe.snippet_clips, into=room)
        masked = recipe.short_snippets == MASKED and bool((some.counts < recipe.snippet_clips).any())
        yield (
            first,
            [torch.from_numpy(table).to(device) for table in vectors],
            torch.from_numpy(some.counts).to(device) if masked else None,
        )


def predict(network: nn.Module, examples: Examples, recipe: Recipe, device: torch.device) -> np.ndarray:
    """Float64 (trailers, genres): the plain mean, over all snippets of a trailer, of their probabilities."""
    return mean_of_snippets(*predict_snippets(network, examples, recipe, device))


def mean_of_snippets(probabilities: np.ndarray, snippets: Snippets) -> np.ndarray:
    """Float64 (trailers, genres) from the probabilities (snippets, genres) of all snippets, trailer by trailer."""
    if not len(snippets):
        return probabilities
    firsts = np.flatnonzero(np.diff(snippets.trailers, prepend=-1))
    sums: np.ndarray = np.add.reduceat(probabilities, firsts)
    return sums / np.diff(firsts, append=len(snippets))[:, None]


def predict_snippets(
    network: nn.Module, examples: Examples, recipe: Recipe, device: torch.device
) -> tuple[np.ndarray, Snippets]:
    """Float64 (snippets, genres): the probabilities of every snippet of every trailer, and the snippets.

    On a CPU one thread computes each batch, so the results do not depend on the number of threads.
    """
    snippets = test_snippets(examples.lengths, clips=recipe.snippet_clips)
    if not len(snippets):
        return np.zeros((0, examples.labels.shape[1])), snippets
    size = TEST_BATCH[device.type]
    network.eval()

    def probabilities_of(firsts: np.ndarray) -> Tensor:
        some = snippets[firsts[0] : firsts[-1] + size]
        with torch.inference_mode():
            found = [network(batch, counts) for _, batch, counts in batches(examples, some, recipe, size, device)]
            return torch.sigmoid(torch.cat(found).double()).cpu()

    threads = torch.get_num_threads() if device.type == "cpu" else 1
    shares = np.array_split(np.arange(0, len(snippets), size), threads)
    with single_threads(threads) as pool:
        found = list(pool.map(probabilities_of, filter(len, shares)))
    return torch.cat(found).numpy(), snippets


def validation_loss_of(network: nn.Module, examples: Examples, recipe: Recipe, device: torch.device) -> float:
    """The loss that determines the best epoch, the learning rate and the end of training.

    ``snippets``, as in the authors' code: the binary cross entropy of each snippet's prediction, averaged over the
    snippets of a batch of trailers, then over batches with equal weights.
    ``trailers``: the binary cross entropy of a trailer's mean probabilities, which are also what testing evaluates.
    """
    probabilities, snippets = predict_snippets(network, examples, recipe, device)
    if recipe.validation_loss == OF_TRAILERS:
        return cross_entropy(examples.labels, mean_of_snippets(probabilities, snippets))
    labels, batch = examples.labels[snippets.trailers], snippets.trailers // recipe.batch_trailers
    rows = [batch == number for number in range(int(batch[-1]) + 1)]
    return float(np.mean([cross_entropy(labels[chosen], probabilities[chosen]) for chosen in rows]))


def train(
    training: Training, examples: Examples, validation: Examples, *, keep: Callable[[Training], None] = lambda _: None
) -> Outcome:
    """Run epochs until ``training`` is finished; ``keep`` is called after each."""
    while not training.finished:
        started = time.monotonic()
        row = training.run_epoch(examples, validation)
        seconds = time.monotonic() - started
        log.info(
            "classify: epoch %d/%d: loss %.4f train, %.4f validation%s, learning rate %.2g (%.1f s, %.0f trailers/s)",
            row.epoch, training.recipe.epochs, row.train_loss, row.validation_loss,
            " (best)" if training.best_epoch == row.epoch else "", row.learning_rate, seconds, len(examples) / seconds,
        )  # fmt: skip
        keep(training)
    return Outcome(copy.copy(training.best_state), training.curves, training.best_epoch)
