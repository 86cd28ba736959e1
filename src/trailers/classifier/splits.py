"""Splits whose subsets have the genres, and the pairs of genres, in the shares of the whole set.

Second-order iterative stratification (SOIS; Szymanski and Kajdanowicz 2017): trailers with the rarest
remaining pair of genres are assigned first, each to the subset that lacks this pair most. Exchanges of
two trailers then reduce the unevenness that the last, most common pairs leave.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

SHARES = (0.7, 0.1, 0.2)  # train, validation, test (Sec. 3)


def sizes(trailers: int, shares: Sequence[float]) -> np.ndarray:
    """Sizes of subsets that add up to ``trailers`` and approximate the shares; 0 only if there are too few trailers.

    Raises:
        ValueError: the shares are not positive or do not add up to 1.
    """
    wanted = np.asarray(shares, np.float64) * trailers
    if min(shares) <= 0 or abs(sum(shares) - 1) > 1e-9:
        raise ValueError(f"shares must be positive and add up to 1, got {tuple(shares)}")
    whole: np.ndarray = np.floor(wanted).astype(np.int64)
    largest = np.argsort(-(wanted - whole), kind="stable")[: trailers - whole.sum()]
    whole[largest] += 1
    while not whole.all() and whole.max() > 1:
        whole[whole.argmax()] -= 1
        whole[whole.argmin()] += 1
    return whole


def pairs_of(labels: np.ndarray) -> np.ndarray:
    """Bool (trailers, pairs): which pairs of genres a trailer has; a genre with itself is also a pair."""
    first, second = np.triu_indices(labels.shape[1])
    labels = np.asarray(labels, bool)
    both: np.ndarray = labels[:, first] & labels[:, second]
    return both


def stratify(labels: np.ndarray, *, shares: Sequence[float] = SHARES, seed: int) -> np.ndarray:
    """The subset 0, 1, ... of every trailer, int64 (trailers,); the subsets have exactly the sizes of ``sizes``.

    Args:
        labels: (trailers, genres), 0 or 1. Trailers without a genre fill the remaining places.
    """
    random = np.random.default_rng(seed)
    pairs = pairs_of(labels)
    room = sizes(len(pairs), shares)
    # Float (subsets, pairs): how many trailers with each pair a subset still lacks.
    lacking = np.outer(shares, pairs.sum(axis=0))
    subsets = np.full(len(pairs), -1, np.int64)
    left = pairs.sum(axis=0)
    while left.any():
        rarest = int(np.where(left > 0, left, left.max() + 1).argmin())
        for trailer in random.permutation(np.flatnonzero(pairs[:, rarest] & (subsets < 0))):
            subset = neediest(lacking[:, rarest], room, random)
            subsets[trailer] = subset
            lacking[subset] -= pairs[trailer]
            room[subset] -= 1
            left -= pairs[trailer]
    rest = np.flatnonzero(subsets < 0)
    subsets[rest] = random.permutation(np.repeat(np.arange(len(room)), room))
    return exchange(pairs, subsets, shares, random)


def neediest(lacking: np.ndarray, room: np.ndarray, random: np.random.Generator) -> int:
    """The subset with free places that lacks most; among equals the one with most free places, otherwise at random."""
    open_subsets = np.flatnonzero(room > 0)
    best = open_subsets[lacking[open_subsets] == lacking[open_subsets].max()]
    best = best[room[best] == room[best].max()]
    return int(best[0] if len(best) == 1 else random.choice(best))


def exchange(
    pairs: np.ndarray, subsets: np.ndarray, shares: Sequence[float], random: np.random.Generator
) -> np.ndarray:
    """``subsets`` after exchanging trailers between two subsets until no exchange improves the counts of pairs.

    Trailers with the same genres are interchangeable, so the search is over kinds of trailers, not single ones.
    The cost is the sum, over subsets and pairs, of the squared difference from the wanted count, each
    divided by the size of the subset. Every exchange reduces it, so the loop ends.
    """
    kinds, kind_of = np.unique(pairs, axis=0, return_inverse=True)
    kinds, kind_of = kinds.astype(np.float64), kind_of.ravel()
    subsets = subsets.copy()
    held = np.stack([np.bincount(kind_of[subsets == n], minlength=len(kinds)) for n in range(len(shares))])
    weights = 1 / np.maximum(held.sum(axis=1), 1)
    squares = (kinds**2).sum(axis=1)
    apart = squares[:, None] + squares - 2 * kinds @ kinds.T  # |v - u|^2
    while True:
        surplus = held @ kinds - np.outer(shares, held.sum(axis=0) @ kinds)
        best, move = -1e-9, None
        for one, other in itertools.combinations(range(len(shares)), 2):
            # A trailer of kind u moves from `one` to `other`, and one of kind v moves back.
            pull = 2 * kinds @ (weights[one] * surplus[one] - weights[other] * surplus[other])
            gain = pull[None, :] - pull[:, None] + (weights[one] + weights[other]) * apart
            gain[(held[one] == 0)[:, None] | (held[other] == 0)[None, :]] = np.inf
            u, v = np.unravel_index(gain.argmin(), gain.shape)
            if gain[u, v] < best:
                best, move = gain[u, v], (one, other, int(u), int(v))
        if move is None:
            return subsets
        one, other, u, v = move
        leaving = random.choice(np.flatnonzero((subsets == one) & (kind_of == u)))
        coming = random.choice(np.flatnonzero((subsets == other) & (kind_of == v)))
        subsets[leaving], subsets[coming] = other, one
        held[one, u], held[one, v], held[other, v], held[other, u] = (
            held[one, u] - 1, held[one, v] + 1, held[other, v] - 1, held[other, u] + 1,
        )  # fmt: skip


def random_split(trailers: int, *, shares: Sequence[float] = SHARES, seed: int) -> np.ndarray:
    """Random subsets of the same sizes, independent of genres."""
    room = sizes(trailers, shares)
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(room)), room))


def divergence(labels: np.ndarray, subsets: np.ndarray, *, of_pairs: bool) -> float:
    """How much genres, or pairs of different genres, are distributed differently in the subsets; 0 is perfect.

    It is the mean over genres (pairs) and subsets of the absolute difference between the odds of a genre in a
    subset and in the whole set: LD of Sechidis et al. (2011) and, for pairs, LPD.
    """
    labels = np.asarray(labels, bool)
    if of_pairs:
        first, second = np.triu_indices(labels.shape[1], k=1)
        labels = labels[:, first] & labels[:, second]
    whole = odds(labels)
    apart = [np.abs(odds(labels[subsets == subset]) - whole) for subset in np.unique(subsets)]
    return float(np.mean(apart))


def odds(labels: np.ndarray) -> np.ndarray:
    """Trailers with a genre divided by trailers without it; the divisor is at least one half."""
    having = labels.sum(axis=0)
    without = np.maximum(len(labels) - having, 0.5)
    quotient: np.ndarray = having / without
    return quotient


def describe(labels: np.ndarray, subsets: np.ndarray) -> dict[str, Any]:
    """Sizes and both divergences of one split."""
    return {
        "sizes": np.bincount(subsets, minlength=3).tolist(),
        "labels": divergence(labels, subsets, of_pairs=False),
        "pairs": divergence(labels, subsets, of_pairs=True),
    }
