"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import workflow_lab as lab

pytest_plugins = ["web_lab"]  # its fixtures serve the tests of two rooms

PROJECT = Path(__file__).resolve().parents[1]

# Machines differ in speed by an order of magnitude; a deadline would test the machine. Derandomised:
# the same commit gives the same verdict.
settings.register_profile("project", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")


@pytest.fixture(scope="session")
def project() -> Path:
    """The root of the checkout."""
    return PROJECT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real videos and labels, where there are any."""
    folder = Path(os.environ.get("TRAILERS_TEST_DATA", PROJECT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}; TRAILERS_TEST_DATA names another folder")
    return folder


@pytest.fixture(scope="session")
def gpu() -> None:
    """A GPU, or the test is skipped."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no GPU")


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory) -> Path:
    """A study of five trailers run to its report: three good videos, a dead link, a text file posing as video.

    Shards hold three trailers. Copy it to change it.
    """
    folder = lab.make_study(tmp_path_factory.mktemp("finished"), 3)
    (folder / "videos" / "text.mp4").write_text("this is no video\n")
    rows = [(f"t{n}", f"videos/t{n}.mp4") for n in range(3)]
    lab.write_manifest(folder, [*rows, ("gone", "videos/none.mp4"), ("text", "videos/text.mp4")])
    lab.snakemake(folder, "--config", "shard_size=3")
    return folder


@pytest.fixture(scope="session")
def finished_demo(tmp_path_factory) -> Path:
    """A checkout where `snakemake demo` was run."""
    folder = tmp_path_factory.mktemp("demo")
    lab.snakemake(folder, "demo", "--snakefile", str(lab.copy_project(folder)))
    return folder
