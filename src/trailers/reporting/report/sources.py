"""The videos as published: frame rates, formats, sizes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from trailers.reporting.report.shots import share
from trailers.reporting.report.stages import Stage
from trailers.store.ledger import OK

MOST = 8  # maximum number of rows of a table; the rest is added up


def source_tables(stages: Sequence[Stage]) -> dict[str, list[tuple[str, str]]]:
    """Heading -> values with the number of trailers, most frequent first; headings without values are left out."""
    normalise = next((stage for stage in stages if stage.stage == "normalise"), Stage("normalise"))
    facts = [row.facts for row in normalise.rows.values() if row.status == OK]
    known = {
        "frames per second": [f"{own['source_fps']:g}" for own in facts if own.get("source_fps")],
        "codec and container": [
            f"{own['codec']}, {str(own['container']).split(',')[0]}"
            for own in facts if own.get("codec") and own.get("container")
        ],
        "height (px)": [str(own["source_height_px"]) for own in facts if own.get("source_height_px")],
        "pictures": [kind_of_pictures(own) for own in facts if "interlaced" in own],
    }  # fmt: skip
    return {heading: counted(values) for heading, values in known.items() if values}


def kind_of_pictures(facts: Mapping[str, Any]) -> str:
    words = ["interlaced" if facts.get("interlaced") else "progressive"]
    words += ["variable rate"] if facts.get("variable_rate") else []
    words += ["high dynamic range"] if facts.get("tone_mapped", "no") != "no" else []
    words += ["turned"] if facts.get("turned", "no") != "no" else []
    return ", ".join(words)


def counted(values: Sequence[str]) -> list[tuple[str, str]]:
    counts = Counter(values)
    ordered = sorted(counts, key=lambda value: (-counts[value], value))
    rows = [(value, share(counts[value], len(values))) for value in ordered[:MOST]]
    rest = sum(counts[value] for value in ordered[MOST:])
    return [*rows, (f"{len(ordered) - MOST} others", share(rest, len(values)))] if rest else rows
