"""Which trailers are copies of each other: the same pictures at the same times, even if encoded or cropped anew.

Three steps avoid a comparison of every trailer with every other:

    candidates   pictures that agree in 24 chosen bits, in one of twelve choices, vote for their two trailers and for
                 the time between them; pictures that many trailers have, such as the logo of a studio, do not vote
    alignment    for two trailers with enough votes, the time between them on which most votes agree, also if one
                 plays at another speed
    share        at that time, the share of the shorter trailer's pictures that the other has
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trailers.quality.prints import BITS, differing_bits

TABLES = 12  # choices of bits
KEY_BITS = 24
COMMON = 40  # a key that more pictures share does not indicate copies
FEWEST_VOTES = 2  # minimum for the same time, for a pair to be compared
BIN = 8  # frames; votes whose times differ by less agree
NEAR = 4  # maximum difference in time of the same picture in two copies, in frames
SAME_BITS = 40  # of 128; different pictures differ in 64 on average, and fewer than 2 in 100 of them in 40 or less
FEWEST_PICTURES = 5  # minimum number that two copies share
SPEEDS = (1.0, 24 / 25, 25 / 24)  # film that is shown at 25 frames per second is 4 % shorter
CHUNK = 1 << 16  # pictures whose bits are unpacked together


@dataclass(frozen=True)
class Pictures:
    """The fingerprints of one trailer."""

    frames: np.ndarray  # int64 (pictures,), ascending
    prints: np.ndarray  # uint8 (views, pictures, 16); the first view is the whole picture

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True)
class Match:
    """Two trailers that are copies of each other, as positions in the compared sequence."""

    first: int
    second: int  # greater than first
    share: float  # of the pictures of the trailer that has fewer
    pictures: int  # number of shared pictures
    offset: int  # the frame of the second that corresponds to frame 0 of the first; may be outside of it
    speed: float  # frames of the second per frame of the first


def near_duplicates(trailers: Sequence[Pictures], *, share: float) -> list[Match]:
    """The pairs of ``trailers`` that are copies, in their order.

    Args:
        trailers: their fingerprints.
        share: minimum share of the pictures of the trailer that has fewer.
    """
    found = []
    for (first, second), (ones, others) in candidates(trailers).items():
        match = compare(trailers, first, second, ones, others)
        if match.share >= share and match.pictures >= FEWEST_PICTURES:
            found.append(match)
    return sorted(found, key=lambda match: (match.first, match.second))


Votes = tuple[np.ndarray, np.ndarray]  # frames of the first, and of the second, of pictures that look the same


def candidates(trailers: Sequence[Pictures]) -> dict[tuple[int, int], Votes]:
    """The pairs with enough votes, with the pictures that voted for them."""
    owner = np.repeat(np.arange(len(trailers)), [len(each) for each in trailers])
    if not len(owner):
        return {}
    frames = np.concatenate([each.frames for each in trailers])
    views = [np.concatenate([each.prints[view] for each in trailers]) for view in range(len(trailers[0].prints))]
    ones, others = votes(views, owner)
    if not len(ones):
        return {}
    a, b = owner[ones], owner[others]
    offset = frames[others] - frames[ones]
    pair = a * len(trailers) + b
    order = np.lexsort((offset, pair))
    pair, offset, ones, others = pair[order], offset[order], ones[order], others[order]
    chosen = enough(pair, offset)
    starts = np.flatnonzero(np.diff(pair, prepend=-1))
    ends = np.append(starts[1:], len(pair))
    return {
        (int(pair[start] // len(trailers)), int(pair[start] % len(trailers))): (
            frames[ones[start:end]],
            frames[others[start:end]],
        )
        for start, end in zip(starts, ends, strict=True)
        if chosen[start:end].any()
    }


def votes(views: Sequence[np.ndarray], owner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of pictures of different trailers that share a key; each occurs once, the earlier trailer's picture first.

    Args:
        views: uint8 (pictures, 16) of each view.
        owner: int (pictures,): the trailer of each picture, ascending.
    """
    keys = [keys_of(view) for view in views]
    found = []
    for table in range(TABLES):
        whole = keys[0][:, table]
        order = np.argsort(whole, kind="stable")
        known = whole[order]
        for view in keys:
            low, high = np.searchsorted(known, view[:, table], "left"), np.searchsorted(known, view[:, table], "right")
            found.append(pairs_of(low, high, order, owner))
    codes = np.unique(np.concatenate(found))
    return codes // len(owner), codes % len(owner)


