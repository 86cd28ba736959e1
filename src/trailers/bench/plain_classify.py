"""The baselines of bench.classify: the simplest implementation of the network and of its data."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from trailers.classifier.networks import DROPOUT, FEED_FORWARD, HEADS, WIDTH
from trailers.classifier.recipe import Recipe
from trailers.classifier.snippets import Examples

BATCH, SNIPPET = 32, 30


def recipe() -> Recipe:
    return Recipe(
        aggregation="transformer", fusion="late", seed=0, epochs=1, batch_trailers=BATCH, learning_rate=1e-4,
        snippet_clips=SNIPPET, optimiser="adamw_amsgrad", weight_decay=0.01, plateau_epochs=10, plateau_factor=0.1,
        stop_epochs=20, batch_norm=True, short_snippets="zeros", validation_loss="snippets", no_positives="sklearn",
    )  # fmt: skip


class PlainDataset(Dataset[tuple[Tensor, Tensor]]):
    """One file per item, opened whenever the item is requested."""

    def __init__(self, files: list[Path], labels: np.ndarray) -> None:
        self.files, self.labels = files, labels

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        with h5py.File(self.files[number]) as file:
            start = int(torch.randint(0, max(len(file["vectors"]) - SNIPPET, 0) + 1, ()))
            clips = file["vectors"][start : start + SNIPPET]
        return snippet_of(clips), torch.from_numpy(self.labels[number])


def snippet_of(clips: np.ndarray) -> Tensor:
    filled = np.zeros((SNIPPET, clips.shape[1]), np.float32)
    filled[: len(clips)] = clips
    return torch.from_numpy(filled)


class MemoryDataset(Dataset[tuple[Tensor, Tensor]]):
    """One trailer per item, all arrays in memory; each request draws a random snippet."""

    def __init__(self, examples: Examples) -> None:
        (table,), (firsts,) = examples.vectors, examples.firsts
        self.trailers = [
            np.array(table[first : first + length]) for first, length in zip(firsts, examples.lengths, strict=True)
        ]
        self.labels = examples.labels

    def __len__(self) -> int:
        return len(self.trailers)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        clips = self.trailers[number]
        start = int(torch.randint(0, max(len(clips) - SNIPPET, 0) + 1, ()))
        return snippet_of(clips[start : start + SNIPPET]), torch.from_numpy(self.labels[number])


class PlainTrailers(Dataset[Tensor]):
    """One trailer per item, as all its snippets, float32 (snippets, 30, F)."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int) -> Tensor:
        with h5py.File(self.files[number]) as file:
            clips = torch.from_numpy(file["vectors"][:])
        filled = F.pad(clips, (0, 0, 0, -len(clips) % SNIPPET))
        return filled.view(-1, SNIPPET, filled.shape[1])


class PlainTransformer(nn.Module):
    """The simplest implementation of the Clip Aggregation Transformer."""

    def __init__(self, features: int, genres: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(features)
        self.reduce = nn.Linear(features, WIDTH)
        self.queries, self.keys, self.values, self.attended = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))
        self.attention_norm, self.feed_forward_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.feed_forward = nn.Sequential(nn.Linear(WIDTH, FEED_FORWARD), nn.ReLU(), nn.Linear(FEED_FORWARD, WIDTH))
        self.dropout = nn.Dropout(DROPOUT)
        self.classify = nn.Linear(WIDTH, genres)

    def forward(self, x: Tensor) -> Tensor:
        x = self.reduce(self.norm(x.transpose(1, 2)).transpose(1, 2))
        queries, keys, values = (heads(layer(x)) for layer in (self.queries, self.keys, self.values))
        weights = (queries @ keys.transpose(2, 3) / (WIDTH // HEADS) ** 0.5).softmax(dim=3)
        mixed = (weights @ values).transpose(1, 2).flatten(2)
        x = self.dropout(self.attention_norm(x + self.attended(mixed)))
        x = self.dropout(self.feed_forward_norm(x + self.feed_forward(x)))
        return self.classify(x.mean(dim=1))  # type: ignore[no-any-return]


def heads(x: Tensor) -> Tensor:
    return x.view(*x.shape[:2], HEADS, WIDTH // HEADS).transpose(1, 2)
