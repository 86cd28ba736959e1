"""Run a command on a GPU that no other job uses: python -m trailers lease -- COMMAND ...

Snakemake's `--resources gpu=4` counts GPUs but does not say which, so every job would use the first one
(issue 281 of Snakemake). A lease is a lock file per device in a folder that all users of this host share. The
command replaces this process and inherits the lock, which therefore lasts exactly as long as the command, even
after `kill -9`. Devices on which another process computes are skipped, and so are, for some minutes, devices that
failed.

in   CUDA_VISIBLE_DEVICES, or else the devices that nvidia-smi lists
out  CUDA_VISIBLE_DEVICES of the command: the UUIDs of its devices

A SLURM job that sees only the devices it asked for needs no lease. Without a driver the command runs on the CPU.
If there is a driver but no usable GPU, the command does not run.
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
    parser.add_argument(
        "--gpus", type=int, default=1, metavar="N", help="number of GPUs of the command; 0 hides all (1)"
    )
    parser.add_argument(
        "words", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="command to run, with its arguments"
    )


def run(arguments: argparse.Namespace) -> None:
    command = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if not command:
        raise ConfigError("lease: no command. Write it after --, for example `python -m trailers lease -- nvidia-smi`.")
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
            f"lease: cannot run '{command[0]}': {problem.strerror}. Check its spelling and PATH."
        ) from None


def take(count: int) -> None:
    """Limits this process, and the command that replaces it, to ``count`` leased devices."""
    names = visible_devices()
    job = os.environ.get("SLURM_JOB_ID")
    if not names:
        log.info("lease: this machine has no GPU; running on the CPU")
        return
    if job is not None and len(names) <= count:
        log.info("lease: using GPU %s, all that SLURM gave job %s", ", ".join(names), job)
    else:
        got = lease(names, count)
        for handle in got.values():
            os.set_inheritable(handle, True)
        names = list(got)
        log.info("lease: GPU %s", ", ".join(names))
        os.environ[VISIBLE] = ",".join(names)
    os.environ[LEASED] = ",".join(names)
