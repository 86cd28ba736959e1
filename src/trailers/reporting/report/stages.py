"""The ledgers of all stages put together, and how far each trailer got."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trailers.domain import FPS, Trailer
from trailers.errors import StoreError
from trailers.reporting.local_paths import without_local_paths
from trailers.reporting.report.shots import Lengths
from trailers.stages import registry
from trailers.store.layout import Layout
from trailers.store.ledger import DEAD, FAILED, OK, LedgerRow, read_ledger


@dataclass
class Stage:
    """The outcomes of one stage, with its clip strategy and backbone if it has them."""

    stage: str
    variant: tuple[str, ...] = ()
    rows: dict[str, LedgerRow] = field(default_factory=dict)

    @property
    def key(self) -> registry.Key:
        return (self.stage, *self.variant)

    @property
    def name(self) -> str:
        return " ".join(self.key)

    def count(self, status: str) -> int:
        return sum(row.status == status for row in self.rows.values())

    def total(self, fact: str) -> float:
        return sum(row.facts.get(fact) or 0 for row in self.rows.values() if row.status == OK)


def read_stages(ledgers: Sequence[Path], layout: Layout) -> list[Stage]:
    """The ledgers of all shards, put together by stage; in running order.

    Raises:
        StoreError: a ledger is damaged, or is not below ``layout``.
    """
    stages: dict[tuple[str, ...], Stage] = {}
    for path in ledgers:
        try:
            stage, *variant = path.resolve().relative_to((layout.root / "ledger").resolve()).parts[:-1]
        except ValueError:
            raise StoreError(
                f"{path}: is not below {layout.root / 'ledger'}. Use the same --results as the run."
            ) from None
        key = (stage, *variant)
        stages.setdefault(key, Stage(stage, tuple(variant))).rows.update(read_ledger(path))
    return [stages[key] for key in sorted(stages, key=registry.order)]


def trailer_rows(trailers: Sequence[Trailer], stages: Sequence[Stage], lengths: Lengths) -> list[dict[str, str]]:
    """One row per trailer, in the order of the manifest: how far it got, and why not further."""
    clips = next((stage for stage in stages if stage.stage == "clips"), Stage("clips"))
    normalise = next((stage for stage in stages if stage.stage == "normalise"), Stage("normalise"))
    rows = []
    for trailer in trailers:
        status, where, words = outcome(trailer.trailer, stages)
        frames = facts_of(normalise, trailer.trailer).get("frames")
        rows.append(
            {
                "trailer": trailer.trailer,
                "title": trailer.title,
                "genres": ", ".join(trailer.genres),
                "status": status,
                "stage": where,
                "words": words,
                "duration": f"{frames / FPS:.1f}" if frames else "",
                "shots": str(lengths.shots.get(trailer.trailer, "")),
                "clips": str(facts_of(clips, trailer.trailer).get("clips", "")),
            }
        )
    return rows


def facts_of(stage: Stage, trailer: str) -> Mapping[str, Any]:
    row = stage.rows.get(trailer)
    return row.facts if row is not None and row.status == OK else {}


def outcome(trailer: str, stages: Sequence[Stage]) -> tuple[str, str, str]:
    """Status, stage and sentence of the first stage that a trailer did not pass; ok if it passed all.

    A trailer does not need a poster.
    """
    for stage in stages:
        if stage.stage == "posters":
            continue
        row = stage.rows.get(trailer)
        if row is None:
            return "absent", stage.name, "no ledger contains this trailer"
        if row.status in (DEAD, FAILED):
            return row.status, stage.name, without_local_paths(registry.without_name(stage.key, row.error))
    return OK, "", ""
