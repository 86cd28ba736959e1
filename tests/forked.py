"""Snakemake in a process that has imported it already: each run of many forks from it and saves 1.8 s of imports."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

# What Snakemake needs and no run may change; nothing of the project, which a test may bring in another version.
IMPORTED = [
    "snakemake.cli", "snakemake.api", "snakemake.profiles", "snakemake.report.html_reporter", "snakemake.storage",
    "snakemake_executor_plugin_slurm", "snakemake_logger_plugin_rich", "rich.markdown", "smart_open",
    "pandas", "jsonschema", "yaml", "h5py", "PIL.Image", "tqdm",
]  # fmt: skip

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(IMPORTED)


def snakemake(words: Sequence[str], env: Mapping[str, str], *, timeout: float) -> subprocess.CompletedProcess[str]:
    """What ``snakemake WORDS`` gives, started here with the environment ``env``; its output does not go to a terminal.

    Raises:
        subprocess.TimeoutExpired: after ``timeout`` s.
    """
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = CONTEXT.Process(target=run, args=(list(words), dict(env), os.getcwd(), str(out), str(err)))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(words, timeout)
        return subprocess.CompletedProcess(words, process.exitcode, out.read_text(), err.read_text())


def run(words: list[str], env: dict[str, str], folder: str, out: str, err: str) -> None:
    """In the forked process: as if it had been started as a program."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    for path, flags, stream in ((os.devnull, os.O_RDONLY, 0), (out, os.O_WRONLY, 1), (err, os.O_WRONLY, 2)):
        os.dup2(os.open(path, flags | os.O_CREAT), stream)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115  they live as long as it
    sys.argv = [sys.executable, *words]
    from snakemake.cli import main

    try:
        main()
    finally:
        atexit._run_exitfuncs()  # a forked process leaves them out
