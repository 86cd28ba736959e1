"""The slurm profile on a real SLURM: same bytes as on one machine, and jobs that are killed are tried again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import psutil
import pytest

import slurm_lab
import workflow_lab as lab
from trailers.store.ledger import read_ledger

pytestmark = pytest.mark.slow

# The node has no accounting, and seconds count here.
QUICK = ("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "10")
PROFILE = ("--profile", str(lab.PROJECT / "workflow" / "profiles" / "slurm"), *QUICK)


@pytest.fixture(scope="module")
def cluster():
    reason = slurm_lab.missing()
    if reason:
        pytest.skip(reason)
    with slurm_lab.SlurmLab() as running:
        yield running


def environment(cluster) -> dict[str, str]:
    own = cluster.environment()
    return {
        **lab.environment(),
        "SLURM_CONF": own["SLURM_CONF"],
        "PATH": f"{cluster.folder / 'bin'}{os.pathsep}{lab.environment()['PATH']}",
    }


def test_the_whole_pipeline_gives_what_it_gives_on_one_machine(cluster, finished_study, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(finished_study, folder, ignore=shutil.ignore_patterns("results", "logs", ".snakemake"))
    # One shard for all: a SLURM job takes seconds, whatever it does.
    lab.snakemake(folder, *PROFILE, "--config", "shard_size=5", env=environment(cluster))
    shards = ("ledger/", "shards/", "report/")
    here, there = (
        {name: digest for name, digest in lab.products(where).items() if not name.startswith(shards)}
        for where in (finished_study, folder)
    )
    assert here.keys() == there.keys()
    exact = [
        name for name in here if name.startswith(("download/", "normalise/", "clips/")) or name.endswith("/t0.csv")
    ]
    assert {name: there[name] for name in exact} == {name: here[name] for name in exact}
    for name in (name for name in here if name.startswith("embed/")):
        with h5py.File(finished_study / "results" / name) as one, h5py.File(folder / "results" / name) as other:
            np.testing.assert_allclose(one["vectors"][:], other["vectors"][:], rtol=1e-3, atol=1e-4)


def start(folder: Path, cluster, *words: str) -> subprocess.Popen:
    return subprocess.Popen(
        lab.command(folder, *PROFILE, *words),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
        env=environment(cluster), start_new_session=True,
    )  # fmt: skip


def wait_for(condition, seconds: float = 120):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return found


def running_job(cluster, folder: Path):
    """The id of a running job of ``folder`` that has made a first video."""
    if not list(folder.glob("results/normalise/*.mp4")):
        return None
    lines = cluster.output("squeue", "--noheader", "--states=RUNNING", "--format=%i %Z").splitlines()
    return next((line.split()[0] for line in lines if line.split()[1] == str(folder)), None)


def payload(folder: Path):
    """The worker process of the stage in ``folder``."""
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if words[1:4] == ["-m", "trailers", "normalise"] and process.cwd() == str(folder):
            return process if list(folder.glob("results/normalise/*.mp4")) else None
    return None


def by_scancel(cluster, folder):
    cluster.output("scancel", wait_for(lambda: running_job(cluster, folder)))


def by_kill(cluster, folder):
    wait_for(lambda: payload(folder)).send_signal(signal.SIGKILL)


def by_time_limit(cluster, folder):
    job = wait_for(lambda: running_job(cluster, folder))
    cluster.output("scontrol", "update", f"jobid={job}", "TimeLimit=00:00:01")


@pytest.mark.parametrize("kill", [by_scancel, by_kill, by_time_limit])
def test_a_job_that_is_killed_is_tried_again_and_what_it_finished_stays(cluster, tmp_path, kill):
    folder = lab.make_study(tmp_path / "study", 16)
    job = start(folder, cluster, "--config", "shard_size=16", "--until", "normalise")
    kill(cluster, folder)
    finished = {path: path.stat().st_mtime_ns for path in folder.glob("results/normalise/*.frames.h5")}
    finished = {
        path: when
        for path, when in finished.items()
        if path.with_name(path.name.replace(".frames.h5", ".mp4")).exists()
    }
    assert job.wait(timeout=240) == 0
    (ledger,) = folder.glob("results/ledger/normalise/*.tsv")
    assert [row.status for row in read_ledger(ledger).values()] == ["ok"] * 16
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
