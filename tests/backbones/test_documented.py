"""docs/backbones.md agrees with the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from trailers.backbones.publishers import DIFFERENCES
from trailers.backbones.rows import find_row

PAGE = Path(__file__).resolve().parents[2] / "docs" / "backbones.md"
LINES = PAGE.read_text(encoding="utf-8").splitlines()
NETWORKS = [line for line in LINES if re.match(r"\| `[^`]+` \| [\d,]+ \|", line)]


def test_every_difference_from_a_publisher_is_in_the_table() -> None:
    for each in DIFFERENCES:
        assert f"| {each.family} | {each.library} | {each.publisher} | {each.project} | {each.source} |" in LINES


def network_line(name: str) -> str:
    """The line of the table of networks that follows from the library's description of ``name``."""
    row = find_row(name, Path("no-such-folder"))
    frames = str(row.frames or "all")
    rate = f"{row.about.fps:g}" if row.about.fps else ""
    size = "x".join(map(str, row.transform.crop))
    costs = f"{row.about.parameters / 1e6:.1f} | {row.about.multiply_adds / 1e9:.1f}"
    return (
        f"| `{name}` | {row.features} | {frames} | {size} | {rate} | {costs} | {row.weights.licence or 'not stated'} |"
    )


@pytest.mark.slow
@pytest.mark.parametrize("line", NETWORKS, ids=lambda line: line.split("`")[1])
def test_the_table_of_networks_agrees_with_the_libraries(line: str) -> None:
    assert network_line(line.split("`")[1]) == line


def test_the_table_has_networks() -> None:
    assert len(NETWORKS) == 26
