"""One pass over the training trailers, each batch computed in parts of a fixed size.

One thread computes each part, for any number of threads. The means, variances, losses and gradients of the parts are
added in their order, and the dropout of a part is drawn from (seed, epoch, batch, part). So the results do not depend
on the number of threads, and the cores of a CPU need not wait for each other within a product.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trailers.classifier.moments import Moments, moments_of, together
from trailers.classifier.networks import ClipNorm
from trailers.classifier.recipe import MASKED, Recipe
from trailers.classifier.snippets import Examples, Snippets, gather, read_ahead, room_for
from trailers.machine.threads import single_threads

# Half a batch. Every part reads all weights and writes all gradients, so smaller parts cost more than additional
# threads gain: with a quarter of a batch, a trailer took 25 % longer (measured).
PART_TRAILERS = 16


@dataclass(frozen=True)
class Part:
    """Consecutive snippets of a batch."""

    vectors: list[Tensor]  # (snippets, clips, F) of each backbone
    counts: Tensor | None
    wanted: Tensor  # (snippets, genres)
    moments: list[Moments]  # of each backbone; empty if the network has no batch norm


class Learner:
    """Steps of the optimiser over the batches of one epoch.

    Args:
        seed: of dropout; the numbers of batch and part are appended to it.
    """

    def __init__(
        self, network: nn.Module, optimiser: torch.optim.Optimizer, recipe: Recipe, device: torch.device,
        examples: Examples, snippets: Snippets, seed: Sequence[int],
    ) -> None:  # fmt: skip
        self.network, self.optimiser, self.recipe, self.device = network, optimiser, recipe, device
        self.examples, self.snippets, self.seed = examples, snippets, list(seed)
        self.parameters = list(network.parameters())
        self.normalises = any(isinstance(module, ClipNorm) for module in network.modules())
        self.room = room_for(examples, min(recipe.batch_trailers, len(snippets)), clips=recipe.snippet_clips)
        self.on_processor = device.type == "cpu"

    def learn(self) -> float:
        """The mean loss of the trailers."""
        self.network.train()
        firsts = range(0, len(self.snippets), self.recipe.batch_trailers)
        losses = torch.zeros((), device=self.device)
        try:
            with single_threads(self.threads()) as pool:
                gathered = self.gather(pool, 0)
                for number, first in enumerate(firsts):
                    parts = [part.result() for part in gathered]
                    losses += self.differentiate(pool, number, parts)
                    # One thread takes the step while the others gather the next batch, in the same memory.
                    step = pool.submit(self.optimiser.step)
                    gathered = self.gather(pool, first + self.recipe.batch_trailers)
                    step.result()
        finally:
            self.network.take_moments(None)  # type: ignore[operator]
        return float(losses) / len(self.snippets)

    def threads(self) -> int:
        """The number of torch's threads, limited to the parts of a batch. On a GPU a batch has one part."""
        parts = len(list(self.spans(0)))
        return min(torch.get_num_threads(), parts) if self.on_processor else 1

    def spans(self, first: int) -> Iterator[tuple[int, int]]:
        """Start and end of each part of the batch that starts with snippet ``first``."""
        end = min(first + self.recipe.batch_trailers, len(self.snippets))
        size = PART_TRAILERS if self.on_processor else self.recipe.batch_trailers
        for begin in range(first, end, size):
            yield begin, min(begin + size, end)

    def gather(self, pool: ThreadPoolExecutor, first: int) -> list[Future[Part]]:
        """Start to gather the parts of a batch; the system starts to read the following batch from disk."""
        size = self.recipe.batch_trailers
        read_ahead(self.examples, self.snippets[first + size : first + 2 * size])
        return [pool.submit(self.part, first, begin, end) for begin, end in self.spans(first)]

    def part(self, first: int, begin: int, end: int) -> Part:
        some, clips = self.snippets[begin:end], self.recipe.snippet_clips
        room = [table[begin - first : end - first] for table in self.room]
        vectors = [torch.from_numpy(table) for table in gather(self.examples, some, clips=clips, into=room)]
        vectors = [table.to(self.device) for table in vectors]
        masked = self.recipe.short_snippets == MASKED and bool((some.counts < clips).any())
        counts = torch.from_numpy(some.counts).to(self.device) if masked else None
        wanted = torch.from_numpy(self.examples.labels[some.trailers]).to(self.device)
        return Part(vectors, counts, wanted, [moments_of(x, counts) for x in vectors] if self.normalises else [])

    def differentiate(self, pool: ThreadPoolExecutor, number: int, parts: Sequence[Part]) -> Tensor:
        """Set the gradients of a batch; returns the sum of its trailers' losses."""
        if self.normalises:
            self.network.take_moments([together(own) for own in zip(*(part.moments for part in parts), strict=True)])  # type: ignore[operator]
        trailers = sum(len(part.wanted) for part in parts)
        found = [pool.submit(self.gradients, part, trailers, number, own) for own, part in enumerate(parts)]
        loss, total = found[0].result()
        for other_loss, gradients in (future.result() for future in found[1:]):
            loss = loss + other_loss
            for gradient, other in zip(total, gradients, strict=True):
                gradient.add_(other)
        for parameter, gradient in zip(self.parameters, total, strict=True):
            parameter.grad = gradient
        return loss * trailers

    def gradients(self, part: Part, trailers: int, batch: int, own: int) -> tuple[Tensor, list[Tensor]]:
        """The share of one part in the loss and in each gradient of a batch of ``trailers`` trailers."""
        random = np.random.default_rng([*self.seed, batch, own]) if self.on_processor else None
        logits = self.network(part.vectors, part.counts, random)
        loss = F.binary_cross_entropy_with_logits(logits, part.wanted, reduction="sum")
        loss = loss / (trailers * part.wanted.shape[1])
        return loss.detach(), list(torch.autograd.grad(loss, self.parameters))
