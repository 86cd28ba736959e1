"""Machines with GPUs that are not there: a stand-in nvidia-smi, and the lease command on them."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

# Says which device it has, then holds it for a moment: overlaps show in the times.
HOLD = """
import os, time
print(os.environ.get("CUDA_VISIBLE_DEVICES"), time.monotonic(), flush=True)
time.sleep({s})
print(time.monotonic())
"""

FOUR = ("GPU-aaaa0000", "GPU-bbbb1111", "GPU-cccc2222", "GPU-dddd3333")


def listing(uuids: Sequence[str] = FOUR, name: str = "NVIDIA A100-SXM4-40GB") -> str:
    """As ``nvidia-smi -L`` prints it."""
    return "".join(f"GPU {number}: {name} (UUID: {uuid})\n" for number, uuid in enumerate(uuids))


def stand_in(
    folder: Path, listed: str, *, computing: str = "", code: int = 0, complaint: str = "", s: float = 0
) -> Path:
    """An nvidia-smi in ``folder``, which goes on PATH; ``s`` seconds pass before it answers."""
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
    """Of a job: its own folder of locks, and nothing of this machine's devices or schedulers."""
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SLURM_") and name not in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "TRAILERS_GPU")
    }
    folders = os.environ["PATH"].split(os.pathsep)
    # Without a stand-in there is no nvidia-smi at all.
    folders = [str(smi), *folders] if smi else [one for one in folders if not (Path(one) / "nvidia-smi").exists()]
    return {**own, "PATH": os.pathsep.join(folders), "TRAILERS_LEASE_DIR": str(locks), **more}


def start(locks: Path, code: str, *words: str, smi: Path | None = None, **more: str) -> subprocess.Popen[str]:
    """``python -m trailers lease`` with a Python program below it."""
    command = [sys.executable, "-m", "trailers", "lease", *words, "--", sys.executable, "-c", code]
    return subprocess.Popen(
        command,
        env=environment(locks, smi=smi, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
