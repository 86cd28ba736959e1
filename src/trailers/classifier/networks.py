"""Networks that turn the clips of a snippet into genre logits (Sec. 5, 7.4).

Every network takes a list with the vectors of each backbone, float32 (snippets, clips, F), and
``counts``: None, or int64 (snippets,), the number of real clips of each snippet. Without counts the zeros
that fill a short snippet count as clips, as in the authors' code; with counts they are ignored.

Each network begins with batch norm, unless ``batch_norm`` is false, and ends with one linear layer. On a CPU, dropout
in training uses the generator ``random``; on a GPU, or without ``random``, it uses torch's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trailers.classifier.dropout import kept
from trailers.classifier.moments import Moments, moments_of, real_clips, side_by_side
from trailers.errors import ConfigError

WIDTH = 128  # d, to which the transformer reduces vectors (Sec. 6)
HEADS = 4  # (Sec. 6)
FEED_FORWARD = 768
DROPOUT = 0.25  # a multiple of 1/256, see dropout.kept
GRU_UNITS = 115  # (Sec. 7.4)
CONV_FILTERS, CONV_CLIPS = 128, 3  # (Sec. 7.4)
CTT_FILTERS, CTT_CLIPS, CTT_DROPOUT = 256, 5, 0.5  # ours; the values of the baseline are not published


def mean_over_clips(x: Tensor, counts: Tensor | None) -> Tensor:
    """(snippets, clips, n) -> (snippets, n)."""
    if counts is None:
        return x.mean(dim=1)
    return (x * real_clips(counts, x.shape[1])[..., None]).sum(dim=1) / counts[:, None]


class ClipNorm(nn.BatchNorm1d):
    """Batch norm of every feature over all clips of a batch; with ``counts``, filling is ignored and stays zero."""

    moments: Moments | None = None  # of the whole batch, if x is only a part of it

    def forward(self, x: Tensor, counts: Tensor | None = None) -> Tensor:
        scale, shift = self.affine_for(x, counts)
        x = x * scale + shift
        return x if counts is None else x * real_clips(counts, x.shape[1])[..., None]

    def affine_for(self, x: Tensor, counts: Tensor | None) -> tuple[Tensor, Tensor]:
        """``scale`` and ``shift`` (F,) such that the norm is ``x * scale + shift``; in training, those of the batch.

        The vectors are data and need no gradient, so autograd treats mean and variance as constants.
        """
        assert self.running_mean is not None
        assert self.running_var is not None
        mean, variance = self.running_mean, self.running_var
        if self.training:
            moments = self.moments
            if moments is None:
                moments = moments_of(x, counts)
                self.remember(moments)
            mean, variance = moments.mean, moments.variance
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return scale, self.bias - mean * scale

    def take_moments(self, moments: Moments | None) -> None:
        """Normalise the following parts of a batch with its ``moments``; with None, each batch with its own."""
        self.moments = moments
        if moments is not None:
            self.remember(moments)

    def remember(self, moments: Moments) -> None:
        """Update the running mean and variance, which testing uses, with a batch."""
        assert self.running_mean is not None
        assert self.running_var is not None
        with torch.no_grad():
            self.running_mean.lerp_(moments.mean, self.momentum or 0.0)
            self.running_var.lerp_(moments.unbiased, self.momentum or 0.0)


class Transformer(nn.Module):
    """Clip Aggregation Transformer (Fig. 7): reduce to 128, one post-norm block, mean over clips.

    Linear(F, 128); queries, keys, values and output 128 x 128 without bias, 4 heads, no dropout on
    attention; 128-768-128 with ReLU; dropout 0.25 after each layer norm; no positional encoding.
    """

    def __init__(self, features: int, genres: int, *, batch_norm: bool) -> None:
        super().__init__()
        self.norm = ClipNorm(features) if batch_norm else None
        self.reduce = nn.Linear(features, WIDTH)
        # One product for queries, keys and values: same numbers, a third of the calls.
        self.queries_keys_values = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.attended = nn.Linear(WIDTH, WIDTH, bias=False)
        self.attention_norm = nn.LayerNorm(WIDTH)
        self.widen = nn.Linear(WIDTH, FEED_FORWARD)
        self.narrow = nn.Linear(FEED_FORWARD, WIDTH)
        self.feed_forward_norm = nn.LayerNorm(WIDTH)
        self.classify = nn.Linear(WIDTH, genres)

    def forward(
        self, vectors: Tensor, counts: Tensor | None = None, random: np.random.Generator | None = None
    ) -> Tensor:
        snippets, clips, _ = vectors.shape
        # One row per clip: with three dimensions the product is a view, and ReLU in place would have to copy it.
        x = self.reduced(vectors, counts).flatten(0, 1)
        x = self.dropout(self.attention_norm(x + self.attend(x.view(snippets, clips, WIDTH), counts)), random)
        x = self.dropout(self.feed_forward_norm(x + self.narrow(F.relu_(self.widen(x)))), random)
        return self.logits(mean_over_clips(x.view(snippets, clips, WIDTH), counts))

    def logits(self, x: Tensor) -> Tensor:
        return self.classify(x)  # type: ignore[no-any-return]

    def reduced(self, x: Tensor, counts: Tensor | None) -> Tensor:
        """Batch norm and the reducing product in one step: W (s x + t) + b = (W s) x + (W t + b).

        The weights are smaller than the batch, so scaling them instead saves two passes over the largest tensor, and
        the computation of its gradient.
        """
        if self.norm is None:
            return self.reduce(x)  # type: ignore[no-any-return]
        scale, shift = self.norm.affine_for(x, counts)
        weight = self.reduce.weight
        return F.linear(x, weight * scale, torch.addmv(self.reduce.bias, weight, shift))

    def attend(self, x: Tensor, counts: Tensor | None) -> Tensor:
        """(snippets, clips, WIDTH) -> (snippets * clips, WIDTH)."""
        snippets, clips, _ = x.shape
        parts = self.queries_keys_values(x).view(snippets, clips, 3, HEADS, WIDTH // HEADS)
        # One copy brings all three into the order of the products; einsum would copy each of them.
        queries, keys, values = parts.permute(2, 0, 3, 1, 4).reshape(3, snippets * HEADS, clips, -1).unbind()
        # Thirty clips are too few for the library's fused attention, which takes longer than these two products.
        scores = torch.bmm(queries, keys.transpose(1, 2)) * (WIDTH // HEADS) ** -0.5
        if counts is not None:
            hidden = ~real_clips(counts, clips)[:, None, None, :]
            scores = scores.view(snippets, HEADS, clips, clips).masked_fill(hidden, -torch.inf).view_as(scores)
        mixed = torch.bmm(scores.softmax(dim=-1), values).view(snippets, HEADS, clips, -1)
        return self.attended(mixed.transpose(1, 2).reshape(-1, WIDTH))  # type: ignore[no-any-return]

    def dropout(self, x: Tensor, random: np.random.Generator | None = None) -> Tensor:
        if self.training and random is not None:
            return x * kept(x.shape, DROPOUT, random)
        return F.dropout(x, DROPOUT, self.training)


class Recurrent(nn.Module):
    """One GRU of 115 units; all its outputs through ReLU, mean over clips (Table 5)."""

    def __init__(self, features: int, genres: int, *, batch_norm: bool) -> None:
        super().__init__()
        self.norm = ClipNorm(features) if batch_norm else None
        self.recur = nn.GRU(features, GRU_UNITS, batch_first=True)
        self.classify = nn.Linear(GRU_UNITS, genres)

    def forward(self, x: Tensor, counts: Tensor | None = None, random: np.random.Generator | None = None) -> Tensor:  # noqa: ARG002
        x = x if self.norm is None else self.norm(x, counts)
        return self.classify(mean_over_clips(F.relu(self.recur(x)[0]), counts))  # type: ignore[no-any-return]


class Convolution(nn.Module):
    """128 filters over 3 clips, ReLU, mean over clips (Table 5)."""

    def __init__(self, features: int, genres: int, *, batch_norm: bool) -> None:
        super().__init__()
        self.norm = ClipNorm(features) if batch_norm else None
        self.convolve = nn.Conv1d(features, CONV_FILTERS, CONV_CLIPS, padding=CONV_CLIPS // 2)
        self.classify = nn.Linear(CONV_FILTERS, genres)

    def forward(self, x: Tensor, counts: Tensor | None = None, random: np.random.Generator | None = None) -> Tensor:  # noqa: ARG002
        x = x if self.norm is None else self.norm(x, counts)
        x = F.relu(self.convolve(x.transpose(1, 2))).transpose(1, 2)
        return self.classify(mean_over_clips(x, counts))  # type: ignore[no-any-return]


class Average(nn.Module):
    """The mean vector of the snippet, ReLU and one linear layer: a baseline that does not model time.

    Not in the paper; the authors' code has it.
    """

    def __init__(self, features: int, genres: int, *, batch_norm: bool) -> None:
        super().__init__()
        self.norm = ClipNorm(features) if batch_norm else None
        self.classify = nn.Linear(features, genres)

    def forward(self, x: Tensor, counts: Tensor | None = None, random: np.random.Generator | None = None) -> Tensor:  # noqa: ARG002
        mean = mean_over_clips(x, counts)
        if self.norm is not None:
            # The norm is affine, so it may follow the mean, which is thirty times smaller.
            scale, shift = self.norm.affine_for(x, counts)
            mean = mean * scale + shift
        return self.classify(F.relu(mean))  # type: ignore[no-any-return]


class ConvolutionThroughTime(nn.Module):
    """CTT-MMC-A after Wehrmann and Barros (2017): convolution through time, global maximum over time, dropout, dense.

    The authors of Trailers12k do not publish their version; the number and length of the filters are
    ours: 256 filters over 5 clips. The baseline never uses batch norm, and ignores that setting.
    """

    def __init__(self, features: int, genres: int, *, batch_norm: bool) -> None:  # noqa: ARG002  one signature for all
        super().__init__()
        self.convolve = nn.Conv1d(features, CTT_FILTERS, CTT_CLIPS, padding=CTT_CLIPS // 2)
        self.classify = nn.Linear(CTT_FILTERS, genres)

    def forward(self, x: Tensor, counts: Tensor | None = None, random: np.random.Generator | None = None) -> Tensor:
        # After ReLU no value is negative, so the zeros that replace filling do not change the maximum.
        x = F.relu(self.convolve(x.transpose(1, 2))).transpose(1, 2)
        x = x if counts is None else x * real_clips(counts, x.shape[1])[..., None]
        x = x.amax(dim=1)
        if self.training and random is not None:
            return self.classify(x * kept(x.shape, CTT_DROPOUT, random))  # type: ignore[no-any-return]
        return self.classify(F.dropout(x, CTT_DROPOUT, self.training))  # type: ignore[no-any-return]


AGGREGATIONS: dict[str, type[Transformer | Recurrent | Convolution | Average | ConvolutionThroughTime]] = {
    "transformer": Transformer,
    "gru": Recurrent,
    "conv": Convolution,
    "average": Average,
    "ctt": ConvolutionThroughTime,
}


class EarlyFusion(nn.Module):
    """One network on the concatenated vectors of all backbones.

    Batch norm normalises each feature separately, so concatenating first or last makes no difference.
    """

    def __init__(self, features: Sequence[int], genres: int, *, aggregation: str, batch_norm: bool) -> None:
        super().__init__()
        self.network = AGGREGATIONS[aggregation](sum(features), genres, batch_norm=batch_norm)

    def forward(
        self, inputs: Sequence[Tensor], counts: Tensor | None = None, random: np.random.Generator | None = None
    ) -> Tensor:
        x = inputs[0] if len(inputs) == 1 else torch.cat(list(inputs), dim=2)
        return self.network(x, counts, random)  # type: ignore[no-any-return]

    def take_moments(self, moments: Sequence[Moments] | None) -> None:
        """As ``ClipNorm.take_moments``, with the moments of each backbone."""
        norm = getattr(self.network, "norm", None)
        if norm is not None:
            norm.take_moments(side_by_side(moments) if moments else None)


class LateFusion(nn.Module):
    """A network for each backbone, trained together; the mean of their logits (Sec. 7.5)."""

    def __init__(self, features: Sequence[int], genres: int, *, aggregation: str, batch_norm: bool) -> None:
        super().__init__()
        kind = AGGREGATIONS[aggregation]
        self.networks = nn.ModuleList(kind(width, genres, batch_norm=batch_norm) for width in features)

    def forward(
        self, inputs: Sequence[Tensor], counts: Tensor | None = None, random: np.random.Generator | None = None
    ) -> Tensor:
        logits = [network(x, counts, random) for network, x in zip(self.networks, inputs, strict=True)]
        return logits[0] if len(logits) == 1 else torch.stack(logits).mean(dim=0)

    def take_moments(self, moments: Sequence[Moments] | None) -> None:
        """As ``EarlyFusion.take_moments``."""
        for number, network in enumerate(self.networks):
            norm = getattr(network, "norm", None)
            if norm is not None:
                norm.take_moments(moments[number] if moments else None)


FUSIONS: dict[str, type[EarlyFusion | LateFusion]] = {"early": EarlyFusion, "late": LateFusion}


def make_network(features: Sequence[int], genres: int, *, aggregation: str, fusion: str, batch_norm: bool) -> nn.Module:
    """A network for vectors of the lengths ``features``, its weights drawn from torch's generator.

    Raises:
        ConfigError: the aggregation or fusion does not exist.
    """
    if aggregation not in AGGREGATIONS:
        raise ConfigError(
            f"aggregation '{aggregation}' does not exist. Choose one of {', '.join(AGGREGATIONS)} in config.yaml, "
            "under classify.aggregation or in the experiment."
        )
    if fusion not in FUSIONS:
        raise ConfigError(f"fusion must be one of {', '.join(FUSIONS)}, got '{fusion}'. Correct it in config.yaml.")
    return FUSIONS[fusion](features, genres, aggregation=aggregation, batch_norm=batch_norm)


def parameters(network: nn.Module) -> int:
    """The number of values that training adjusts."""
    return sum(parameter.numel() for parameter in network.parameters())
