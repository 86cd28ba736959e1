"""The documentation is true: its examples run, its links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
FORMATS = sorted((PROJECT / "docs" / "formats").glob("*.md"))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_examples_of_the_formats_run_on_the_results_of_the_demo(finished_demo):
    examples = [(page.name, code) for page in FORMATS for code in blocks(page, "python")]
    assert len(examples) > len(FORMATS) - 2
    for name, code in examples:
        done = subprocess.run([sys.executable, "-c", code], cwd=finished_demo, capture_output=True, text=True)
        assert done.returncode == 0, f"{name}:\n{code}\n{done.stderr}"
        assert done.stdout.strip(), f"{name} prints nothing"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.relative_to(PROJECT)}: {target}"
