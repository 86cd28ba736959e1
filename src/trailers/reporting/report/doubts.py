"""Results that look wrong although every stage was ok: sentences, each with its trailers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trailers.backbones.row import resized_side
from trailers.domain import Trailer
from trailers.reporting.report.stages import Stage
from trailers.stages.outcome import Group
from trailers.store.ledger import OK, LedgerRow
from trailers.store.videos import shared_videos, split_apart

DUPLICATED = 0.2  # share of the frames; in a video of 20 frames per second it is a sixth
FLAGGED = "flagged"


@dataclass(frozen=True)
class Doubt:
    """What looks wrong and why that matters, and the trailers that it concerns, if any."""

    what: str
    trailers: tuple[str, ...] = ()


def doubts(
    trailers: Sequence[Trailer], folder: Path, stages: Sequence[Stage], shots: Mapping[str, int],
    backbones: Sequence[Mapping[str, Any]],
) -> list[Doubt]:  # fmt: skip
    """All doubts, in the order of the stages.

    Args:
        folder: that of the manifest.
        shots: trailer -> its number of shots.
        backbones: from ``counts.describe_backbones``.
    """
    normalise = next((stage for stage in stages if stage.stage == "normalise"), Stage("normalise"))
    rows = [row for row in normalise.rows.values() if row.status == OK]
    return [
        *shared_links(trailers, folder),
        *duplicated_frames(rows),
        *single_shots(shots),
        *enlarged(rows, backbones),
    ]


def shared_links(trailers: Sequence[Trailer], folder: Path) -> Iterator[Doubt]:
    groups = shared_videos(trailers, folder)
    if groups:
        apart = sum(bool(split_apart(group)) for group in groups)
        trained = f" {apart:,} of them are both trained on and tested on." if apart else ""
        yield Doubt(
            f"{counted(len(groups), 'video')} of several trailers: the same link or file in several rows.{trained}",
            tuple(dict.fromkeys(trailer.trailer for group in groups for trailer in group)),
        )


def duplicated_frames(rows: Sequence[LedgerRow]) -> Iterator[Doubt]:
    many = [
        row.trailer for row in rows
        if (row.facts.get("frames_duplicated") or 0) > DUPLICATED * (row.facts.get("frames") or 0)
    ]  # fmt: skip
    if many:
        yield Doubt(
            f"{counted(len(many), 'trailer')} with more than {DUPLICATED:.0%} of the frames shown twice: "
            "the published video has a low frame rate or is a slide show.",
            tuple(many),
        )


def single_shots(shots: Mapping[str, int]) -> Iterator[Doubt]:
    single = tuple(trailer for trailer, count in shots.items() if count == 1)
    if single:
        yield Doubt(
            f"{counted(len(single), 'trailer')} of one shot ({100 * len(single) / len(shots):.1f} %): "
            "not a trailer, or shots.threshold is too high.",
            single,
        )


def enlarged(rows: Sequence[LedgerRow], backbones: Sequence[Mapping[str, Any]]) -> Iterator[Doubt]:
    """Backbones that need more pixels than the 24 fps videos have."""
    sides = [min(row.facts["width_px"], row.facts["height_px"]) for row in rows if row.facts.get("width_px")]
    for backbone in {str(row["backbone"]): row for row in backbones}.values():
        wanted = resized_side(str(backbone["attributes"].get("transform", "")))
        smaller = [side for side in sides if wanted and side < wanted]
        if smaller:
            yield Doubt(
                f"{backbone['backbone']} enlarges the pictures of {counted(len(smaller), 'trailer')}: it needs a short "
                f"side of {wanted} px, but the median of these is {int(np.median(smaller))} px. A larger "
                "normalise.short_side helps if the published videos are that large."
            )


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def flagged(rows: Mapping[str, LedgerRow]) -> list[Group]:
    """The flags of the quality stage with their trailers, most frequent first."""
    found: dict[str, list[tuple[str, str]]] = {}
    for row in rows.values():
        flags = row.facts.get("flags") if row.status == OK else None
        for flag, reason in flags.items() if isinstance(flags, Mapping) else ():
            found.setdefault(str(flag), []).append((row.trailer, str(reason)))
    groups = [Group("quality", FLAGGED, flag, tuple(trailers)) for flag, trailers in found.items()]
    return sorted(groups, key=lambda group: -len(group.trailers))
