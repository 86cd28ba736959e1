"""Starting a batch never makes the host wait for the GPU; tested with tensors that have shapes but no values."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from trailers.backbones.rows import ROWS

SCRIPT = Path(__file__).parents[1] / "fake_gpu.py"


@pytest.fixture(scope="module")
def waits() -> dict[str, list[str]]:
    """Operations that make the host wait, by network and precision; in a separate process with a patched torch."""
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_an_operation_that_waits_for_the_gpu_is_detected(waits: dict[str, list[str]]) -> None:
    assert waits["constants"] == ["a test"]


@pytest.mark.parametrize("name", [f"{name} {precision}" for name in ROWS for precision in ("float32", "bfloat16")])
def test_starting_a_batch_of_clips_never_waits(waits: dict[str, list[str]], name: str) -> None:
    assert waits[name] == []


@pytest.mark.parametrize("precision", ["float16", "float32"])
def test_starting_a_batch_of_windows_never_waits(waits: dict[str, list[str]], precision: str) -> None:
    assert waits[f"detector {precision}"] == []
