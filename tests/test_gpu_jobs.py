"""The README's command on a machine with GPUs: the number of jobs at a time, and the jobs that hold a GPU."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

import gpu_lab
import workflow_lab as lab
from trailers.store.layout import Layout
from trailers.store.shards import make_shards


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A folder with only a manifest, because nothing is run."""
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
    # Three trainings have two threads each if there are enough cores.
    assert found["classify"] == (1 if "2" in words else 2, 0)


@pytest.mark.parametrize(("cores", "splits", "threads"), [("2", (0,), 2), ("2", (0, 1), 1), ("4", (0, 1), 2)])
def test_trainings_requested_by_name_share_the_cores_of_the_run(study, cores, splits, threads):
    targets = [f"results/classify/default/split{split}/metrics.json" for split in splits]
    assert jobs(study, "--cores", cores, *targets)["classify"] == (threads, 0)


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


# Replaces `python -m trailers shots`: waits until four such jobs run at once, each on its own device.
MEETS = """
import os, pathlib, sys, time
ledger = pathlib.Path(sys.argv[sys.argv.index("--ledger") + 1])
place = pathlib.Path("devices") / os.environ["CUDA_VISIBLE_DEVICES"]
place.open("x").write(os.environ["OMP_NUM_THREADS"])
end = time.monotonic() + 60
while len(list(place.parent.iterdir())) < 4 and time.monotonic() < end:
    time.sleep(0.05)
ledger.write_text("done")
"""


def python_that_meets(folder):
    """A `python` in which the shots stage only waits for other jobs; other commands are the real ones."""
    folder.mkdir()
    (folder / "meets.py").write_text(MEETS)
    program = folder / "python"
    program.write_text(
        f'#!/bin/sh\ncase "$*" in "-m trailers shots"*) exec {sys.executable} {folder / "meets.py"} "$@";; esac\n'
        f'exec {sys.executable} "$@"\n'
    )
    program.chmod(0o755)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    "more", [{}, {"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "0,1,2,3"}], ids=["one machine", "inside salloc"]
)
def test_the_readmes_command_runs_four_jobs_on_four_gpus(tmp_path, more):
    ids = [f"t{n}" for n in range(4)]
    lab.write_manifest(tmp_path, [(trailer, f"{trailer}.mp4") for trailer in ids])
    layout = Layout(tmp_path / "results")
    shards = make_shards(ids, size=1, letter="s")
    for shard in shards:
        for made in (layout.shard(shard), layout.ledger("normalise", shard)):
            made.parent.mkdir(parents=True, exist_ok=True)
            made.write_text("made")
    (tmp_path / "devices").mkdir()
    smi = gpu_lab.fake_nvidia_smi(tmp_path / "smi", gpu_lab.listing())
    environment = gpu_lab.environment(tmp_path / "locks", smi=smi, **more)
    environment["PATH"] = f"{python_that_meets(tmp_path / 'bin')}{os.pathsep}{environment['PATH']}"
    words = ["--cores", "16", "--resources", "gpu=4", "--config", "shard_size=1", "--allowed-rules", "shots", "--"]
    targets = [str(layout.ledger("shots", shard).relative_to(tmp_path)) for shard in shards]
    lab.snakemake(tmp_path, *words, *targets, env=environment)
    assert {path.name: path.read_text() for path in (tmp_path / "devices").iterdir()} == dict.fromkeys(
        gpu_lab.FOUR, "4"
    )
