"""The examples of the documentation run, and the targets of its links exist."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import workflow_lab as lab

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


# All blocks run in one process, so that torch is imported only once, each with separate names.
RUN_BLOCKS = """
import contextlib, io, json, subprocess, sys
for language, code in json.load(sys.stdin):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        if language == "bash":
            subprocess.run(["bash", "-euc", code], check=True)
        else:
            exec(compile(code, code.splitlines()[0], "exec"), {"__name__": "__main__"})
    assert language == "bash" or printed.getvalue().strip(), code
print("all ran")
"""


@pytest.mark.slow
def test_the_recipes_run_on_the_results_of_the_demo(finished_demo, tmp_path):
    for package in ("pandas", "sklearn", "pyarrow", "duckdb", "datasets"):
        pytest.importorskip(package, reason="the recipes need the extras test and publish")
    for name in ("results", "workflow"):
        (tmp_path / name).symlink_to(finished_demo / name)
    page = (PROJECT / "docs" / "recipes.md").read_text()
    found = re.findall(r"^```(python|bash)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(found) == 10
    # One thread, because on a shared machine many threads wait for each other.
    environment = {**lab.environment(), "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RUN_BLOCKS], cwd=tmp_path, input=json.dumps(found), capture_output=True, text=True,
        env=environment, check=False, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.endswith("all ran\n")
    assert (tmp_path / "clip.png").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_the_targets_of_links_between_pages_exist(page):
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.relative_to(PROJECT)}: {target}"
