import itertools
import os
import signal
import subprocess
import sys
import time

import pytest

from trailers.tools import lease

# Says which device it has, then holds it for a moment: overlaps show in the times.
HOLD = """
import os, time
print(os.environ["CUDA_VISIBLE_DEVICES"], time.monotonic(), flush=True)
time.sleep({s})
print(time.monotonic())
"""


def start(tmp_path, code, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "trailers", "lease", "--", sys.executable, "-c", code],
        env={**os.environ, "TRAILERS_LEASE_DIR": str(tmp_path), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def without_slurm(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)


@pytest.mark.slow
def test_two_jobs_never_share_a_device(tmp_path, monkeypatch):
    without_slurm(monkeypatch)
    jobs = [start(tmp_path, HOLD.format(s=0.3), CUDA_VISIBLE_DEVICES="0,1") for _ in range(6)]
    held = {"0": [], "1": []}
    for job in jobs:
        output, _ = job.communicate(timeout=120)
        device, begin, end = output.split()
        held[device].append((float(begin), float(end)))
    assert held["0"]
    assert held["1"]
    for spans in held.values():
        spans.sort()
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))


def test_a_killed_job_frees_its_device_at_once(tmp_path, monkeypatch):
    without_slurm(monkeypatch)
    job = start(tmp_path, HOLD.format(s=600), CUDA_VISIBLE_DEVICES="GPU-ab12")
    assert job.stdout.readline().startswith("GPU-ab12 ")
    assert lease.try_lease(tmp_path, ["GPU-ab12"]) is None
    job.send_signal(signal.SIGKILL)
    job.communicate()
    deadline = time.monotonic() + 10
    while (got := lease.try_lease(tmp_path, ["GPU-ab12"])) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert got is not None
    os.close(got[1])


def test_inside_a_slurm_job_the_devices_stay_as_they_are(tmp_path):
    job = start(tmp_path, HOLD.format(s=0), CUDA_VISIBLE_DEVICES="2,3", SLURM_JOB_ID="7")
    output, words = job.communicate(timeout=60)
    assert output.startswith("2,3 ")
    assert "inside SLURM job 7" in words
    assert os.listdir(tmp_path) == []


def test_without_a_gpu_the_command_runs_and_it_is_said(tmp_path, monkeypatch):
    without_slurm(monkeypatch)
    job = start(tmp_path, "print('ran')", CUDA_VISIBLE_DEVICES="")
    output, words = job.communicate(timeout=60)
    assert output == "ran\n"
    assert "no GPU here; running on the CPU" in words


def test_the_exit_status_is_the_commands_own(tmp_path, monkeypatch):
    without_slurm(monkeypatch)
    assert start(tmp_path, "raise SystemExit(7)", CUDA_VISIBLE_DEVICES="").wait(timeout=60) == 7


@pytest.mark.parametrize(
    ("visible", "names"), [("0,1", ["0", "1"]), ("", []), ("-1", []), ("GPU-a, 3", ["GPU-a", "3"])]
)
def test_the_devices_are_those_that_are_visible(monkeypatch, visible, names):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert lease.devices() == names
