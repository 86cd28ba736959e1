"""Compares detected with labelled transitions, as the reference evaluation of TransNet V2 does.

A transition is between the last frame of one shot and the first frame of the next. With a tolerance of t frames it is
widened by t / 2 on both sides; a detected and a labelled transition match if the two intervals touch. Transitions are
matched in time order, each is used once, and counts are added over all videos.

    labelled    last 100, first 101 (a cut), tolerance 2: 99.5 ... 101.5
    detected    last 102, first 103:                      101.5 ... 103.5    a match: two frames off
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from trailers.detector.shots import find_shots
from trailers.domain import Shot

CUT, GRADUAL = "cut", "gradual"
TOLERANCE = 2  # frames, as in the reference


@dataclass(frozen=True, order=True)
class Transition:
    """A transition from ``last``, the last frame of a shot, to ``first``, the first frame of the next."""

    last: float
    first: float
    kind: str = ""

    def __post_init__(self) -> None:
        if not self.last < self.first:
            raise ValueError(f"a transition needs last < first, got {self.last:g} and {self.first:g}")
        if not self.kind:
            object.__setattr__(self, "kind", CUT if self.first - self.last == 1 else GRADUAL)

    def widened(self, tolerance: float) -> tuple[float, float]:
        """The interval in frames that a matching transition must touch."""
        return self.last + 0.5 - tolerance / 2, self.first - 0.5 + tolerance / 2


@dataclass(frozen=True)
class Matching:
    """The matches (labelled, detected) of one video, and the unmatched transitions of both lists."""

    hits: tuple[tuple[Transition, Transition], ...]
    misses: tuple[Transition, ...]
    false_alarms: tuple[Transition, ...]

    @property
    def counts(self) -> Counts:
        return Counts(len(self.hits), len(self.false_alarms), len(self.misses))


@dataclass(frozen=True)
class Counts:
    """Matches (tp), false alarms (fp) and misses (fn)."""

    tp: int = 0
    fp: int = 0
    fn: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    @property
    def precision(self) -> float:
        """Share of the detected transitions that are labelled; 0 if none is detected."""
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else 0.0

    @property
    def recall(self) -> float:
        """Share of the labelled transitions that are detected; 0 if none is labelled."""
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 if both are 0."""
        return 2 * self.precision * self.recall / (self.precision + self.recall) if self.tp else 0.0


def transitions_between(shots: Sequence[Shot]) -> list[Transition]:
    """The transitions between consecutive ``shots`` [start, end), in time order."""
    ordered = sorted(shots)
    return [Transition(one.end - 1, two.start) for one, two in itertools.pairwise(ordered)]


def match(labelled: Sequence[Transition], detected: Sequence[Transition], *, tolerance: float) -> Matching:
    """Pair transitions in time order, each once.

    Args:
        labelled: ground truth, in any order.
        detected: in any order.
        tolerance: number of frames by which a detected cut may differ.
    """
    truth, found = sorted(labelled), sorted(detected)
    hits, misses, false_alarms = [], [], []
    i = j = 0
    while i < len(truth) and j < len(found):
        truth_start, truth_end = truth[i].widened(tolerance)
        found_start, found_end = found[j].widened(tolerance)
        if found_start > truth_end:
            misses.append(truth[i])
            i += 1
        elif truth_start > found_end:
            false_alarms.append(found[j])
            j += 1
        else:
            hits.append((truth[i], found[j]))
            i, j = i + 1, j + 1
    return Matching(tuple(hits), (*misses, *truth[i:]), (*false_alarms, *found[j:]))


def detected_transitions(probabilities: np.ndarray, *, threshold: float, head: str) -> list[Transition]:
    """The transitions that ``probabilities`` (frames,) of one head give above ``threshold``."""
    return transitions_between(find_shots(probabilities, threshold=threshold, head=head, min_frames=1))


def pooled(matchings: Iterable[Matching]) -> Counts:
    """The counts of all videos, added up."""
    return sum((matching.counts for matching in matchings), Counts())


@dataclass(frozen=True)
class KindCounts:
    """Number of labelled transitions of one kind, and the kinds of the detected transitions that match them."""

    labelled: int = 0
    missed: int = 0
    detected_as: Mapping[str, int] = field(default_factory=dict)  # kind of the detected transition -> matches


def by_kind(matchings: Iterable[Matching]) -> dict[str, KindCounts]:
    """Labelled kind -> counts, over all videos."""
    labelled: dict[str, int] = {}
    missed: dict[str, int] = {}
    detected: dict[str, dict[str, int]] = {}
    for matching in matchings:
        for truth, found in matching.hits:
            labelled[truth.kind] = labelled.get(truth.kind, 0) + 1
            kinds = detected.setdefault(truth.kind, {})
            kinds[found.kind] = kinds.get(found.kind, 0) + 1
        for truth in matching.misses:
            labelled[truth.kind] = labelled.get(truth.kind, 0) + 1
            missed[truth.kind] = missed.get(truth.kind, 0) + 1
    return {
        kind: KindCounts(count, missed.get(kind, 0), detected.get(kind, {})) for kind, count in sorted(labelled.items())
    }


def sweep(
    labelled: Mapping[str, Sequence[Transition]],
    probabilities: Mapping[str, np.ndarray],
    *,
    thresholds: Sequence[float],
    head: str,
    tolerance: float,
) -> dict[float, Counts]:
    """Threshold -> counts over all videos.

    Args:
        labelled: video -> ground truth.
        probabilities: video -> (frames,), for the same videos.
    """
    return {
        threshold: pooled(
            match(labelled[video], detected_transitions(values, threshold=threshold, head=head), tolerance=tolerance)
            for video, values in probabilities.items()
        )
        for threshold in thresholds
    }


def best(swept: Mapping[float, Counts]) -> float:
    """The threshold with the highest F1; of several, the lowest."""
    return max(sorted(swept), key=lambda threshold: swept[threshold].f1)
