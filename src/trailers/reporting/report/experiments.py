"""The metrics of the experiments, or the reason why there are none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trailers.classifier.metrics import AS_SKLEARN, mean_and_deviation
from trailers.domain import SUBSETS, Trailer
from trailers.errors import StoreError
from trailers.reporting.numbers import NOT_REAL, spread
from trailers.reporting.report.stages import Stage
from trailers.store.experiment import read_metrics
from trailers.store.ledger import OK

UNDEFINED = "undefined"  # no test trailer has the genre


@dataclass(frozen=True)
class Experiment:
    """The metrics of one experiment on all its splits, in the order of the splits."""

    name: str
    splits: tuple[Mapping[str, Any], ...]

    @property
    def first(self) -> Mapping[str, Any]:
        return self.splits[0]

    def score(self, convention: str, metric: str, *, of: str = "metrics") -> str:
        """Mean ± standard deviation (ddof = 1) over splits, in percent; ``of`` is metrics or floor."""
        return spread(mean_and_deviation([split[of][convention][metric] for split in self.splits]), UNDEFINED)

    def genre(self, genre: str, convention: str) -> str:
        return spread(mean_and_deviation([split["genres"][genre][convention] for split in self.splits]), UNDEFINED)

    def each(self, key: str) -> str:
        return ", ".join(str(split.get(key, "")) for split in self.splits)

    def subset(self, subset: str) -> str:
        return ", ".join(f"{split['trailers'][subset]:,}" for split in self.splits)

    def positives(self, genre: str) -> str:
        return ", ".join(f"{split['positives']['test'][genre]:,}" for split in self.splits)

    @property
    def counted_empty(self) -> str:
        """The genres that a test set lacks but that macro AP counts; empty if there are none."""
        if self.first.get("settings", {}).get("no_positives") != AS_SKLEARN:
            return ""
        counts = [split["positives"]["test"] for split in self.splits]
        return ", ".join(genre for genre in counts[0] if any(count[genre] == 0 for count in counts))

    @property
    def weights(self) -> dict[str, str]:
        """Backbone -> the weights behind the vectors that it was trained on."""
        packs = [pack for split in self.splits for pack in split.get("packs", ())]
        return {str(pack.get("backbone", "")): str(pack.get("weights", "")) for pack in packs}

    @property
    def smallest_test(self) -> int:
        return min(int(split["trailers"]["test"]) for split in self.splits)

    @property
    def left_out(self) -> str:
        named = [(reason, split["left_out"][reason]) for split in self.splits[:1] for reason in split["left_out"]]
        plain = [f"{count:,} {reason.replace('_', ' ')}" for reason, count in named if isinstance(count, int) and count]
        return ", ".join(plain) or "none"


def read_experiments(paths: Sequence[Path]) -> list[Experiment]:
    """Experiments in the order in which they are first named.

    Raises:
        StoreError: a metrics file is missing, damaged, or lacks a key.
    """
    found: dict[str, list[Mapping[str, Any]]] = {}
    for path in paths:
        metrics = read_metrics(path)
        lacking = [
            key for key in ("experiment", "split", "metrics", "floor", "genres", "trailers") if key not in metrics
        ]
        if lacking:
            raise StoreError(f"{path}: lacks {lacking[0]}. Remove it and rerun the classify stage.")
        found.setdefault(metrics["experiment"], []).append(metrics)
    return [Experiment(name, tuple(sorted(rows, key=lambda row: row["split"]))) for name, rows in found.items()]


def why_no_metrics(trailers: Sequence[Trailer], stages: Sequence[Stage]) -> str:
    """One sentence that is shown in place of the metrics."""
    if not any(trailer.genres for trailer in trailers):
        return "No trailer of the manifest has genres, so there was nothing to learn. Fill in the column genres."
    complete = [split for split in range(len(SUBSETS)) if {t.splits[split] for t in trailers if t.genres} >= {0, 1, 2}]
    if not complete:
        return (
            "No split of the manifest has train (0), validation (1) and test (2) trailers with genres. "
            "Fill in split0, split1 or split2."
        )
    if stages and not any(stage.stage == "embed" and stage.count(OK) for stage in stages):
        return "Nothing was embedded, so there was nothing to learn from."
    return "No experiment is configured. Add one in config.yaml, experiments."


def untrained_sources(backbones: Sequence[Mapping[str, Any]], experiments: Sequence[Experiment]) -> list[str]:
    """Backbones whose vectors say nothing about trailers: synthetic ones, or those of untrained weights."""
    weights = {row["backbone"]: row["attributes"].get("weights", "") for row in backbones}
    for experiment in experiments:
        weights |= experiment.weights
    return [f"{backbone} ({name})" for backbone, name in sorted(weights.items()) if name.startswith(NOT_REAL)]
