"""The README's command on a machine with GPUs: how many jobs run at once, and which of them hold a GPU."""

from __future__ import annotations

import re
import subprocess

import pytest

import workflow_lab as lab


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A manifest is enough: nothing is run."""
    folder = tmp_path_factory.mktemp("planned")
    lab.write_manifest(folder, [(f"t{n}", f"t{n}.mp4") for n in range(6)])
    manifest = folder / "manifest.csv"
    lines = manifest.read_text().splitlines()
    manifest.write_text("\n".join([f"{lines[0]},poster", *(f"{line},p{n}.jpg" for n, line in enumerate(lines[1:]))]))
    return folder


def jobs(folder, *words):
    """Rule -> (threads, GPUs) of its jobs in a dry run."""
    done = subprocess.run(
        lab.command(folder, "--dry-run", *words),
        capture_output=True, text=True, check=True, env=lab.environment(), timeout=120,
    )  # fmt: skip
    found = {}
    for job in re.split(r"\n(?=(?:local)?rule )", done.stdout + done.stderr):
        rule = re.match(r"(?:local)?rule (\w+):", job)
        if rule:
            threads, gpus = re.search(r"threads: (\d+)", job), re.search(r"\bgpu=(\d+)", job)
            found[rule[1]] = (int(threads[1]) if threads else 1, int(gpus[1]) if gpus else 0)
    return found


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--cores", "16", "--resources", "gpu=4"), (4, 1)),
        (("--cores", "16", "--resources", "gpu=1"), (8, 1)),
        (("--cores", "2", "--resources", "gpu=4"), (1, 1)),
        (("--cores", "16"), (8, 1)),
        (("--cores", "16", "--resources", "gpu=0"), (8, 0)),
        (("--cores", "16", "--resources", "gpu=4", "--set-threads", "shots=2", "embed=2", "embed_posters=2"), (2, 1)),
    ],
)
def test_threads_of_a_gpu_job_follow_cores_and_gpus_of_the_run(study, words, expected):
    found = jobs(study, *words)
    assert {rule: found[rule] for rule in ("shots", "embed", "embed_posters")} == dict.fromkeys(
        ("shots", "embed", "embed_posters"), expected
    )
    assert found["classify"] == (1, 0)


@pytest.mark.parametrize(
    ("setting", "holding"),
    [
        ("shots={device: cpu}", {"embed", "embed_posters"}),
        ("embed={device: cpu}", {"shots"}),
        ("classify={device: cuda}", {"shots", "embed", "embed_posters", "classify"}),
    ],
)
def test_only_jobs_that_use_a_gpu_hold_one(study, setting, holding):
    found = jobs(study, "--cores", "8", "--resources", "gpu=2", "--config", setting)
    assert {rule for rule, (_, gpus) in found.items() if gpus} == holding
