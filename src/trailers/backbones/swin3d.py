"""Swin3D's attention in pieces: the same numbers as torchvision's, with a fraction of the memory traffic.

torchvision pads a clip's tokens to whole windows (24 frames give 12 steps of time, padded to 16),
computes attention over whole windows, and adds -100 where a shifted window joins tokens that are not
neighbours. On a CPU most of its time goes into moving these tensors. Here

* a window is cut into pieces of tokens that see each other, so no mask is needed;
* padding is not computed: as queries its vectors are discarded anyway, and as keys all padding of a
  piece is one key, because it has one key vector and one value; the share of its positions in the
  softmax is the log of the sum of the exponentials of their position biases;
* tokens are brought into the order of pieces once before the projections and back once after them;
* scores and hidden layers are computed in portions that stay in the cache.

torchvision's -100 lets e^-100 of a token through, which is not visible in float32.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models.swin_transformer import SwinTransformerBlock
from torchvision.models.video.swin_transformer import ShiftedWindowAttention3d

PORTION_SCORES = 2**20  # attention scores at once: 2 MB in bfloat16
PORTION_TOKENS = 2048  # tokens at once in the hidden layers: 1.5 to 12 MB

Size = tuple[int, int, int]  # time, height, width, in tokens


@dataclass(frozen=True)
class Piece:
    """Pieces of windows with one shape: ``count`` pieces of tokens that see each other."""

    count: int
    places: tuple[int, ...]  # positions of its tokens in the window
    padding: tuple[int, ...]  # positions of padding in the window that they also see


@functools.lru_cache(maxsize=64)
def cut_into_pieces(size: Size, window: Size, shift: Size) -> tuple[np.ndarray, tuple[Piece, ...]]:
    """The order of tokens, piece after piece, and the pieces by shape.

    Args:
        size: size of the clip in tokens.
        window: size of a window.
        shift: how far windows are shifted.

    Returns:
        int64 (tokens,): token numbers in the order of pieces; the pieces in that order.
    """
    padded = [-(-side // step) * step for side, step in zip(size, window, strict=True)]
    rolled = np.stack(np.meshgrid(*(np.arange(side) for side in padded), indexing="ij"), axis=-1).reshape(-1, 3)
    source = (rolled + shift) % padded
    real = np.asarray((source < np.array(size)).all(axis=1))
    token = np.ravel_multi_index(tuple(np.minimum(source, np.array(size) - 1).T), size)
    number = np.ravel_multi_index(tuple((rolled // window).T), [a // b for a, b in zip(padded, window, strict=True)])
    place = np.ravel_multi_index(tuple((rolled % window).T), window)
    # Shifting joins the two ends of each axis in its last window: tokens from the end and tokens from the start.
    at_start = (rolled >= np.array(padded) - shift) & (np.array(shift) > 0)
    part = at_start @ np.array([4, 2, 1])
    found: dict[tuple[tuple[int, ...], tuple[int, ...]], list[np.ndarray]] = {}
    keys = number * 8 + part
    order = np.lexsort((place, keys))
    for members in np.split(order, np.flatnonzero(np.diff(keys[order])) + 1):
        seen, unseen = members[real[members]], members[~real[members]]
        if len(seen):
            found.setdefault((tuple(place[seen]), tuple(place[unseen])), []).append(token[seen])
    pieces = tuple(Piece(len(tokens), places, padding) for (places, padding), tokens in found.items())
    return np.concatenate(list(itertools.chain.from_iterable(found.values()))), pieces


class PiecewiseAttention(nn.Module):
    """Replaces a ``ShiftedWindowAttention3d``, with its weights."""

    def __init__(self, published: ShiftedWindowAttention3d) -> None:
        super().__init__()
        self.published = published
        self.plans: dict[Size, tuple[torch.Tensor, torch.Tensor, list[tuple[Piece, torch.Tensor]]]] = {}

    def plan(self, size: Size) -> tuple[torch.Tensor, torch.Tensor, list[tuple[Piece, torch.Tensor]]]:
        """Token order, its inverse, and the pieces with their position biases (1, heads, tokens, keys)."""
        if size not in self.plans:
            pairs = list(zip(size, self.published.window_size, self.published.shift_size, strict=True))
            window = tuple(min(side, step) for side, step, _ in pairs)
            shift = tuple(0 if side <= step else roll for side, step, roll in pairs)
            order, pieces = cut_into_pieces(size, window, shift)
            bias = self.published.get_relative_position_bias(list(window)).float()
            biases = []
            for piece in pieces:
                rows = bias[:, :, list(piece.places)]
                of_piece = rows[..., list(piece.places)]
                if piece.padding:
                    of_padding = rows[..., list(piece.padding)].logsumexp(dim=-1, keepdim=True)
                    of_piece = torch.cat((of_piece, of_padding), dim=-1)
                biases.append((piece, of_piece.to(self.published.qkv.weight.dtype)))
            tokens = torch.from_numpy(order)
            self.plans[size] = tokens, torch.argsort(tokens), biases
        return self.plans[size]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, T, H, W, C) -> the same."""
        order, back, pieces = self.plan((x.shape[1], x.shape[2], x.shape[3]))
        return torch.stack([self.one(clip.flatten(0, 2), order, back, pieces) for clip in x]).view(x.shape)

    def one(
        self, x: torch.Tensor, order: torch.Tensor, back: torch.Tensor, pieces: list[tuple[Piece, torch.Tensor]]
    ) -> torch.Tensor:
        """(tokens, C) -> (tokens, C), one clip."""
        published, channels = self.published, x.shape[1]
        heads = published.num_heads
        qkv = F.linear(x.index_select(0, order), published.qkv.weight, published.qkv.bias)
        key, value = published.qkv.bias[channels:].view(2, 1, heads, 1, channels // heads)  # of padding
        mixed = torch.empty_like(x)
        start = 0
        for piece, bias in pieces:
            end = start + piece.count * len(piece.places)
            q, k, v = qkv[start:end].view(piece.count, -1, 3, heads, channels // heads).permute(2, 0, 3, 1, 4)
            target = mixed[start:end].view(piece.count, -1, heads, channels // heads)
            step = max(1, PORTION_SCORES // bias.numel())
            for first in range(0, piece.count, step):
                some = slice(first, first + step)
                keys, values = k[some], v[some]
                if piece.padding:
                    keys = torch.cat((keys, key.expand(len(keys), -1, -1, -1)), dim=2)
                    values = torch.cat((values, value.expand(len(values), -1, -1, -1)), dim=2)
                scores = torch.matmul(q[some] * (channels // heads) ** -0.5, keys.transpose(-2, -1)).add_(bias)
                target[some] = torch.matmul(scores.softmax(dim=-1), values).transpose(1, 2)
            start = end
        return F.linear(mixed, published.proj.weight, published.proj.bias).index_select(0, back)


class PortionedMLP(nn.Module):
    """Replaces a block's hidden layers; computes some tokens at a time."""

    def __init__(self, published: nn.Module) -> None:
        super().__init__()
        self.published = published

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., C) -> the same."""
        tokens = x.flatten(0, -2)
        mixed = torch.empty_like(tokens)
        for start in range(0, len(tokens), PORTION_TOKENS):
            mixed[start : start + PORTION_TOKENS] = self.published(tokens[start : start + PORTION_TOKENS])
        return mixed.view(x.shape)


def speed_up(network: nn.Module) -> nn.Module:
    """``network`` itself, with the attention and hidden layers of every Swin3D block replaced."""
    for block in network.modules():
        if isinstance(block, SwinTransformerBlock) and isinstance(block.attn, ShiftedWindowAttention3d):
            block.attn = PiecewiseAttention(block.attn)
            block.mlp = PortionedMLP(block.mlp)
    return network.eval()
