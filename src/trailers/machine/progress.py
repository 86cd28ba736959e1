"""Progress a person can follow: a bar in a terminal, a log line per trailer everywhere else."""

from __future__ import annotations

import logging
import sys
import time

from tqdm import tqdm

log = logging.getLogger(__name__)


class Progress:
    """Counts trailers of one stage: ``shots: 12/100 tt0133093: 87 shots (1.4/s, 63 s left)``."""

    def __init__(self, stage: str, total: int) -> None:
        self.stage = stage
        self.total = total
        self.done = 0
        self.started = time.monotonic()
        self.bar = tqdm(total=total, desc=stage, unit="trailer") if total and sys.stderr.isatty() else None

    def step(self, trailer: str, words: str) -> None:
        self.done += 1
        rate = self.done / max(time.monotonic() - self.started, 1e-9)
        left = (self.total - self.done) / rate
        log.info(
            "%s: %d/%d %s: %s (%.2g/s, %.0f s left)", self.stage, self.done, self.total, trailer, words, rate, left
        )
        self.advance()

    def advance(self) -> None:
        """Move the bar on by one trailer."""
        if self.bar is not None:
            self.bar.update()

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
