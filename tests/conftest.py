"""Fixtures and settings that all tests share."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import workflow_lab as lab

# The same as trailers.machine.threads.wait_without_spinning, but before a test loads torch.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

pytest_plugins = ["web_lab", "browser"]  # tests of several folders use their fixtures

PROJECT = Path(__file__).resolve().parents[1]

# No deadline, because machines differ in speed by an order of magnitude. Derandomised, so that the same commit gives
# the same result.
settings.register_profile("project", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")


@pytest.fixture(scope="session")
def project() -> Path:
    """The root of the checkout."""
    return PROJECT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real videos and labels; without them, the test is skipped."""
    folder = Path(os.environ.get("TRAILERS_TEST_DATA", PROJECT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}; TRAILERS_TEST_DATA names another folder")
    return folder


@pytest.fixture(scope="session")
def anchors() -> Path:
    """Numbers and frames that others published; without them, the test is skipped."""
    folder = Path(os.environ.get("TRAILERS_TEST_ANCHORS", PROJECT.parent / "shared" / "anchors"))
    if not folder.is_dir():
        pytest.skip(f"no external references at {folder}; TRAILERS_TEST_ANCHORS names another folder")
    return folder


@pytest.fixture(scope="session")
def gpu() -> None:
    """Skips the test if there is no GPU."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no GPU")


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder filled by ``make``; the first worker of pytest-xdist that needs it makes it for all."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, finished = shared / name, shared / f"{name}.finished"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            finished.touch()
    return folder


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory) -> Path:
    """A finished run, with report, of five trailers: three videos, a dead link, and a text file with a video's suffix.

    Shards have three trailers. Tests must copy the folder before they change it.
    """

    def make(folder: Path) -> None:
        lab.make_study(folder, 3)
        (folder / "videos" / "text.mp4").write_text("this is not a video\n")
        rows = [(f"t{n}", f"videos/t{n}.mp4") for n in range(3)]
        lab.write_manifest(folder, [*rows, ("gone", "videos/none.mp4"), ("text", "videos/text.mp4")])
        lab.snakemake(folder, "--config", "shard_size=3")

    return made_once(tmp_path_factory, "finished-study", make)


@pytest.fixture
def study(finished_study, tmp_path) -> Path:
    """A copy of the finished study that a test may change; files keep their times, so Snakemake finds it finished."""
    return Path(shutil.copytree(finished_study, tmp_path / "study", copy_function=shutil.copy2, symlinks=True))


@pytest.fixture(scope="session")
def finished_demo(tmp_path_factory) -> Path:
    """A checkout in which `snakemake demo` was run. Tests must copy it before they change it."""
    return made_once(
        tmp_path_factory,
        "finished-demo",
        lambda folder: lab.snakemake(folder, "demo", "--snakefile", str(lab.copy_project(folder))),
    )


def pytest_collection_modifyitems(config, items):
    """Deselect tests that take minutes to hours unless ``-m`` selects them, and put the slowest files first.

    pytest-xdist gives whole files to its workers; if a slow file came last, one worker would run it alone.
    """
    for marker in ("sweep", "long"):
        if marker not in config.option.markexpr:
            config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker(marker)])
            items[:] = [item for item in items if not item.get_closest_marker(marker)]
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])  # stable, so files stay together
