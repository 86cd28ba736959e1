"""Run a command with a GPU of its own: python -m trailers lease -- COMMAND ...

Snakemake's `--resources gpu=4` counts GPUs but names none, so every job would land on the first
(snakemake#281). A lease is a lock file a device in a folder of this host. The command replaces
this process and inherits the lock, which so lives exactly as long as the command, also through
`kill -9`.

in   CUDA_VISIBLE_DEVICES, else what nvidia-smi lists
out  CUDA_VISIBLE_DEVICES of the command: one device

Inside a SLURM allocation the devices are already one's own; without a GPU the command runs on the
CPU. Both are said.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import logging
import os
import random
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from trailers.errors import ConfigError

log = logging.getLogger(__name__)

FOLDER = "TRAILERS_LEASE_DIR"  # where the locks are, when not in the host's temporary folder
POLL_S = 0.5


def devices() -> list[str]:
    """The GPUs that may be leased here, by the names CUDA_VISIBLE_DEVICES takes; none without a GPU."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        # CUDA itself stops at the first name that is no device: -1 hides the rest.
        names = [name.strip() for name in visible.split(",")]
        return [name for name in names if name and name != "-1"]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False, timeout=60)
    return re.findall(r"^GPU (\d+):", listed.stdout, re.MULTILINE) if listed.returncode == 0 else []


def lock_folder() -> Path:
    """A folder of this host and this user: locks on a shared file system would bind other hosts' GPUs."""
    named = os.environ.get(FOLDER)
    folder = Path(named) if named else Path(tempfile.gettempdir()) / f"trailers-gpu-{os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def try_lease(folder: Path, names: Sequence[str]) -> tuple[str, int] | None:
    """A free device and the file descriptor of its lock; None when all are taken."""
    for name in names:
        handle = os.open(folder / re.sub(r"[^A-Za-z0-9-]", "_", name), os.O_RDWR | os.O_CREAT, 0o600)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return name, handle
        os.close(handle)
    return None


def lease(names: Sequence[str]) -> tuple[str, int]:
    """Wait for a free device of ``names``; its name and the descriptor that holds its lock."""
    folder = lock_folder()
    waiting = False
    while True:
        got = try_lease(folder, names)
        if got is not None:
            return got
        if not waiting:
            log.info("lease: all of %s are taken; waiting for one", ", ".join(names))
            waiting = True
        # Jitter, so that many waiting jobs do not ask at the same moment for ever.
        time.sleep(POLL_S * (0.5 + random.random()))  # noqa: S311  no secret


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--gpus", type=int, default=1, metavar="N", help="GPUs the command uses, 0 or 1 (1)")
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="what to run, with its arguments")


def run(arguments: argparse.Namespace) -> None:
    command = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if not command:
        raise ConfigError("lease: no command. Write it after --, as in `python -m trailers lease -- nvidia-smi`.")
    if not arguments.gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif "SLURM_JOB_ID" in os.environ:
        log.info("lease: inside SLURM job %s, which has its own devices", os.environ["SLURM_JOB_ID"])
    elif names := devices():
        name, handle = lease(names)
        os.set_inheritable(handle, True)
        os.environ["CUDA_VISIBLE_DEVICES"] = name
        log.info("lease: GPU %s", name)
    else:
        log.info("lease: no GPU here; running on the CPU")
    try:
        os.execvp(command[0], command)
    except OSError as problem:
        raise ConfigError(
            f"lease: cannot run '{command[0]}': {problem.strerror}. Look at its spelling and at PATH."
        ) from None
