"""Snippets: adjacent clips of a trailer (Sec. 5, step 3).

trailer   |----------- 70 clips -----------|
training           |-- 30 --|                   one, with a new random start in every epoch
test      |-- 30 --|-- 30 --|-- 10 --|xx 20 zeros   all, one after the other
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Examples:
    """Trailers to learn from or to test on.

    Several backbones give several tables of vectors; a trailer has the same clips in each.
    """

    vectors: tuple[np.ndarray, ...]  # a float32 (clips, F) for each backbone, of many trailers
    firsts: tuple[np.ndarray, ...]  # int64 (trailers,) for each backbone: row of a trailer's first clip
    lengths: np.ndarray  # int64 (trailers,): clips of a trailer
    labels: np.ndarray  # float32 (trailers, genres): 0 or 1

    def __post_init__(self) -> None:
        if len(self.vectors) != len(self.firsts) or not self.vectors:
            raise ValueError(f"{len(self.vectors)} tables of vectors but {len(self.firsts)} of firsts")
        if any(len(first) != len(self.lengths) for first in self.firsts) or len(self.labels) != len(self.lengths):
            raise ValueError("firsts, lengths and labels must have the same number of trailers")
        if len(self.lengths) and self.lengths.min() < 1:
            raise ValueError("every trailer must have at least one clip")

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def features(self) -> tuple[int, ...]:
        """F of each backbone."""
        return tuple(table.shape[1] for table in self.vectors)


@dataclass(frozen=True)
class Snippets:
    """Snippet i is ``counts[i]`` clips of trailer ``trailers[i]``, from its clip ``starts[i]`` on."""

    trailers: np.ndarray
    starts: np.ndarray
    counts: np.ndarray

    def __len__(self) -> int:
        return len(self.trailers)

    def __getitem__(self, rows: slice) -> Snippets:
        return Snippets(self.trailers[rows], self.starts[rows], self.counts[rows])


def training_snippets(lengths: np.ndarray, *, clips: int, random: np.random.Generator) -> Snippets:
    """One snippet per trailer, in random order, each start in 0..T-clips equally likely; short trailers are whole."""
    trailers = random.permutation(len(lengths))
    drawn = lengths[trailers]
    starts = random.integers(0, np.maximum(drawn - clips, 0) + 1)
    return Snippets(trailers, starts, np.minimum(drawn, clips))


def test_snippets(lengths: np.ndarray, *, clips: int) -> Snippets:
    """Every trailer cut into consecutive snippets; the last snippet has the remaining clips."""
    snippets = -(-lengths // clips)
    trailers = np.repeat(np.arange(len(lengths)), snippets)
    # The number of a snippet within its trailer is its overall number minus the snippets of earlier trailers.
    before = np.repeat(np.cumsum(snippets) - snippets, snippets)
    starts = (np.arange(len(trailers)) - before) * clips
    return Snippets(trailers, starts, np.minimum(lengths[trailers] - starts, clips))


def gather(
    examples: Examples, snippets: Snippets, *, clips: int, into: Sequence[np.ndarray] | None = None
) -> list[np.ndarray]:
    """The vectors of ``snippets``, a float32 (snippets, clips, F) for each backbone; zeros after a short one.

    ``into`` may give tables of ``room_for``, for at least as many snippets, which are overwritten.
    """
    into = into or room_for(examples, len(snippets), clips=clips)
    return [
        gather_one(table, first[snippets.trailers] + snippets.starts, snippets.counts, batch[: len(snippets)])
        for table, first, batch in zip(examples.vectors, examples.firsts, into, strict=True)
    ]


def room_for(examples: Examples, snippets: int, *, clips: int) -> list[np.ndarray]:
    return [np.empty((snippets, clips, features), np.float32) for features in examples.features]


def gather_one(table: np.ndarray, rows: np.ndarray, counts: np.ndarray, batch: np.ndarray) -> np.ndarray:
    # The clips of a snippet are consecutive in the table: one copy is three times as fast as indexing rows.
    for target, row, count in zip(batch, rows.tolist(), counts.tolist(), strict=True):
        target[:count] = table[row : row + count]
        target[count:] = 0
    return batch


def read_ahead(examples: Examples, snippets: Snippets) -> None:
    """Let the system start to read ``snippets`` from disk, if the tables are mapped files."""
    if not hasattr(os, "posix_fadvise"):
        return
    for table, first in zip(examples.vectors, examples.firsts, strict=True):
        if not isinstance(table, np.memmap):
            continue
        begins = table.offset + (first[snippets.trailers] + snippets.starts) * table.strides[0]
        with Path(str(table.filename)).open("rb", buffering=0) as file:
            for begin, size in zip(begins.tolist(), (snippets.counts * table.strides[0]).tolist(), strict=True):
                os.posix_fadvise(file.fileno(), begin, size, os.POSIX_FADV_WILLNEED)


def select(examples: Examples, trailers: Sequence[int] | np.ndarray) -> Examples:
    """The same tables, for some of the trailers."""
    rows = np.asarray(trailers, np.int64)
    firsts = tuple(first[rows] for first in examples.firsts)
    return Examples(examples.vectors, firsts, examples.lengths[rows], examples.labels[rows])
