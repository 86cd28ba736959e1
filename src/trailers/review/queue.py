"""The order in which titles are reviewed: uncertain ones first, those without a candidate last."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from trailers.store.candidates import Candidate
from trailers.store.titles import Title

STEP = 5.0  # titles that differ by less doubt are in another order for each reviewer, so that reviewers rarely meet
CLOSE = 10.0  # points; a second candidate that is closer to the best one adds doubt


@dataclass(frozen=True)
class Item:
    """One title with its candidates."""

    title: Title
    candidates: tuple[Candidate, ...]

    @property
    def doubt(self) -> float:
        """From 0 (the best candidate has a perfect score) to 100; 110 for a title without a candidate."""
        if not self.candidates:
            return 110.0
        best, *others = (candidate.score for candidate in self.candidates)
        near = max(0.0, CLOSE - (best - others[0])) if others else 0.0
        return min(100.0, 100.0 - best + near / 2)


def in_order(items: Iterable[Item], who: str) -> list[Item]:
    """The most uncertain first; the order within ``STEP`` points of doubt depends on the reviewer."""

    def key(item: Item) -> tuple[bool, float, str]:
        own = hashlib.sha256(f"{who}\n{item.title.id}".encode()).hexdigest()
        return not item.candidates, -(item.doubt // STEP), own

    return sorted(items, key=key)


def sample(titles: Collection[str], count: int) -> list[str]:
    """``count`` of the ``titles``, the same for everybody."""
    return sorted(titles, key=lambda title: hashlib.sha256(f"second pass\n{title}".encode()).hexdigest())[:count]


def next_after(order: Sequence[str], current: str, closed: Collection[str]) -> str:
    """The first open title after ``current``, otherwise the first open one of all, otherwise ""."""
    start = order.index(current) + 1 if current in order else 0
    rotated = (*order[start:], *order[:start])
    return next((title for title in rotated if title not in closed and title != current), "")


def items_by_id(titles: Iterable[Title], found: Mapping[str, Sequence[Candidate]]) -> dict[str, Item]:
    return {title.id: Item(title, tuple(found.get(title.id, ()))) for title in titles}
