"""A command under a lease has a device that no other job of this host uses."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import time

import pytest

import gpu_lab
from gpu_lab import FOUR, HOLD, start
from trailers.machine import nvidia
from trailers.machine.lease import try_lease

A, B, C, D = FOUR
SAYS = "import os; print(os.environ['CUDA_VISIBLE_DEVICES'], os.environ.get('TRAILERS_GPU'))"


def finish(job, *, code=0):
    output, words = job.communicate(timeout=120)
    assert job.returncode == code, words
    return output, words


def held(jobs):
    """Device -> when each of the jobs had it, checked not to overlap."""
    spans = {}
    for job in jobs:
        device, begin, end = finish(job)[0].split()
        spans.setdefault(device, []).append((float(begin), float(end)))
    for times in spans.values():
        times.sort()
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(times))
    return spans


@pytest.fixture
def smi(tmp_path):
    return gpu_lab.fake_nvidia_smi(tmp_path / "smi", gpu_lab.listing())


DIVIDED = "GPU 0: A100 (UUID: GPU-a)\n" + "".join(f"  MIG 1g.5gb  Device  {n}: (UUID: MIG-{n})\n" for n in range(4))

CASES = {
    "nothing set": (gpu_lab.listing(), {}, FOUR),
    "numbers": (gpu_lab.listing(), {"CUDA_VISIBLE_DEVICES": "0,1,2,3"}, FOUR),
    "UUIDs": (gpu_lab.listing(), {"CUDA_VISIBLE_DEVICES": f"{D},{C},{B},{A}"}, FOUR),
    "salloc": (gpu_lab.listing(), {"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "0,1,2,3"}, FOUR),
    "salloc without the variable": (gpu_lab.listing(), {"SLURM_JOB_ID": "7"}, FOUR),
    "four of eight": (gpu_lab.listing([f"GPU-{n}" for n in range(8)]), {"CUDA_VISIBLE_DEVICES": "4,5,6,7"},
                      ("GPU-4", "GPU-5", "GPU-6", "GPU-7")),
    "a divided card": (DIVIDED, {}, ("MIG-0", "MIG-1", "MIG-2", "MIG-3")),
    "a divided card in salloc": (DIVIDED, {"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "GPU-a"},
                                 ("MIG-0", "MIG-1", "MIG-2", "MIG-3")),
    "another host's temporary folder": (gpu_lab.listing(), {"TMPDIR": "/nowhere"}, FOUR),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("listed", "more", "devices"), CASES.values(), ids=CASES.keys())
def test_four_jobs_have_four_devices(tmp_path, listed, more, devices):
    smi = gpu_lab.fake_nvidia_smi(tmp_path / "smi", listed)
    jobs = [start(tmp_path / "locks", HOLD.format(s=600), smi=smi, **more) for _ in range(4)]
    try:
        assert {job.stdout.readline().split()[0] for job in jobs} == set(devices)
    finally:
        for job in jobs:
            job.kill()
            job.communicate()


@pytest.mark.slow
def test_two_jobs_never_share_a_device(tmp_path, smi):
    jobs = [start(tmp_path, HOLD.format(s=0.3), smi=smi, CUDA_VISIBLE_DEVICES="0,1") for _ in range(6)]
    assert set(held(jobs)) == {A, B}


@pytest.mark.slow
def test_a_number_and_its_uuid_are_one_device(tmp_path, smi):
    jobs = [start(tmp_path, HOLD.format(s=0.3), smi=smi, CUDA_VISIBLE_DEVICES=name) for name in ("1", B, "GPU-bb")]
    assert set(held(jobs)) == {B}


def test_a_killed_job_releases_its_device_at_once(tmp_path, smi, monkeypatch):
    for name, value in gpu_lab.environment(tmp_path, smi=smi).items():
        monkeypatch.setenv(name, value)
    job = start(tmp_path, HOLD.format(s=600), smi=smi, CUDA_VISIBLE_DEVICES=B)
    assert job.stdout.readline().startswith(f"{B} ")
    (obstacle,) = try_lease([B])
    assert f"(process {job.pid}, " in obstacle.words
    job.send_signal(signal.SIGKILL)
    job.communicate()
    deadline = time.monotonic() + 10
    while isinstance(got := try_lease([B]), list) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(got) == [B]


def test_a_slurm_job_keeps_the_device_that_slurm_gave_it(tmp_path, smi):
    environment = {"CUDA_VISIBLE_DEVICES": "2", "SLURM_JOB_ID": "7"}
    output, words = finish(start(tmp_path / "locks", SAYS, smi=smi, **environment))
    assert output == f"2 {C}\n"
    assert "all that SLURM gave job 7" in words
    assert not (tmp_path / "locks").exists()
    two = {**environment, "CUDA_VISIBLE_DEVICES": "2,3"}
    assert finish(start(tmp_path, SAYS, "--gpus", "2", smi=smi, **two))[0] == f"2,3 {C},{D}\n"


def test_a_job_can_have_two_devices(tmp_path, smi):
    (smi / "computing").write_text(f"{A}, 99999998\n")
    assert finish(start(tmp_path, SAYS, "--gpus", "2", smi=smi))[0] == f"{B},{C} {B},{C}\n"
    _, words = finish(start(tmp_path, SAYS, "--gpus", "2", smi=smi, CUDA_VISIBLE_DEVICES="1"), code=1)
    assert f"2 GPUs are requested, but this machine has 1: {B}" in words


def test_a_job_that_uses_no_gpu_sees_no_device(tmp_path, smi):
    environment = {"CUDA_VISIBLE_DEVICES": "0,1", "TRAILERS_GPU": A}
    assert finish(start(tmp_path / "locks", SAYS, "--gpus", "0", smi=smi, **environment))[0] == " None\n"
    assert not (tmp_path / "locks").exists()


def test_a_device_on_which_another_program_computes_is_skipped(tmp_path, smi):
    (smi / "computing").write_text(f"{A}, 99999998\n{B}, 99999998\n{D}, 99999999\n")
    assert finish(start(tmp_path, SAYS, smi=smi))[0] == f"{C} {C}\n"


def test_a_device_that_failed_is_set_aside_for_a_while(tmp_path, smi):
    fails = "from trailers.machine.lease import set_aside; set_aside('Xid 79'); raise SystemExit(1)"
    finish(start(tmp_path, fails, smi=smi), code=1)
    assert finish(start(tmp_path, SAYS, smi=smi))[0] == f"{B} {B}\n"


@pytest.mark.parametrize("visible", ["", "-1", "NoDevFiles"])
def test_without_a_gpu_the_command_runs_with_a_message(tmp_path, smi, visible):
    output, words = finish(start(tmp_path, "print('ran')", smi=smi, CUDA_VISIBLE_DEVICES=visible))
    assert output == "ran\n"
    assert "this machine has no GPU; running on the CPU" in words


def test_without_a_driver_the_command_runs(tmp_path):
    if nvidia.DRIVER.exists():
        pytest.skip("this machine has a driver")
    output, words = finish(start(tmp_path, "print('ran')"))
    assert output == "ran\n"
    assert "this machine has no GPU; running on the CPU" in words


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"code": 9, "complaint": "couldn't communicate with the NVIDIA driver"}, "couldn't communicate"),
        ({"code": 0}, "nvidia-smi: lists no GPU"),
    ],
)
def test_a_driver_that_gives_no_gpu_stops_the_command_with_the_cause(tmp_path, more, words):
    smi = gpu_lab.fake_nvidia_smi(tmp_path / "smi", "", **more)
    for job in ({}, {"SLURM_JOB_ID": "7"}, {"CUDA_VISIBLE_DEVICES": "0"}):
        output, printed = finish(start(tmp_path, "print('ran')", smi=smi, **job), code=1)
        assert output == ""
        assert words in printed
        assert "Traceback" not in printed


def test_the_exit_status_is_that_of_the_command(tmp_path, smi):
    assert start(tmp_path, "raise SystemExit(7)", smi=smi).wait(timeout=60) == 7


def test_a_missing_command_is_reported(tmp_path):
    command = [sys.executable, "-m", "trailers", "lease", "--gpus", "0", "--", "no-such-program"]
    done = subprocess.run(command, env=gpu_lab.environment(tmp_path), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "cannot run 'no-such-program'" in done.stderr
