"""Clip vectors with a known signal, for learning tests and benchmarks.

The vectors are noise with standard deviation 1 in every direction. Each genre has two directions, ``first`` and
``second``, along which clips are moved by ``strength``:

clip   a clip of a trailer with the genre is moved along ``first`` with the probability ``share``; clips
       of other trailers are not moved. The mean over clips contains the signal.
order  clips form consecutive twos. With the probability ``share`` one clip of a two is moved along
       ``first`` and the other along ``second``: in this order if the trailer has the genre, otherwise in
       reverse order. Means contain no signal; a network must compare neighbours in order.
pairs  with the genre, a clip is moved along ``first`` or along ``second``, with the probability
       ``share`` each; without it, along only one of the two, twice as often. The sum of the means along both
       contains no signal; a network must detect that both occur.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

SIGNALS = ("clip", "order", "pairs")


@dataclass(frozen=True)
class Signal:
    """The signal in the vectors; ``directions`` is float32 (2, genres, F), each of length 1."""

    kind: str
    strength: float
    share: float
    directions: np.ndarray

    def __post_init__(self) -> None:
        if self.kind not in SIGNALS:
            raise ValueError(f"a signal must be one of {', '.join(SIGNALS)}, got '{self.kind}'")
        if not 0 <= self.share <= (0.5 if self.kind == "pairs" else 1):
            raise ValueError(f"share must be a probability, for pairs up to 0.5, got {self.share}")


def make_signal(kind: str, *, genres: int, features: int, strength: float, share: float, seed: int) -> Signal:
    """A signal whose directions are orthogonal to each other if F is large enough."""
    draw = np.random.default_rng([seed, 0x516]).normal(size=(features, 2 * genres))
    if features >= 2 * genres:
        draw = np.linalg.qr(draw)[0]
    directions = (draw / np.linalg.norm(draw, axis=0)).T.reshape(2, genres, features)
    return Signal(kind, strength, share, directions.astype(np.float32))


def plant(genres: np.ndarray, clips: int, signal: Signal, random: np.random.Generator) -> np.ndarray:
    """Float32 (clips, F): the vectors of one trailer with the bool ``genres`` (genres,)."""
    moved = MOVES[signal.kind](np.asarray(genres, bool), clips, signal.share, random)
    vectors = random.standard_normal((clips, signal.directions.shape[2]), np.float32)
    # Few clips are moved along few directions; a matrix product would use every core for very little work.
    for rows, directions in zip(moved, signal.directions, strict=True):
        for genre in np.flatnonzero(rows.any(axis=0)):
            vectors[rows[:, genre]] += np.float32(signal.strength) * directions[genre]
    return vectors


def move_clips(genres: np.ndarray, clips: int, share: float, random: np.random.Generator) -> np.ndarray:
    """Bool (2, clips, genres): which clips are moved along ``first``, and which along ``second``.

    ``move_in_order`` and ``move_in_pairs`` return the same.
    """
    first = genres & (random.random((clips, len(genres))) < share)
    return np.stack([first, np.zeros_like(first)])


def move_in_order(genres: np.ndarray, clips: int, share: float, random: np.random.Generator) -> np.ndarray:
    moved = np.zeros((2, clips, len(genres)), bool)
    twos = random.random((clips // 2, len(genres))) < share
    for place in (0, 1):
        rows = slice(place, clips // 2 * 2, 2)
        moved[0, rows] = twos & (genres == (place == 0))
        moved[1, rows] = twos & (genres == (place == 1))
    return moved


def move_in_pairs(genres: np.ndarray, clips: int, share: float, random: np.random.Generator) -> np.ndarray:
    drawn = random.random((clips, len(genres)))
    only_first = random.random(len(genres)) < 0.5
    first, second = drawn < share, (drawn >= share) & (drawn < 2 * share)
    either = first | second
    return np.where(genres, np.stack([first, second]), np.stack([either & only_first, either & ~only_first]))


MOVES = {"clip": move_clips, "order": move_in_order, "pairs": move_in_pairs}


def odds(vectors: np.ndarray, signal: Signal) -> np.ndarray:
    """The best possible prediction: the log likelihood ratio (genres,) of having a genre, from one trailer's vectors.

    It uses the true signal; if directions are orthogonal, the vectors contain no other information.
    """
    first, second = (vectors @ directions.T for directions in signal.directions)
    moved: list[np.ndarray] = [np.exp(signal.strength * along - signal.strength**2 / 2) for along in (first, second)]
    share = signal.share
    ratio: np.ndarray
    if signal.kind == "clip":
        ratio = log_sum(1 - share + share * moved[0])
    elif signal.kind == "order":
        even = [part[0 : len(part) // 2 * 2 : 2] for part in moved]
        odd = [part[1 : len(part) // 2 * 2 : 2] for part in moved]
        right, wrong = even[0] * odd[1], even[1] * odd[0]
        ratio = log_sum(1 - share + share * right) - log_sum(1 - share + share * wrong)
    else:
        alone = [log_sum(1 - 2 * share + 2 * share * part) for part in moved]
        both = log_sum(1 - 2 * share + share * (moved[0] + moved[1]))
        ratio = both - np.logaddexp(alone[0], alone[1]) + math.log(2)
    return ratio


def log_sum(factors: np.ndarray) -> np.ndarray:
    """The logarithm of the product over clips."""
    total: np.ndarray = np.log(factors).sum(axis=0)
    return total
