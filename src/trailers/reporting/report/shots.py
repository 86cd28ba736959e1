"""Lengths of shots, and their statistics."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from trailers.domain import FPS, Shot
from trailers.errors import StoreError
from trailers.store.layout import Layout
from trailers.store.ledger import LedgerRow, check_fingerprint
from trailers.store.spans import SHOTS_SCHEMA, read_spans

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lengths:
    """Lengths of all shots, and the trailers whose shots cannot be read."""

    durations: Mapping[int, int]  # frames -> shots
    shots: Mapping[str, int]  # trailer -> shots
    unreadable: tuple[str, ...]


def read_lengths(rows: Iterable[LedgerRow], layout: Layout) -> Lengths:
    """The lengths of all shots that match their ledger rows."""
    durations: Counter[int] = Counter()
    counts, unreadable = {}, []
    for row in rows:
        trailer, path = row.trailer, layout.shots(row.trailer)
        try:
            shots, header = read_spans(path, kind=Shot, schema=SHOTS_SCHEMA)
            check_fingerprint(row, header.get("fingerprint", ""), path)
        except StoreError as problem:
            log.warning("report: %s", problem)
            unreadable.append(trailer)
            continue
        durations.update(len(shot) for shot in shots)
        counts[trailer] = len(shots)
    return Lengths(durations, counts, tuple(unreadable))


def shot_statistics(durations: Mapping[int, int]) -> dict[str, str]:
    """Statistics of lengths in frames; if several lengths are most frequent, the mode is the smallest."""
    if not durations:
        return {"shots": "0"}
    lengths = np.repeat(list(durations), list(durations.values()))
    mode = min(durations, key=lambda frames: (-durations[frames], frames))
    return {
        "shots": f"{len(lengths):,}",
        "mean": f"{lengths.mean():.1f} frames, {lengths.mean() / FPS:.2f} s",
        "median": f"{np.median(lengths):g} frames",
        "mode": f"{mode} frames",
        "shortest and longest": f"{lengths.min()} and {lengths.max():,} frames",
        "shorter than 24 frames": share(int((lengths < 24).sum()), len(lengths)),
    }


def share(part: float, whole: float) -> str:
    return f"{part:,.0f} ({100 * part / whole:.1f} %)" if whole else "0"
