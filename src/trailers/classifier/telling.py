"""Which clips tell a genre: those without which it would be less probable."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from trailers.classifier.recipe import MASKED, Recipe


def telling(
    network: nn.Module, vectors: Sequence[np.ndarray], recipe: Recipe, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (genres,) of one trailer, and by how much each of its clips raises them, (clips, genres).

    A clip raises a probability by what is lost when its vector is replaced by the mean of the other clips of
    its snippet. The probability is that of ``training.predict``, so a clip can tell for one snippet only.

    Args:
        vectors: float32 (clips, F) of each backbone.
    """
    clips = len(vectors[0])
    firsts = range(0, clips, recipe.snippet_clips)
    probabilities, raised = [], []
    for first in firsts:
        own = [table[first : first + recipe.snippet_clips] for table in vectors]
        found = variants(network, own, recipe, device)
        probabilities.append(found[0])
        raised.append((found[0] - found[1:]) / len(firsts))
    return np.mean(probabilities, axis=0), np.concatenate(raised)


def variants(network: nn.Module, own: Sequence[np.ndarray], recipe: Recipe, device: torch.device) -> np.ndarray:
    """Float64 (1 + clips, genres): the snippet as it is, then without each of its clips in turn."""
    clips = len(own[0])
    inputs = []
    for table in own:
        batch = np.zeros((1 + clips, recipe.snippet_clips, table.shape[1]), np.float32)
        batch[:, :clips] = table
        if clips > 1:
            others = (table.sum(axis=0) - table) / (clips - 1)
            batch[np.arange(1, clips + 1), np.arange(clips)] = others
        inputs.append(torch.from_numpy(batch).to(device))
    masked = recipe.short_snippets == MASKED and clips < recipe.snippet_clips
    counts = torch.full((1 + clips,), clips, device=device) if masked else None
    network.eval()
    with torch.inference_mode():
        found: np.ndarray = torch.sigmoid(network(inputs, counts)).double().cpu().numpy()
    return found
