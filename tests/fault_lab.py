"""Runs single stages with the commands of their rules, and makes faults: full disks, no locks, killed processes."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import json
import os
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest
import yaml

import workflow_lab as lab
from trailers.settings import flags, from_section
from trailers.stages import classify, clips, download, embed, normalise, shots
from trailers.store.layout import Layout
from trailers.store.ledger import read_ledger
from trailers.store.shards import make_shards

TRAILERS = ("t0", "t1", "t2", "gone", "text")  # of the finished study
FULL, PARTLY = make_shards(TRAILERS, size=3)
CLIPS, BACKBONE = "shot24", "efficientnet_lite0"
LAYOUT = Layout(Path("results"))
CONFIG = yaml.safe_load((lab.PROJECT / "config.yaml").read_text())
STAGE_ORDER = ("download", "normalise", "shots", "clips", "embed", "pack", "classify", "report")  # in running order
MODULES = {
    "download": download, "normalise": normalise, "shots": shots, "clips": clips, "embed": embed, "classify": classify,
}  # fmt: skip
SETTINGS = {
    stage: dataclasses.asdict(from_section(MODULES[stage].Settings, CONFIG[stage])) for stage in STAGE_ORDER[:5]
}  # fmt: skip

# Paths relative to the study's folder.
VARIANT = {"clips": (CLIPS,), "embed": (CLIPS, BACKBONE)}
OUTPUT = {
    "pack": LAYOUT.pack("study", CLIPS, BACKBONE),
    "classify": LAYOUT.experiment("default", 0) / "metrics.json",
    "report": LAYOUT.report(),
}


def declared(stage: str) -> Path:
    """The output that the rule of ``stage`` declares: the ledger of the full shard, or a single file."""
    return OUTPUT.get(stage) or LAYOUT.ledger(stage, FULL, *VARIANT.get(stage, ()))


def folder_of(stage: str) -> Path:
    """The folder of the products of ``stage``."""
    return OUTPUT[stage].parent if stage in OUTPUT else LAYOUT.root.joinpath(stage, *VARIANT.get(stage, ()))


def words_of(stage: str) -> list[str]:
    """The arguments of `python -m trailers` for one job, as in its rule; to be used in the study's folder."""
    words = [stage]
    if stage in MODULES:
        section = {**CONFIG[stage], **(CONFIG["experiments"]["default"] if stage == "classify" else {})}
        words += shlex.split(flags(MODULES[stage].Settings, section))
        if hasattr(MODULES[stage], "Effort"):
            words += shlex.split(flags(MODULES[stage].Effort, section))
    if stage not in OUTPUT:
        words += ["--shard", LAYOUT.shard(FULL), "--ledger", declared(stage)]
    if stage in ("normalise", "shots", "clips"):
        words += ["--upstream", declared(STAGE_ORDER[STAGE_ORDER.index(stage) - 1])]
    ledgers = [LAYOUT.ledger("embed", shard, CLIPS, BACKBONE) for shard in (FULL, PARTLY)]
    words += {
        "download": ["--manifest", "manifest.csv"],
        "clips": ["--clips", CLIPS],
        "embed": ["--clips", CLIPS, "--backbones", BACKBONE],
        "pack": ["--clips", CLIPS, "--backbone", BACKBONE, "--ledgers", *ledgers, "--output", declared("pack")],
        "classify": [
            "--manifest", "manifest.csv", "--packs", declared("pack"), "--experiment", "default", "--split", "0",
            "--output", declared("classify").parent,
        ],
        "report": [
            "--manifest", "manifest.csv", "--ledgers", *(declared(name).parent for name in STAGE_ORDER[:5]),
            "--shards", "s3", "--output", declared("report"),
            "--metrics", declared("classify"), "--settings", json.dumps(SETTINGS),
        ],
    }.get(stage, [])  # fmt: skip
    return [str(word) for word in words]


def command(stage: str, *more: str) -> list[str]:
    return [sys.executable, "-m", "trailers", *words_of(stage), *more]


def run(folder: Path, stage: str, *more: str, before: Sequence[str] = ()) -> lab.Done:
    """Run one job in a new process, in ``folder``; ``before`` is a command that starts it."""
    words = [*before, *command(stage, *more)]
    return subprocess.run(
        words, cwd=folder, env=lab.environment(), capture_output=True, text=True, check=False, timeout=300
    )


def remove_products(folder: Path, stage: str) -> None:
    """Remove the products and the ledger of ``stage`` for the full shard."""
    products = folder / folder_of(stage)
    for path in [*products.glob("*" if stage in OUTPUT else "t[012].*"), folder / declared(stage)]:
        path.unlink(missing_ok=True)


