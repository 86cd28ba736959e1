"""Frames, clips and vectors added up over all trailers."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trailers.backbones.enlarging import enlargement_warning
from trailers.domain import FPS
from trailers.errors import StoreError
from trailers.reporting.report.shots import share
from trailers.reporting.report.stages import Stage
from trailers.store.embeddings import read_embedding_attributes
from trailers.store.layout import Layout
from trailers.store.ledger import OK, LedgerRow

log = logging.getLogger(__name__)


def clip_statistics(stages: Sequence[Stage]) -> list[dict[str, str]]:
    """One row per clip strategy."""
    rows = []
    for stage in stages:
        if stage.stage == "clips":
            trailers, clips = stage.count(OK), stage.total("clips")
            rows.append(
                {
                    "strategy": stage.variant[0],
                    "trailers": f"{trailers:,}",
                    "clips": f"{clips:,.0f}",
                    "per trailer": f"{clips / trailers:.1f}" if trailers else "",
                    "padded": share(stage.total("padded"), clips),
                    "frames of padding": f"{stage.total('padding_frames'):,.0f}",
                }
            )
    return rows


def frame_statistics(stages: Sequence[Stage]) -> dict[str, str]:
    """Statistics of the 24 fps videos."""
    normalise = next((stage for stage in stages if stage.stage == "normalise"), Stage("normalise"))
    frames = normalise.total("frames")
    known = {
        "videos at 24 fps": f"{normalise.count(OK):,}",
        "frames": f"{frames:,.0f}",
        "duration": f"{frames / FPS / 3600:.2f} h" if frames >= FPS * 3600 else f"{frames / FPS / 60:.1f} min",
    }
    for fact in ("frames_duplicated", "frames_dropped"):
        known[fact.replace("_", " ")] = share(normalise.total(fact), frames)
    download = next((stage for stage in stages if stage.stage == "download"), Stage("download"))
    notes = Counter(str(note) for row in download.rows.values() for note in row.facts.get("quality", ()))
    known["outside the limits"] = ", ".join(f"{count:,} {note}" for note, count in sorted(notes.items())) or "none"
    return known


def describe_backbones(stages: Sequence[Stage], layout: Layout) -> list[dict[str, Any]]:
    """One row per clip strategy and backbone, with the attributes that its embeddings share."""
    rows = []
    for stage in stages:
        embedded = [row for row in stage.rows.values() if row.status == OK]
        if stage.stage != "embed" or not embedded:
            continue
        attributes = shared_attributes([layout.root / row.path for row in spread_out(embedded)])
        rows.append(
            {
                "clips": stage.variant[0],
                "backbone": str(attributes.pop("backbone", stage.variant[1])),
                "trailers": f"{len(embedded):,}",
                "vectors": f"{stage.total('clips') or stage.total('vectors'):,.0f}",
                "attributes": attributes,
            }
        )
    return rows


def enlarged_for(backbones: Sequence[Mapping[str, Any]], short_side: int | None) -> list[str]:
    """A sentence per backbone for which frames were enlarged, if its files state it; files of version 1 do not."""
    sides = {row["backbone"]: row["attributes"].get("resized_short_side", "") for row in backbones}
    found = [enlargement_warning(name, int(side), short_side) for name, side in sides.items() if side.isdecimal()]
    return [words for words in found if words]


def spread_out(rows: Sequence[LedgerRow]) -> list[LedgerRow]:
    """A few rows, evenly spread; opening thousands of files for a page would take too long."""
    step = max(1, (len(rows) - 1) // (LOOKED_AT - 1))
    return [*rows[::step][: LOOKED_AT - 1], rows[-1]]


def shared_attributes(paths: Sequence[Path]) -> dict[str, str]:
    """The attributes that are the same in all of these embeddings, without those of a single trailer."""
    found = []
    for path in paths:
        try:
            found.append({key: str(value) for key, value in read_embedding_attributes(path).items()})
        except StoreError as problem:
            log.warning("report: %s", problem)
    first = found[0] if found else {}
    shared = {key: value for key, value in first.items() if all(each.get(key) == value for each in found)}
    return {key: value for key, value in sorted(shared.items()) if key not in OWN}


LOOKED_AT = 5  # embeddings per backbone
OWN = ("trailer", "fingerprint", "source_sha256")  # attributes of a single trailer
