"""docs/backbones.md says what the code does."""

from __future__ import annotations

from pathlib import Path

from trailers.backbones.publishers import DIFFERENCES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "backbones.md"


def test_every_difference_from_a_publisher_is_in_the_table() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    for each in DIFFERENCES:
        assert f"| {each.family} | {each.library} | {each.publisher} | {each.here} |" in lines
