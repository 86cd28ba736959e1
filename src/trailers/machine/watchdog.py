"""Ends a job that makes no progress, with its children, and records the trailer.

A thread cannot do this, because a hanging library often holds the interpreter lock. Therefore a small process, forked
before heavy libraries are loaded, reads signs of life from a pipe: a trailer is started, a frame decoded, a window
computed, some bytes received. After ``timeout_s`` without a sign it prints a message, records the trailer in a note and
ends the job. The next run reads the note, records the trailer as failed and continues with the others. A crash of the
job is recorded in the same way.

A slow trailer does not count as hanging: as long as there are signs of life, it may take any time.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import re
import select
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from trailers.machine.terminal import write_to_terminal
from trailers.store.atomic import write_text

HUNG = signal.SIGALRM  # ends a hanging job with exit status 142, unlike a lack of memory or a person
CRASH = re.compile(r"Fatal Python error: (.*)")
OFTEN_S = 1.0  # minimum time between two signs of life in the pipe
PATIENCE_S = 5.0  # for a job to end after the signal, before it is killed


class Watchdog:
    """Watches this process from its start until ``close``.

    Args:
        stage: its name, for the message.
        timeout_s: seconds without a sign of life after which the process counts as hanging.
    """

    def __init__(self, stage: str, timeout_s: float) -> None:
        read, self.pipe = os.pipe()
        self.sent_s = time.monotonic()
        self.notes = 0
        worker = os.getpid()
        if threading.current_thread() is threading.main_thread():
            signal.signal(HUNG, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {HUNG})
        self.child = os.fork()
        if self.child == 0:
            os.close(self.pipe)
            watch(read, Watched(worker, stage, timeout_s))
            os._exit(0)
        os.close(read)
        self.crashes_before = faulthandler.is_enabled()
        faulthandler.enable(self.pipe, all_threads=False)

    def add(self, note: Path) -> None:
        """Record the trailer that hangs or crashes in the file ``note`` too."""
        self.notes += 1
        self.send(f"note {note}")

    def starts(self, trailer: str) -> None:
        """Report that work on ``trailer`` begins."""
        self.send(f"starts {trailer}")

    def ends(self, trailer: str) -> None:
        """Report that ``trailer`` is finished; several trailers may be in work at once."""
        self.send(f"ends {trailer}")

    def alive(self) -> None:
        """Report progress; cheap enough to be called for every frame."""
        if time.monotonic() - self.sent_s >= OFTEN_S:
            self.send("alive")

    def send(self, words: str) -> None:
        self.sent_s = time.monotonic()
        with contextlib.suppress(OSError):  # the watching process has ended; the job continues without it
            os.write(self.pipe, f"{words}\n".encode())

    def close(self) -> None:
        """Stop watching, after as many calls as there were calls of ``add``."""
        self.notes -= 1
        if self.notes > 0:
            return
        faulthandler.disable()
        if self.crashes_before:
            faulthandler.enable()
        os.close(self.pipe)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.child, 0)
        WATCHING.clear()


WATCHING: list[Watchdog] = []  # the watchdog of this process, if any


def start(note: Path, stage: str, timeout_s: float) -> Watchdog:
    """Watch this process; several notes share one watchdog."""
    if not WATCHING:
        WATCHING.append(Watchdog(stage, timeout_s))
    WATCHING[0].add(note)
    return WATCHING[0]


def alive() -> None:
    """Report progress of this process. Stages call it for every portion of frames, windows, clips or bytes."""
    for watchdog in WATCHING:
        watchdog.alive()


@dataclass
class Watched:
    """What the watching process knows about the job."""

    worker: int
    stage: str
    timeout_s: float
    notes: list[Path] = field(default_factory=list)
    in_work: list[str] = field(default_factory=list)
    crash: list[str] = field(default_factory=list)  # the message of the interpreter about a crash

    @property
    def trailer(self) -> str:
        """The trailer that was started last and has not finished, or ""."""
        return self.in_work[-1] if self.in_work else ""

    def hear(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if self.crash or CRASH.search(line):
            self.crash.append(line)
        elif word == "note":
            self.notes.append(Path(rest))
        elif word == "starts":
            self.in_work.append(rest)
        elif word == "ends" and rest in self.in_work:
            self.in_work.remove(rest)

    def write_notes(self, words: str) -> None:
        for note in self.notes if self.trailer else ():
            write_text(note, f"{self.trailer}\t{words}\n")


def watch(pipe: int, watched: Watched) -> None:
    """Watch the job, in the watching process, until it closes the pipe or was ended."""
    # An interrupt in the terminal reaches both processes; the worker cleans up, and this process ends after it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    rest = b""
    while True:
        ready, _, _ = select.select([pipe], [], [], watched.timeout_s)
        if not ready:
            if os.getppid() == watched.worker:  # otherwise it has ended, and another process may have its number
                end_hanging(watched)
            return
        heard = os.read(pipe, 65536)
        if not heard:
            break
        *lines, rest = (rest + heard).split(b"\n")
        for line in lines:
            watched.hear(line.decode(errors="replace"))
    if watched.crash:
        note_crash(watched)


def end_hanging(watched: Watched) -> None:
    """Print the reason, record it, and end the job with all processes that it started."""
    after = f"showed no sign of life for {watched.timeout_s:g} s"
    watched.write_notes(f"{after}. The next run will try it again.")
    next_run = (
        "The next run will record this trailer as failed and continue with the others; if this machine is slow, raise"
        if watched.trailer
        else "No trailer had been started: check the GPU and the disk that holds weights and results, or raise"
    )
    write_to_terminal(
        f"error: {watched.stage}: {watched.trailer or 'the job'} {after}, so the job was ended (exit status "
        f"{128 + HUNG}). {next_run} trailer_timeout_s in config.yaml."
    )
    end_tree(watched.worker)


def note_crash(watched: Watched) -> None:
    """Record the trailer that was in work when the interpreter crashed."""
    cause = CRASH.search(watched.crash[0])
    words = f"crashed the job: {(cause[1] if cause else 'unknown').lower()}"
    watched.write_notes(f"{words}. The next run will try it again.")
    write_to_terminal(
        "\n".join(watched.crash) + f"\nerror: {watched.stage}: {watched.trailer or 'the job'} {words}. The next run "
        "will record this trailer as failed and continue; `python -m trailers verify` finds damaged files."
    )


def end_tree(worker: int) -> None:
    """End ``worker`` and all its descendants except this process."""
    import psutil

    try:
        process = psutil.Process(worker)
        family = process.children(recursive=True)
        process.send_signal(HUNG)
        with contextlib.suppress(psutil.TimeoutExpired):
            process.wait(PATIENCE_S)
        family.append(process)
    except psutil.NoSuchProcess:
        return
    for member in family:
        if member.pid != os.getpid():
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()


def take_note(note: Path) -> tuple[str, str]:
    """The trailer that ended the previous run, and how; removes the note. ("", "") if there is no note."""
    try:
        text = note.read_text(encoding="utf-8")
    except FileNotFoundError:
        return "", ""
    note.unlink(missing_ok=True)
    trailer, _, words = text.strip().partition("\t")
    return trailer, words or "hung in the previous run. The next run will try it again."
