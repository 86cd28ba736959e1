"""The numbers behind Figures 4d, 8 and 10, from the products of the stages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trailers.domain import Shot
from trailers.errors import StoreError
from trailers.store.json_file import read_json
from trailers.store.layout import Layout
from trailers.store.ledger import OK, check_fingerprint, read_ledger
from trailers.store.spans import SHOTS_SCHEMA, read_spans


@dataclass(frozen=True)
class Shots:
    """The shots of a set: the counts of Fig. 8, and the number of frames of each trailer."""

    counts: Mapping[str, Any]
    frames: Mapping[str, int]  # trailer -> frames, in the order of the ledgers


def read_shots(ledgers: Sequence[Path], layout: Layout) -> Shots:
    """Shots by duration in frames.

    Raises:
        StoreError: the shots of a trailer are missing, or do not match its ledger.
    """
    durations: Counter[int] = Counter()
    frames = {}
    for row in (row for path in ledgers for row in read_ledger(path).values() if row.status == OK):
        path = layout.shots(row.trailer)
        spans, header = read_spans(path, kind=Shot, schema=SHOTS_SCHEMA)
        check_fingerprint(row, header.get("fingerprint", ""), path)
        durations.update(len(span) for span in spans)
        frames[row.trailer] = int(header["frames"])
    every = np.repeat(list(durations), list(durations.values())) if durations else np.zeros(0)
    counts = {
        "trailers": len(frames),
        "shots": int(every.size),
        "mean": float(every.mean()) if every.size else None,
        "median": float(np.median(every)) if every.size else None,
        "commonest": min(durations, key=lambda length: (-durations[length], length)) if durations else None,
        "durations": {str(length): durations[length] for length in sorted(durations)},
    }
    return Shots(counts, frames)


def costs(path: Path) -> list[dict[str, Any]]:
    """The rows of Table 6, ours and printed: multiply-adds for 30 clips (G), parameters (M), micro AP; None: unknown.

    Raises:
        StoreError: the file was not written by the tables stage.
    """
    no_row = {"micro": [None]}
    try:
        content = read_json(path, remedy="Rerun the tables stage.")
        tables = [table for table in content["tables"] if any(row["printed_gmacs"] for row in table["rows"])]
        return [
            {
                "name": row["name"],
                "ours": [row["gmacs"], row["parameters_m"], row["ours"]["trapezoid"]["micro"][0]],
                "printed": [row["printed_gmacs"], row["printed_parameters_m"], (row["printed"] or no_row)["micro"][0]],
            }
            for table in tables
            for row in table["rows"]
        ]
    except (FileNotFoundError, ValueError, KeyError, TypeError) as problem:
        raise StoreError(f"{path}: is not a tables.json: {problem!r}. Rerun the tables stage.") from None
