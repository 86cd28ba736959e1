"""Shows the progress of a job: a log line per trailer, a bar in a terminal, and a file for the run.

If the run that started this job draws progress (``trailers.machine.live``), TRAILERS_PROGRESS names a folder. The job
then writes its progress to a file in it, not more than twice per second.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from pathlib import Path

from tqdm import tqdm

from trailers.machine.terminal import PROGRESS

log = logging.getLogger(__name__)

OFTEN_S = 0.5  # minimum time between two writes of the file


class Progress:
    """Counts trailers of one stage: ``shots: 12/100 tt0133093: 87 shots (1.4/s, 63 s left)``.

    Args:
        stage: its name, for the log.
        total: trailers to make.
        up_to_date: trailers of the shard that need no work.
        note: parts of the name of the file: stage, variant and shard; None for no file.
    """

    def __init__(self, stage: str, total: int, *, up_to_date: int = 0, note: tuple[str, ...] | None = None) -> None:
        self.stage = stage
        self.total = total
        self.up_to_date = up_to_date
        self.done = 0
        self.started = time.monotonic()
        self.bar = tqdm(total=total, desc=stage, unit="trailer") if total and sys.stderr.isatty() else None
        folder = os.environ.get(PROGRESS, "")
        self.note = Path(folder) / "+".join(note) if folder and note else None
        self.noted_s = float("-inf")
        self.write_note()

    def step(self, trailer: str, words: str) -> None:
        self.done += 1
        rate = self.done / max(time.monotonic() - self.started, 1e-9)
        left = (self.total - self.done) / rate
        log.info(
            "%s: %d/%d %s: %s (%.2g/s, %.0f s left)", self.stage, self.done, self.total, trailer, words, rate, left
        )
        self.advance()

    def advance(self) -> None:
        """Advance the bar by one trailer."""
        if self.bar is not None:
            self.bar.update()
        if time.monotonic() - self.noted_s >= OFTEN_S:
            self.write_note()

    def write_note(self) -> None:
        """Write the numbers of trailers that were up to date and that were made, if the run draws progress."""
        if self.note is None:
            return
        self.noted_s = time.monotonic()
        temporary = self.note.with_name(f".{self.note.name}")
        with contextlib.suppress(OSError):  # the run has ended, or the disk is full
            temporary.write_text(f"{self.up_to_date} {self.done}")
            temporary.replace(self.note)

    def close(self) -> None:
        self.write_note()
        if self.bar is not None:
            self.bar.close()


def duration(seconds: float | None) -> str:
    """A duration for people, such as 5 min or 2 h 03 min; "?" if it is unknown."""
    if seconds is None:
        return "?"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min" if seconds else "-"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes < 48 * 60 else f"{minutes / 1440:.1f} d"
