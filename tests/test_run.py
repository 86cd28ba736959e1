"""envs/run makes an environment once and then replaces itself by the command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PYPROJECT = """
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"
[project]
name = "little"
version = "1"
[tool.setuptools]
packages = []
"""


@pytest.fixture(scope="module")
def little(tmp_path_factory, project) -> Path:
    """A project with a small environment, which is made in seconds."""
    folder = tmp_path_factory.mktemp("a folder with spaces")
    (folder / "envs").mkdir()
    shutil.copy(project / "envs" / "run", folder / "envs" / "run")
    lock = (project / "envs" / "requirements.txt").read_text().splitlines()
    (folder / "envs" / "requirements.txt").write_text(
        next(line for line in lock if line.startswith("setuptools==")) + "\n"
    )
    (folder / "pyproject.toml").write_text(PYPROJECT)
    probe = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--quiet",
        "--dest",
        str(folder / "probe"),
        "iniconfig",
    ]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("pip reaches no package index here")
    return folder


def start(folder, *command, cwd=None):
    return subprocess.Popen(
        [str(folder / "envs" / "run"), *command], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_two_commands_started_at_once_make_one_environment_and_both_run(little, tmp_path):
    code = "import sys; print(sys.prefix)"
    jobs = [start(little, "python", "-c", code, cwd=tmp_path) for _ in range(2)]
    results = [job.communicate(timeout=300) for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], results
    assert [output for output, _ in results] == [f"{little}/.venv\n"] * 2
    assert sum("making .venv" in words for _, words in results) == 1


@pytest.mark.slow
def test_a_made_environment_is_used_at_once_and_made_again_when_the_pins_change(little, tmp_path):
    start(little, "true").communicate(timeout=300)
    assert start(little, "true").communicate(timeout=300) == ("", "")
    pins = little / "envs" / "requirements.txt"
    pins.write_text(pins.read_text() + "\n# changed\n")
    assert "making .venv" in start(little, "true").communicate(timeout=300)[1]


@pytest.mark.slow
def test_the_command_keeps_its_arguments_its_folder_and_its_exit_status(little, tmp_path):
    job = start(
        little,
        "python",
        "-c",
        "import os, sys; print(os.getcwd(), sys.argv[1:]); sys.exit(7)",
        "a b",
        "--x",
        cwd=tmp_path,
    )
    output, _ = job.communicate(timeout=300)
    assert output == f"{os.path.realpath(tmp_path)} ['a b', '--x']\n"
    assert job.returncode == 7


@pytest.mark.slow
def test_a_missing_command_is_named(little):
    job = start(little, "no-such-command")
    assert job.communicate(timeout=300)[1] == "envs/run: cannot run 'no-such-command': No such file or directory.\n"
    assert job.returncode == 1
