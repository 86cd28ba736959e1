"""In which order titles are reviewed: the uncertain first, those without a candidate last."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from trailers.store.candidates import Candidate
from trailers.store.titles import Title

STEP = 5.0  # points of doubt within which reviewers go different ways, so that they seldom meet at one title
CLOSE = 10.0  # points; a second candidate that is so near to the best is one more to compare


@dataclass(frozen=True)
class Item:
    """One title with what was found for it."""

    title: Title
    candidates: tuple[Candidate, ...]

    @property
    def doubt(self) -> float:
        """0, the best candidate is as good as it can be, to 100; 110 for a title without a candidate."""
        if not self.candidates:
            return 110.0
        best, *others = (candidate.score for candidate in self.candidates)
        near = max(0.0, CLOSE - (best - others[0])) if others else 0.0
        return min(100.0, 100.0 - best + near / 2)


def in_order(items: Iterable[Item], who: str) -> list[Item]:
    """The most uncertain first; within ``STEP`` points of doubt every reviewer has an order of their own."""

    def key(item: Item) -> tuple[bool, float, str]:
        own = hashlib.sha256(f"{who}\n{item.title.id}".encode()).hexdigest()
        return not item.candidates, -(item.doubt // STEP), own

    return sorted(items, key=key)


def sample(titles: Collection[str], count: int) -> list[str]:
    """``count`` of the ``titles``, the same for everybody."""
    return sorted(titles, key=lambda title: hashlib.sha256(f"second pass\n{title}".encode()).hexdigest())[:count]


def next_after(order: Sequence[str], current: str, closed: Collection[str]) -> str:
    """The first title behind ``current`` that is open, else the first open one of all, else ""."""
    start = order.index(current) + 1 if current in order else 0
    rotated = (*order[start:], *order[:start])
    return next((title for title in rotated if title not in closed and title != current), "")


def items_by_id(titles: Iterable[Title], found: Mapping[str, Sequence[Candidate]]) -> dict[str, Item]:
    return {title.id: Item(title, tuple(found.get(title.id, ()))) for title in titles}
