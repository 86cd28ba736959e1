"""From decisions to verdicts: the current verdict of each reviewer, the majority, and how far reviewers agree."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations

from trailers.store.decisions import ACCEPT, FLAG, NOTE, UNDO, Decision
from trailers.web.links import identity

Rater = tuple[str, int]  # name of the reviewer, number of the pass
FIRST, ANOTHER, NONE = "the best candidate", "another link", "no trailer"  # categories of kappa


@dataclass(frozen=True)
class Verdict:
    """The current verdict of one reviewer on one title. Without an action the title is open."""

    action: str = ""  # accept or reject
    url: str = ""
    candidate: str = ""
    when: str = ""
    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # link -> its flags
    note: str = ""

    @cached_property
    def choice(self) -> str:
        """The accepted video, or the rejection; two verdicts agree if their choices are equal."""
        return (identity(self.url) or self.url) if self.action == ACCEPT else self.action

    @property
    def category(self) -> str:
        if self.action != ACCEPT:
            return NONE
        return FIRST if self.candidate == "1" else ANOTHER


Verdicts = Mapping[Rater, Mapping[str, Verdict]]  # rater -> title -> verdict


@dataclass
class Board:
    """The verdicts of all reviewers, updated with each decision, because the page needs them after every key press."""

    found: dict[Rater, dict[str, Verdict]] = field(default_factory=dict)
    decided: set[str] = field(default_factory=set)  # titles that any reviewer has decided
    disagreed: set[str] = field(default_factory=set)  # titles on which verdicts differ
    # Rater -> the titles of the decisions that were not undone, in order, each with the verdict before it.
    stacks: dict[Rater, list[tuple[str, Verdict | None]]] = field(default_factory=lambda: defaultdict(list))

    def take(self, decision: Decision) -> None:
        """Applies one more decision; an undo cancels the rater's latest one that has not been undone."""
        rater = decision.who, decision.review
        stack, own = self.stacks[rater], self.found.setdefault(rater, {})
        if decision.action != UNDO:
            before = own.get(decision.trailer)
            stack.append((decision.trailer, before))
            self.change(rater, decision.trailer, updated(before or Verdict(), decision))
        elif stack:
            self.change(rater, *stack.pop())

    def change(self, rater: Rater, title: str, verdict: Verdict | None) -> None:
        if verdict is None:
            del self.found[rater][title]
        else:
            self.found[rater][title] = verdict
        choices = {closed.choice for closed in opinions(self.found, title).values()}
        for group, is_in in ((self.decided, choices), (self.disagreed, len(choices) > 1)):
            (group.add if is_in else group.discard)(title)

    def latest(self, rater: Rater) -> str:
        """The title of the rater's latest decision that has not been undone, or ""."""
        stack = self.stacks.get(rater)
        return stack[-1][0] if stack else ""


def board_of(decisions: Iterable[Decision]) -> Board:
    board = Board()
    for decision in decisions:
        board.take(decision)
    return board


def verdicts(decisions: Iterable[Decision]) -> dict[Rater, dict[str, Verdict]]:
    """Rater -> title -> current verdict."""
    return {rater: own for rater, own in board_of(decisions).found.items() if own}


def updated(before: Verdict, decision: Decision) -> Verdict:
    if decision.action == NOTE:
        return replace(before, note=decision.note)
    flags = dict(before.flags)
    if decision.url and decision.action == FLAG:
        flags[decision.url] = decision.flags
    if decision.action == FLAG:
        return replace(before, flags=flags)
    return replace(before, action=decision.action, url=decision.url, candidate=decision.candidate, when=decision.when)


def opinions(found: Verdicts, title: str) -> dict[Rater, Verdict]:
    """The verdicts of all raters who have decided ``title``."""
    return {rater: own[title] for rater, own in found.items() if title in own and own[title].action}


def decided(found: Verdicts) -> set[str]:
    """The titles that any rater has decided."""
    return {title for own in found.values() for title, verdict in own.items() if verdict.action}


def majority_verdict(found: Verdicts, title: str) -> Verdict | None:
    """The latest verdict of the majority; None if nobody has decided the title or the votes are tied."""
    closed = list(opinions(found, title).values())
    ranked = Counter(verdict.choice for verdict in closed).most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return max((verdict for verdict in closed if verdict.choice == ranked[0][0]), key=lambda verdict: verdict.when)


def disagreements(found: Verdicts) -> list[str]:
    """The titles on which verdicts differ, in the order of their ids."""
    return sorted(
        title for title in decided(found) if len({verdict.choice for verdict in opinions(found, title).values()}) > 1
    )


@dataclass(frozen=True)
class Agreement:
    """How far two raters agree on the titles that both have decided."""

    one: Rater
    other: Rater
    titles: int
    same: int
    kappa: float | None  # None if they would agree on everything by chance


def agreements(found: Verdicts) -> list[Agreement]:
    """Every pair of raters with titles in common."""
    pairs = (agreement(found, one, other) for one, other in combinations(sorted(found), 2))
    return [pair for pair in pairs if pair.titles]


def agreement(found: Verdicts, one: Rater, other: Rater) -> Agreement:
    both = [
        (first, second)
        for title, first in sorted(found[one].items())
        if first.action and (second := found[other].get(title)) is not None and second.action
    ]
    same = sum(first.choice == second.choice for first, second in both)
    labels = [[verdict.category for verdict in column] for column in zip(*both, strict=True)] or [[], []]
    return Agreement(one, other, len(both), same, kappa(labels[0], labels[1], same=same))


def kappa(one: Sequence[str], other: Sequence[str], *, same: int | None = None) -> float | None:
    """Cohen's kappa of two lists of categories; None if it is not defined.

    Args:
        one: the first rater's category of each title.
        other: the second rater's, in the same order.
        same: number of titles that count as agreement, if it is less than the number with equal categories: two raters
            who both accept a link other than the best agree only if it is the same link. Kappa is then a lower bound.
    """
    count = len(one)
    if not count:
        return None
    observed = (sum(a == b for a, b in zip(one, other, strict=True)) if same is None else same) / count
    ones, others = Counter(one), Counter(other)
    chance = sum(ones[category] * others[category] for category in ones) / count**2
    return None if chance == 1 else (observed - chance) / (1 - chance)
