"""Trials of the machine around a GPU: leases, flags of the environment, decoding workers."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trailers.errors import SystemicError

PATIENCE_S = 120  # a command that takes longer hangs

# Every environment variable that makes libraries round float32.
ROUNDING_FLAGS = {
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "1",
    "NVIDIA_TF32_OVERRIDE": "1",
    "ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
}

# Holds its device for a second; prints the device, start and end of that time, and the device that torch sees.
HOLDER = """
import os, time
visible = os.environ["CUDA_VISIBLE_DEVICES"]
seen = ""
if {on_gpu}:
    import torch
    torch.zeros(1, device="cuda")
    seen = str(torch.cuda.get_device_properties(0).uuid)
begin = time.monotonic()
time.sleep(1)
print(visible, begin, time.monotonic(), seen)
"""

# A job with two decoding workers, which prints their process ids and waits to be killed.
JOB = """
import os, sys, time
from trailers.embedding.slots import Slots
from trailers.embedding.workers import processes
pool = processes(2, Slots(1, 1))
for wait in [pool.submit(time.sleep, 0.5) for _ in range(2)]:
    wait.result()
print(*pool._processes, flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class Outcome:
    """The result of one trial."""

    passed: bool
    words: str
    figures: Mapping[str, Any] = field(default_factory=dict)


def leases(device: str) -> Outcome:
    """Starts one job more than there are devices: no two may hold a device at once, and the last one waits."""
    on_gpu = device != "cpu"
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "TRAILERS_LEASE_DIR": str(Path(folder) / "locks")}
        environment.pop("SLURM_JOB_ID", None)  # a SLURM job with one device leases none
        environment = environment if on_gpu else four_stand_ins(Path(folder), environment)
        count = min(9, 1 + device_count(environment))
        command = [sys.executable, "-m", "trailers", "lease", "--", sys.executable, "-c", HOLDER.format(on_gpu=on_gpu)]
        jobs = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(count)]
        try:
            reports = [job.communicate(timeout=PATIENCE_S)[0].split() for job in jobs]
        except subprocess.TimeoutExpired:
            return Outcome(
                False, f"a job got no device within {PATIENCE_S} s; `python -m trailers doctor` shows who holds them"
            )
        finally:
            for job in jobs:
                job.kill()
    if any(job.returncode for job in jobs):
        return Outcome(False, "a leased job failed; its output is above")
    return judge_leases(reports, count - 1)


def judge_leases(reports: list[list[str]], devices: int) -> Outcome:
    """Whether no two jobs held a device at once, each device was used, and torch saw the one that was leased."""
    spans: dict[str, list[tuple[float, float]]] = {}
    for name, begin, end, *seen in reports:
        spans.setdefault(name, []).append((float(begin), float(end)))
        if seen and name.startswith("GPU-") and seen[0].removeprefix("GPU-") != name.removeprefix("GPU-"):
            return Outcome(False, f"{name} was leased, but torch computes on {seen[0]}")
    for name, times in spans.items():
        times.sort()
        if any(before[1] > after[0] for before, after in itertools.pairwise(times)):
            return Outcome(False, f"two jobs held {name} at once")
    figures = {"jobs": len(reports), "devices": len(spans)}
    words = f"{len(reports)} jobs used {len(spans)} of {devices} devices in turn"
    return Outcome(len(spans) == devices, words, figures)


def device_count(environment: Mapping[str, str]) -> int:
    """How many devices a job could lease; counted in a separate process, because its PATH may differ."""
    code = "from trailers.machine.nvidia import visible_devices; print(len(visible_devices()))"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return int(done.stdout)


def four_stand_ins(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """An environment whose nvidia-smi lists four devices that do not exist."""
    program = folder / "nvidia-smi"
    lines = "".join(f"echo 'GPU {number}: stand-in (UUID: GPU-{number})'\n" for number in range(4))
    program.write_text(f'#!/bin/sh\ncase "$1" in -L) ;; *) exit 0;; esac\n{lines}')
    program.chmod(0o755)
    kept = {name: value for name, value in environment.items() if name != "CUDA_VISIBLE_DEVICES"}
    return {**kept, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def flags(device: str) -> Outcome:
    """float32 must not be rounded, even if the environment requests it."""
    code = (
        "import sys\nfrom trailers.machine.gpu import is_exact_float32, use_strict_environment\n"
        "use_strict_environment()\nprint(is_exact_float32(sys.argv[1]))"
    )
    environment = {**os.environ, **ROUNDING_FLAGS}
    command = [sys.executable, "-c", code, device]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    if done.returncode:
        return Outcome(
            False, f"a process with {', '.join(ROUNDING_FLAGS)} failed: {done.stderr.strip().splitlines()[-1]}"
        )
    exact = done.stdout.strip() == "True"
    return Outcome(
        exact, f"float32 is {'exact although' if exact else 'rounded if'} {', '.join(ROUNDING_FLAGS)} are set"
    )


def workers(_: str) -> Outcome:
    """Decoding workers must end with a job that is killed, and a dead worker must be reported in one sentence."""
    import psutil

    pipe = subprocess.PIPE
    job = subprocess.Popen([sys.executable, "-c", JOB], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
    assert job.stdout is not None
    family = [psutil.Process(int(number)) for number in job.stdout.readline().split()]
    job.send_signal(signal.SIGKILL)
    job.wait()
    _, alive = psutil.wait_procs(family, timeout=10)
    for process in alive:
        process.kill()
    if len(family) != 2 or alive:
        return Outcome(
            False, f"{len(alive)} of {len(family)} decoding workers were still alive 10 s after their job was killed"
        )
    return try_dead_worker()


def try_dead_worker() -> Outcome:
    from trailers.embedding.slots import Slots
    from trailers.embedding.workers import dead_workers_reported, processes

    slots = Slots(1, 1)
    pool = processes(1, slots)
    try:
        with dead_workers_reported():
            pool.submit(os._exit, 1).result(PATIENCE_S)
    except SystemicError as problem:
        return Outcome(True, f"both workers of a killed job ended; a dead worker is reported: {problem.what}")
    finally:
        pool.shutdown(cancel_futures=True)
        slots.close()
    return Outcome(False, "a dead worker was not reported")
