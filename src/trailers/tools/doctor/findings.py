"""What a check finds, and of what place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

OK, WARN, BAD = "ok", "warn", "bad"


@dataclass(frozen=True)
class Finding:
    """What was found of one thing."""

    level: str
    subject: str
    words: str

    def __str__(self) -> str:
        return f"{self.level:5} {self.subject:12} {self.words}"


@dataclass(frozen=True)
class Place:
    """What is to be run where."""

    pairs: Sequence[tuple[str, str]]  # clip strategy, backbone
    weights: Path
    manifest: Path
    results: Path
    short_side: int | None = None  # px of the 24 fps videos (normalise.short_side)
    has_random_weights: bool = False  # in place of published ones (embed.random_weights)
