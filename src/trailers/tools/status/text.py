"""The table of stages as text, and the time left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trailers.machine.progress import duration
from trailers.store.ledger import DEAD, FAILED, OK, SKIPPED
from trailers.store.text import size_text
from trailers.tools.status.lines import Line


def table(lines: Sequence[Line]) -> Iterator[str]:
    """The lines of the table, columns aligned."""
    rows = [["", OK, DEAD, FAILED, SKIPPED, "waiting", "made", "per minute", "left", "on disk", "at the end"]]
    for line in lines:
        counts = [f"{line.counts[status]:,}" for status in (OK, DEAD, FAILED, SKIPPED)]
        speed = f"{line.per_minute:.1f}" if line.per_minute and line.waiting else "-"
        sizes = [size_text(size) if size else "-" for size in (line.size, line.expected_size)]
        todo = [f"{line.waiting:,}", f"{line.made:,}", speed, duration(line.left_s)]
        rows.append([" ".join(line.key), *counts, *todo, *sizes])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        yield "  ".join(cells).rstrip()


def time_left(lines: Sequence[Line]) -> str:
    """The remaining time of the whole run. Stages run in parallel, so the slowest one determines it."""
    moving = [line for line in lines if line.waiting > line.made]
    if not moving:
        if any(line.waiting for line in lines):
            return "all products exist, but some ledgers do not: snakemake writes them"
        return "nothing is waiting"
    known = [line.left_s for line in moving if line.left_s is not None]
    still = [" ".join(line.key) for line in moving if line.left_s is None]
    if not known:
        return f"unknown: in the last ten minutes nothing was finished by {', '.join(still)}"
    if still:
        return f"at least {duration(max(known))}, plus the time for {', '.join(still)}, whose rate is unknown"
    return f"about {duration(max(known))}"
