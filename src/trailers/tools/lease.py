"""Run a command with a GPU of its own: python -m trailers lease -- COMMAND ...

Snakemake's `--resources gpu=4` counts GPUs but names none, so every job would land on the first
(snakemake#281). A lease is a lock file per device in a folder that all users of this host share. The
command replaces this process and inherits the lock, which so lives exactly as long as the command, also
through `kill -9`. Passed over are devices on which another process computes, and for some minutes those
that failed.

in   CUDA_VISIBLE_DEVICES, else what nvidia-smi lists
out  CUDA_VISIBLE_DEVICES of the command: the UUIDs of its devices

A SLURM job that sees no more devices than it asks for has them to itself already. Where there is no
driver the command runs on the CPU; where there is one that gives no GPU, it does not run.
"""

from __future__ import annotations

import argparse
import logging
import os

from trailers.errors import ConfigError
from trailers.machine.lease import LEASED, lease
from trailers.machine.nvidia import VISIBLE, visible_devices

log = logging.getLogger(__name__)


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--gpus", type=int, default=1, metavar="N", help="GPUs the command uses; 0 hides all (1)")
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="what to run, with its arguments")


def run(arguments: argparse.Namespace) -> None:
    command = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if not command:
        raise ConfigError("lease: no command. Write it after --, as in `python -m trailers lease -- nvidia-smi`.")
    if arguments.gpus < 0:
        raise ConfigError(f"lease: --gpus {arguments.gpus} is less than 0.")
    os.environ.pop(LEASED, None)
    if arguments.gpus:
        take(arguments.gpus)
    else:
        os.environ[VISIBLE] = ""
    try:
        os.execvp(command[0], command)
    except OSError as problem:
        raise ConfigError(
            f"lease: cannot run '{command[0]}': {problem.strerror}. Look at its spelling and at PATH."
        ) from None


def take(count: int) -> None:
    """Have ``count`` devices, and no others, shown to this process and what it becomes."""
    names = visible_devices()
    job = os.environ.get("SLURM_JOB_ID")
    if not names:
        log.info("lease: no GPU here; running on the CPU")
        return
    if job is not None and len(names) <= count:
        log.info("lease: GPU %s, which is all that SLURM job %s has", ", ".join(names), job)
    else:
        got = lease(names, count)
        for handle in got.values():
            os.set_inheritable(handle, True)
        names = list(got)
        log.info("lease: GPU %s", ", ".join(names))
        os.environ[VISIBLE] = ",".join(names)
    os.environ[LEASED] = ",".join(names)
