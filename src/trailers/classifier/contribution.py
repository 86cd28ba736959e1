"""The contribution of each clip of a trailer to each genre, and the genre probabilities over time.

Method: leave-one-clip-out. The vector of one clip is replaced by the mean of the other clips of its snippet, and the
snippet is tested again; the decrease of a genre is the contribution of the clip. The snippet keeps its length, and the
other clips keep their places, so the method is the same for every aggregation, fusion and number of backbones. A clip
that resembles several others contributes little, because they support the genre without it.

Contributions are given in two units:

probability   of the trailer, as ``training.predict`` gives it: the mean over its snippets. The contribution of a
              clip in one of three snippets is therefore a third of the decrease of its snippet.
logit         of the clip's snippet alone. It also distinguishes clips if the probability is close to 0 or 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn

from trailers.classifier.recipe import MASKED, Recipe

BATCH_NUMBERS = 1 << 24  # float32 values in one batch: 64 MiB


@dataclass(frozen=True)
class Explanation:
    """Probabilities and contributions of one trailer. Snippet i has the clips [starts[i], ends[i])."""

    probabilities: np.ndarray  # float64 (genres,): of the trailer, as in predictions.csv
    starts: np.ndarray  # int64 (snippets,)
    ends: np.ndarray  # int64 (snippets,)
    snippets: np.ndarray  # float32 (snippets, genres): probabilities
    contributions: np.ndarray  # float32 (clips, genres), in units of the trailer's probability
    logit_contributions: np.ndarray  # float32 (clips, genres), in units of the logit of the clip's snippet


@dataclass(frozen=True)
class Course:
    """Genre probabilities of overlapping snippets; snippet i has the clips [starts[i], ends[i])."""

    starts: np.ndarray  # int64 (snippets,)
    ends: np.ndarray  # int64 (snippets,)
    probabilities: np.ndarray  # float32 (snippets, genres)


def explain(network: nn.Module, vectors: Sequence[np.ndarray], recipe: Recipe, device: torch.device) -> Explanation:
    """Probabilities of one trailer and of its snippets, and the contributions of its clips.

    The contributions of the only clip of a snippet are 0, because it cannot be compared with others.

    Args:
        vectors: float32 (clips, F) of each backbone.

    Raises:
        ValueError: there are no clips, or the backbones have different numbers of them.
    """
    clips = count_clips(vectors)
    starts = np.arange(0, clips, recipe.snippet_clips)
    ends = np.minimum(starts + recipe.snippet_clips, clips)
    whole, pushed, raised = [], [], []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        own = [table[start:end] for table in vectors]
        logits = logits_of(network, partial(without_each_clip, own), 1 + end - start, recipe, device)
        probabilities = sigmoid(logits)
        whole.append(probabilities[0])
        pushed.append(logits[0] - logits[1:])
        raised.append((probabilities[0] - probabilities[1:]) / len(starts))
    return Explanation(
        np.mean(whole, axis=0), starts, ends, np.array(whole, np.float32),
        np.concatenate(raised).astype(np.float32), np.concatenate(pushed).astype(np.float32),
    )  # fmt: skip


def genres_over_time(
    network: nn.Module, vectors: Sequence[np.ndarray], recipe: Recipe, device: torch.device, *, step_clips: int
) -> Course:
    """The genre probabilities of a snippet that moves over the trailer in steps of ``step_clips``.

    The last snippet ends with the last clip; a trailer shorter than a snippet is one snippet.

    Args:
        vectors: float32 (clips, F) of each backbone.

    Raises:
        ValueError: as ``explain``.
    """
    clips = count_clips(vectors)
    last = max(clips - recipe.snippet_clips, 0)
    starts = np.append(np.arange(0, last, step_clips), last)
    ends = np.minimum(starts + recipe.snippet_clips, clips)
    rows = starts[:, None] + np.arange(ends[0] - starts[0])

    def make(first: int, last: int) -> list[np.ndarray]:
        return [table[rows[first:last]] for table in vectors]

    logits = logits_of(network, make, len(starts), recipe, device)
    return Course(starts, ends, sigmoid(logits).astype(np.float32))


def count_clips(vectors: Sequence[np.ndarray]) -> int:
    counts = {len(table) for table in vectors}
    if len(counts) != 1 or 0 in counts:
        raise ValueError(f"a trailer needs the same number of clips in each backbone, at least 1, got {sorted(counts)}")
    return counts.pop()


def without_each_clip(own: Sequence[np.ndarray], first: int, last: int) -> list[np.ndarray]:
    """Float32 (last - first, clips, F) of each backbone: the variants [first, last) of the snippet ``own``.

    Variant 0 is the unchanged snippet; in variant n, the mean of the other clips replaces clip n - 1.
    """
    clips, numbers = len(own[0]), np.arange(first, last)
    left_out = numbers > (0 if clips > 1 else 1)
    variants = []
    for table in own:
        batch = np.repeat(np.asarray(table, np.float32)[None], last - first, axis=0)
        replaced = numbers[left_out] - 1
        batch[left_out, replaced] = (table.sum(axis=0, dtype=np.float64) - table[replaced]) / max(clips - 1, 1)
        variants.append(batch)
    return variants


def logits_of(
    network: nn.Module, make: Callable[[int, int], list[np.ndarray]], number: int, recipe: Recipe, device: torch.device
) -> np.ndarray:
    """Float64 (number, genres), of the snippets that ``make`` gives.

    Snippets shorter than the recipe's are filled with zeros, as they are in training and testing.

    Args:
        make: from first and last, float32 (last - first, clips, F) of each backbone.
    """
    features = sum(table.shape[2] for table in make(0, 1))
    size = max(1, BATCH_NUMBERS // (recipe.snippet_clips * features))
    network.eval()
    found = []
    for first in range(0, number, size):
        snippets = make(first, min(first + size, number))
        inputs = [torch.from_numpy(filled(table, recipe.snippet_clips)).to(device) for table in snippets]
        masked = recipe.short_snippets == MASKED and snippets[0].shape[1] < recipe.snippet_clips
        counts = torch.full((len(snippets[0]),), snippets[0].shape[1], device=device) if masked else None
        with torch.inference_mode():
            found.append(network(inputs, counts).double().cpu())
    return torch.cat(found).numpy()


def filled(table: np.ndarray, clips: int) -> np.ndarray:
    """Float32 (snippets, clips, F): ``table`` with zeros after its clips."""
    batch = np.zeros((len(table), clips, table.shape[2]), np.float32)
    batch[:, : table.shape[1]] = table
    return batch


def sigmoid(logits: np.ndarray) -> np.ndarray:
    probabilities: np.ndarray = torch.sigmoid(torch.from_numpy(logits)).numpy()
    return probabilities
