"""The slurm profile on a real SLURM: the bytes are those of one machine, and killed jobs are run again."""

from __future__ import annotations

import os
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

# The node has no accounting database, and its disk is that of this machine.
QUICK = ("--slurm-status-command", "squeue", "--latency-wait", "10")
PROFILE = ("--profile", str(lab.PROJECT / "workflow" / "profiles" / "slurm"), *QUICK)

# Snakemake, but it checks its jobs every second; by default, the plugin waits ten seconds longer after each check.
START = (
    "-c",
    "import asyncio\n"
    "from snakemake.cli import main\n"
    "from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor\n"
    "RemoteExecutor.sleep = lambda self: asyncio.sleep(1)\n"
    "main()",
)


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


def test_a_study_gives_the_same_products_as_on_one_machine(cluster, finished_study, tmp_path):
    for name in ("videos", "manifest.csv"):
        (tmp_path / name).symlink_to(finished_study / name)
    # The node's GPUs are simulated, and a job that leases one of them would stop.
    on_cpu = ("--config", "shard_size=3", "shots={device: cpu}", "embed={device: cpu}")
    lab.snakemake(tmp_path, *PROFILE, *on_cpu, env=environment(cluster), start=START)
    expected, found = lab.products(finished_study), lab.products(tmp_path)
    assert found.keys() == expected.keys()
    # Another number of threads may add numbers in another order, which changes vectors and all results of them.
    inexact = {name for name in expected if name.startswith(("embed/", "pack/", "classify/", "report/"))}
    inexact |= {name for name in expected if name.endswith(".scores.h5")}
    assert [name for name in sorted(expected.keys() - inexact) if found[name] != expected[name]] == []
    for name in (name for name in inexact if name.endswith(".h5")):
        with h5py.File(finished_study / "results" / name) as one, h5py.File(tmp_path / "results" / name) as other:
            for key in {"vectors", "single", "many"} & one.keys():
                np.testing.assert_allclose(one[key][:], other[key][:], rtol=1e-3, atol=1e-4, err_msg=name)


def start(folder: Path, cluster, *words: str) -> subprocess.Popen:
    return subprocess.Popen(
        lab.command(folder, *PROFILE, *words, start=START),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
        env=environment(cluster), start_new_session=True,
    )  # fmt: skip


def wait_for(condition, seconds: float = 120):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "the condition did not become true in time"
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
def test_a_killed_job_is_run_again_and_its_finished_products_stay(cluster, tmp_path, kill):
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
