"""The installed package: all imports are declared, the pins agree, and the wheel works in any folder."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from trailers import __version__

PROJECT = Path(__file__).resolve().parents[1]
SRC = PROJECT / "src" / "trailers"
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
EXTRAS = PYPROJECT["optional-dependencies"]
# Imported only when needed; the error of a missing one names the package to install.
BY_EXTRA = {
    "huggingface_hub": "huggingface",
    "open_clip": "open-clip",
    "pyarrow": "publish",
    "rapidfuzz": "search",
    "scenedetect": "detectors",
    "sklearn": "test",
    "skvideo": "demo",
    "snakemake": "workflow",
    "starlette": "review",
    "transformers": "huggingface",
    "uvicorn": "review",
}


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def imported_packages() -> set[str]:
    """The first part of every module that the package imports, except its own and the standard library."""
    found = set()
    for path in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                found.add(node.module.split(".")[0])
            elif isinstance(node, ast.Import):
                found.update(alias.name.split(".")[0] for alias in node.names)
    return found - {"trailers", "_typeshed"} - sys.stdlib_module_names


def test_every_imported_package_is_declared():
    distributions = importlib.metadata.packages_distributions()
    for package in imported_packages():
        declared = names(EXTRAS[BY_EXTRA[package]] if package in BY_EXTRA else PYPROJECT["dependencies"])
        candidates = {canonicalize_name(name) for name in distributions[package]}
        assert candidates & declared, f"{package} is imported; none of {sorted(candidates)} is declared"


def test_the_pins_satisfy_every_declared_range():
    lock = dict(
        re.match(r"([A-Za-z0-9_.-]+)==([A-Za-z0-9_.+]+)", line).groups()
        for line in (PROJECT / "envs" / "requirements.txt").read_text().splitlines()
        if "==" in line
    )
    pins = {canonicalize_name(name): version for name, version in lock.items()}
    for text in [*PYPROJECT["dependencies"], *(text for extra in EXTRAS.values() for text in extra)]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), text
        assert "==" not in text, f"{text}: write ranges here, pins in envs/requirements.txt"


def test_the_citation_names_this_version_and_the_paper():
    citation = yaml.safe_load((PROJECT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == __version__
    assert citation["license"] == "MIT"
    assert any("2210.07983" in reference.get("url", "") for reference in citation["references"])


def test_the_changelog_is_dated_newest_first():
    dates = re.findall(r"^## .*?(\d{4}-\d\d-\d\d)", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert dates
    assert dates == sorted(dates, reverse=True)


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder with the installed wheel and without the checkout; dependencies come from this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    quiet = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    ).stdout.splitlines()  # fmt: skip
    if not listed:
        pytest.skip("not a git checkout, so the files that belong to the project are unknown")
    source = folder / "source"
    for name in filter(lambda name: (PROJECT / name).is_file(), listed):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / name, source / name)
    pip = [sys.executable, "-m", "pip"]
    subprocess.run([*pip, "wheel", *quiet, "--wheel-dir", str(folder), str(source)], check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*pip, "install", *quiet, "--target", str(folder / "site"), str(wheel)], check=True)
    return folder / "site"


def run(installed: Path, tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    return subprocess.run(
        [sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )


def test_the_wheel_contains_the_package_and_the_projects_files_and_nothing_else(installed):
    (wheel,) = installed.parent.glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    source = installed.parent / "source"
    package = {
        str(path.relative_to(source / "src")) for path in (source / "src" / "trailers").rglob("*") if path.is_file()
    }
    folders = [source / name for name in ("workflow", "profiles", "envs")]
    files = [source / name for name in ("Snakefile", "config.yaml", "LICENSE", "NOTICE")]
    files += [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert held == package | {f"trailers/_project/{path.relative_to(source)}" for path in files}
    assert "trailers/_project/workflow/prompts.yaml" in held
    assert {"trailers/py.typed", "trailers/pages/assets/trailer.js", "trailers/review/page.html.j2"} <= held


@pytest.mark.parametrize("command", ["doctor", "shots", "embed", "verify", "tables"])
def test_commands_of_the_wheel_find_their_defaults_in_any_folder(installed, tmp_path, command):
    done = run(installed, tmp_path, "-m", "trailers", command, "--help")
    assert done.returncode == 0, done.stderr
    assert "usage: " in done.stdout


def test_the_wheel_imports_from_itself(installed, tmp_path):
    done = run(installed, tmp_path, "-c", "import trailers.project as p; print(p.__file__); print(p.PROJECT)")
    assert done.stdout.splitlines() == [
        str(installed / "trailers" / "project.py"),
        str(installed / "trailers" / "_project"),
    ]


def test_the_console_script_is_the_command(installed, tmp_path):
    done = run(installed, tmp_path, str(installed / "bin" / "trailers"), "--version")
    assert done.stdout.strip() == __version__


def test_the_wheel_runs_the_pipeline_in_any_folder(installed, tmp_path):
    words = ["-m", "trailers", "run", "demo", "--cores", "2", "--dry-run", "--quiet", "rules"]
    done = run(installed, tmp_path, *words)
    assert done.returncode == 0, done.stderr
    made = run(installed, tmp_path, "-m", "trailers", "run", "results/demo/cuts.csv", "--cores", "1", "--quiet", "all")
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "results" / "demo" / "bigbuckbunny.mp4").is_file()


def test_the_python_api_of_the_wheel_works_in_any_folder(installed, tmp_path):
    code = (
        "import numpy, trailers\n"
        "frames = numpy.zeros((48, 27, 48, 3), numpy.uint8)\n"
        "shots = trailers.detect_shots(frames, device='cpu')\n"
        "clips = trailers.cut_into_clips(shots, frames=24)\n"
        "vectors = trailers.embed(frames, clips, backbone='efficientnet_lite0', device='cpu')\n"
        "print(shots, vectors.shape, trailers.__file__)"
    )
    done = run(installed, tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"[Shot(start=0, end=48)] (2, 1280) {installed / 'trailers' / '__init__.py'}\n"
    assert not list(tmp_path.iterdir())
