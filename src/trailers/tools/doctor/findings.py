"""The result of a check, and the run that is checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

OK, WARN, BAD = "ok", "warn", "bad"


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    level: str
    subject: str
    words: str

    def __str__(self) -> str:
        return f"{self.level:5} {self.subject:12} {self.words}"


@dataclass(frozen=True)
class Place:
    """The run that is checked: what it embeds, and its files and folders."""

    pairs: Sequence[tuple[str, str]]  # clip strategy, backbone
    weights: Path
    manifest: Path
    results: Path
    short_side: int | None = None  # px of the 24 fps videos (normalise.short_side)
    has_random_weights: bool = False  # instead of published ones (embed.random_weights)
