"""Mean and variance of the vectors of a batch, combined from those of its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """Moments of every feature over some clips. Autograd treats them as constants, because vectors are data."""

    clips: int
    mean: Tensor  # (F,)
    squares: Tensor  # (F,): sum of the squared differences from the mean

    @property
    def variance(self) -> Tensor:
        """The variance with the number of clips as divisor, with which batch norm normalises."""
        return self.squares / self.clips

    @property
    def unbiased(self) -> Tensor:
        """The variance with the number of clips minus 1 as divisor, which batch norm stores for testing."""
        return self.squares / max(self.clips - 1, 1)


def real_clips(counts: Tensor, clips: int) -> Tensor:
    """Bool (snippets, clips): which clips are real and not filling."""
    return torch.arange(clips, device=counts.device) < counts[:, None]


def moments_of(x: Tensor, counts: Tensor | None = None) -> Moments:
    """The moments of ``x`` (snippets, clips, F); with ``counts``, of its real clips only."""
    with torch.no_grad():
        rows = x.flatten(0, 1) if counts is None else x[real_clips(counts, x.shape[1])]
        # Two passes: twenty times as fast here as var_mean along the first axis, and as accurate.
        mean = rows.mean(dim=0)
        return Moments(len(rows), mean, (rows - mean).square_().sum(dim=0))


def together(parts: Sequence[Moments]) -> Moments:
    """The moments of all parts, taken in their order (Chan, Golub and LeVeque 1983)."""
    found = parts[0]
    for part in parts[1:]:
        clips = found.clips + part.clips
        difference = part.mean - found.mean
        squares = found.squares + part.squares + difference.square() * (found.clips * part.clips / clips)
        found = Moments(clips, found.mean + difference * (part.clips / clips), squares)
    return found


def side_by_side(backbones: Sequence[Moments]) -> Moments:
    """The moments of the concatenated vectors of several backbones."""
    means, squares = ([getattr(own, name) for own in backbones] for name in ("mean", "squares"))
    return Moments(backbones[0].clips, torch.cat(means), torch.cat(squares))
