"""Simulates machines with GPUs: a program in place of nvidia-smi, and the lease command that uses it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

# Prints its device and the time, keeps the device for {s} seconds and prints the time again, to detect overlaps.
HOLD = """
import os, time
print(os.environ.get("CUDA_VISIBLE_DEVICES"), time.monotonic(), flush=True)
time.sleep({s})
print(time.monotonic())
"""

FOUR = ("GPU-aaaa0000", "GPU-bbbb1111", "GPU-cccc2222", "GPU-dddd3333")


def listing(uuids: Sequence[str] = FOUR, name: str = "NVIDIA A100-SXM4-40GB") -> str:
    """The output of `nvidia-smi -L`."""
    return "".join(f"GPU {number}: {name} (UUID: {uuid})\n" for number, uuid in enumerate(uuids))


def fake_nvidia_smi(
    folder: Path, listed: str, *, computing: str = "", code: int = 0, complaint: str = "", s: float = 0
) -> Path:
    """Write a program nvidia-smi into ``folder``, for PATH; it answers after ``s`` seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "listed").write_text(listed)
    (folder / "computing").write_text(computing)
    program = folder / "nvidia-smi"
    program.write_text(
        f"#!/bin/sh\nsleep {s}\n"
        f'case "$1" in --query-compute-apps*) cat {shlex.quote(str(folder / "computing"))}; exit 0;; esac\n'
        f"cat {shlex.quote(str(folder / 'listed'))}\necho {shlex.quote(complaint)} >&2\nexit {code}\n"
    )
    program.chmod(0o755)
    return folder


def environment(locks: Path, *, smi: Path | None = None, **more: str) -> dict[str, str]:
    """The environment of a job with its own folder of locks, without devices and schedulers of this machine."""
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SLURM_") and name not in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "TRAILERS_GPU")
    }
    folders = os.environ["PATH"].split(os.pathsep)
    # Without ``smi``, PATH has no nvidia-smi.
    folders = [str(smi), *folders] if smi else [one for one in folders if not (Path(one) / "nvidia-smi").exists()]
    return {**own, "PATH": os.pathsep.join(folders), "TRAILERS_LEASE_DIR": str(locks), **more}


def start(locks: Path, code: str, *words: str, smi: Path | None = None, **more: str) -> subprocess.Popen[str]:
    """Start `python -m trailers lease` with a Python program as its command."""
    command = [sys.executable, "-m", "trailers", "lease", *words, "--", sys.executable, "-c", code]
    return subprocess.Popen(
        command,
        env=environment(locks, smi=smi, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