def pairs_of(low: np.ndarray, high: np.ndarray, order: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """The pairs of each picture i with the pictures order[low[i]:high[i]], as one number each; see ``votes``."""
    counts = np.where(high - low > COMMON, 0, high - low)
    ones = np.repeat(np.arange(len(counts)), counts)
    steps = np.arange(len(ones)) - np.repeat(np.cumsum(counts) - counts, counts)
    others = order[np.repeat(low, counts) + steps]
    differ = owner[ones] != owner[others]
    ones, others = ones[differ], others[differ]
    earlier = owner[ones] < owner[others]
    codes: np.ndarray = np.where(earlier, ones, others) * len(owner) + np.where(earlier, others, ones)
    return codes


def keys_of(prints: np.ndarray) -> np.ndarray:
    """uint32 (pictures, tables): 24 of the 128 bits, another choice per table."""
    random = np.random.default_rng(12)
    choices = np.stack([random.permutation(BITS)[:KEY_BITS] for _ in range(TABLES)])
    weights = np.left_shift(np.uint32(1), np.arange(KEY_BITS, dtype=np.uint32))
    keys = np.empty((len(prints), TABLES), np.uint32)
    for start in range(0, len(prints), CHUNK):
        bits = np.unpackbits(prints[start : start + CHUNK], axis=1)
        for table, choice in enumerate(choices):
            keys[start : start + CHUNK, table] = bits[:, choice] @ weights
    return keys


def enough(pair: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """bool (votes,): which votes, sorted by pair and offset, have enough others of their pair within ``BIN`` frames."""
    last = len(pair) - FEWEST_VOTES + 1
    found = np.zeros(len(pair), bool)
    if last > 0:
        ahead = FEWEST_VOTES - 1
        found[:last] = (pair[ahead:] == pair[:last]) & (offset[ahead:] - offset[:last] < BIN)
    return found


def compare(trailers: Sequence[Pictures], first: int, second: int, ones: np.ndarray, others: np.ndarray) -> Match:
    """How much the trailers ``first`` and ``second`` share, at the speed and time at which they share most."""
    best = Match(first, second, 0.0, 0, 0, 1.0)
    for speed in SPEEDS:
        offset = commonest(others - ones * speed)
        count = shared_pictures(trailers[first], trailers[second], offset, speed)
        if count > best.pictures:
            share = count / min(len(trailers[first]), len(trailers[second]))
            best = Match(first, second, share, count, round(offset), speed)
    return best


def commonest(offsets: np.ndarray) -> float:
    """The median of ``offsets`` within the ``BIN`` frames that contain most of them; among equals the earliest."""
    ordered = np.sort(offsets)
    counts = np.searchsorted(ordered, ordered + BIN, "left") - np.arange(len(ordered))
    start = int(counts.argmax())
    return float(np.median(ordered[start : start + counts[start]]))


def shared_pictures(one: Pictures, other: Pictures, offset: float, speed: float) -> int:
    """How many pictures of ``one`` occur in ``other`` at ``offset`` and ``speed``; each counts once."""
    times = one.frames * speed + offset
    low, high = (
        np.searchsorted(other.frames, times - NEAR, "left"),
        np.searchsorted(other.frames, times + NEAR, "right"),
    )
    count, taken = 0, -1
    for picture, (start, end) in enumerate(zip(low, high, strict=True)):
        for partner in range(max(start, taken + 1), end):
            if same_picture(one.prints[:, picture], other.prints[:, partner]):
                count, taken = count + 1, partner
                break
    return count


def same_picture(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether the whole picture of one looks like some view of the other; both are uint8 (views, 16)."""
    return bool(min(differing_bits(one[0], other).min(), differing_bits(one, other[0]).min()) <= SAME_BITS)


def groups(matches: Sequence[Match]) -> dict[int, int]:
    """Position of a trailer that has a copy -> position of the first in its group, which includes copies of copies."""
    first: dict[int, int] = {}

    def leader(place: int) -> int:
        while first.setdefault(place, place) != place:
            place = first[place]
        return place

    for match in matches:
        one, other = sorted((leader(match.first), leader(match.second)))
        first[other] = one
    return {place: leader(place) for place in sorted(first)}


def leaks(members: Sequence[int | None], subsets: Sequence[str]) -> str:
    """The subsets to which copies with the codes ``members`` belong, such as train/test; empty for a single subset."""
    codes = sorted({code for code in members if code is not None})
    return "/".join(subsets[code] for code in codes) if len(codes) > 1 else ""


def members_of(groups: Mapping[int, int]) -> Iterator[list[int]]:
    """The positions of each group; the first trailer comes first."""
    found: dict[int, list[int]] = {}
    for place, first in groups.items():
        found.setdefault(first, []).append(place)
    yield from found.values()