def made(folder: Path, stage: str = "") -> dict[str, str]:
    """Path -> digest of the visible products of ``stage``, or of all stages, without counts of attempts and notes."""
    found = lab.products(folder)
    seen = {
        path: digest
        for path, digest in found.items()
        if not path.startswith(("attempts/", "failures/", "hung/"))
        and not any(part.startswith(".") for part in Path(path).parts)
    }
    if not stage:
        return seen
    inside = (str(folder_of(stage).relative_to("results")) + "/", str(declared(stage).relative_to("results")))
    return {path: digest for path, digest in seen.items() if path.startswith(inside)}


def temporary_files(folder: Path) -> list[Path]:
    return list((folder / "results").rglob(".tmp-*"))


def check_products(folder: Path, finished: Path) -> None:
    """Check that every product is that of the finished study, and that every product listed in a ledger exists."""
    wanted, seen = made(finished), made(folder)
    assert {path: wanted.get(path) for path in seen} == seen
    for path in (folder / "results" / "ledger").rglob("*.tsv"):
        if not path.name.startswith("."):
            for row in read_ledger(path).values():
                assert row.status != "ok" or (folder / "results" / row.path).exists()


@contextlib.contextmanager
def mounted(at: Path, *words: str) -> Iterator[Path]:
    """`mount WORDS at` until the block ends; skips the test if this user or machine cannot mount."""
    at.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount a small or read-only file system")
    done = subprocess.run(["mount", *words, str(at)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this machine cannot mount: {done.stderr.strip()}")
    try:
        yield at
    finally:
        if subprocess.run(["umount", str(at)], check=False, capture_output=True).returncode:
            subprocess.run(["umount", "--lazy", str(at)], check=True)


def fill(folder: Path, *, leaving: int) -> Path:
    """Fill the disk of ``folder`` with a file, except ``leaving`` bytes; returns the file."""
    filler = folder / ".filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 65536):
            pass
    os.truncate(filler, max(0, filler.stat().st_size - leaving))
    return filler


# Numbers of Linux on x86-64, for a filter that makes every lock fail with ENOLCK, as on file systems of some clusters.
FLOCK, FCNTL, ENOLCK = 73, 72, 37
LOCKING = (6, 7, 37, 38)  # F_SETLK and F_SETLKW, and the same for open file descriptions


def without_locks() -> None:
    """Make all locks fail in this process and in those that it starts."""
    load, equal, answer = 0x20, 0x15, 0x06  # BPF: load a word; jump if equal; return
    allow, refuse = 0x7FFF0000, 0x00050000 | ENOLCK
    program = [
        (load, 0, 0, 0),  # number of the call
        (equal, len(LOCKING) + 3, 0, FLOCK),
        (equal, 0, len(LOCKING) + 1, FCNTL),
        (load, 0, 0, 24),  # its second argument
        *((equal, len(LOCKING) - n, 0, word) for n, word in enumerate(LOCKING)),
        (answer, 0, 0, allow),
        (answer, 0, 0, refuse),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *step) for step in program))
    filters = struct.pack("=HxxxxxxQ", len(program), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, filters, 0, 0):
        raise OSError(ctypes.get_errno(), "this machine has no seccomp")


# A command that starts the command after it without locks.
LOCKLESS = (
    sys.executable, "-c",
    f"import os, sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import fault_lab; fault_lab.without_locks(); "
    "os.execvp(sys.argv[1], sys.argv[1:])",
)  # fmt: skip


def has_ended(number: int) -> bool:
    """Whether the process ends within 20 s; the end of a killed process is not immediate."""
    deadline = time.monotonic() + 20
    with contextlib.suppress(psutil.NoSuchProcess):
        while psutil.Process(number).status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
    return True


class Run:
    """Snakemake in a new session, so that all its processes can be ended with the test."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.process = subprocess.Popen(
            lab.command(folder, "--cores", "2", *words), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env=lab.environment(), start_new_session=True,
        )  # fmt: skip

    def members(self) -> list[psutil.Process]:
        """Its processes that still run, Snakemake first."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, ProcessLookupError):
                if os.getsid(process.pid) == self.process.pid and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return sorted(found, key=lambda process: process.pid != self.process.pid)

    def workers(self) -> list[psutil.Process]:
        found = []
        for process in self.members()[1:]:
            with contextlib.suppress(psutil.Error):
                if process.cmdline()[1:3] == ["-m", "trailers"]:
                    found.append(process)
        return found

    def kill(self, victim: str) -> None:
        """`kill -9` a worker, snakemake (its workers continue), or everything."""
        victims = {"worker": self.workers()[:1], "snakemake": [psutil.Process(self.process.pid)]}
        for process in victims.get(victim) or self.members():
            with contextlib.suppress(psutil.Error):
                process.kill()

    def send(self, number: signal.Signals) -> None:
        for process in self.members():
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)

    def end(self) -> None:
        self.send(signal.SIGKILL)
        self.process.wait()
