"""Ends a worker that hangs on one trailer, with its children, and leaves word which trailer it was.

A thread could not: what hangs is often a library that holds the interpreter. So a small process,
forked before anything heavy is loaded, listens on a pipe for the name of the trailer in work. When
none comes for ``timeout_s`` it writes the name down and kills the worker. The next run finds the
word, records that trailer as failed and goes on with the others.
"""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

from trailers.store.atomic import write_text


class Watchdog:
    """Watches this process from now until ``close``.

    Args:
        note: where the name of the trailer that hung is written.
        timeout_s: seconds one trailer may take.
    """

    def __init__(self, note: Path, timeout_s: float) -> None:
        read, self.pipe = os.pipe()
        worker = os.getpid()
        self.child = os.fork()
        if self.child == 0:
            os.close(self.pipe)
            watch(read, worker, note, timeout_s)
            os._exit(0)
        os.close(read)

    def starts(self, trailer: str) -> None:
        """Say that ``trailer`` is in work from now."""
        os.write(self.pipe, f"{trailer}\n".encode())

    def close(self) -> None:
        os.close(self.pipe)
        os.waitpid(self.child, 0)


def watch(pipe: int, worker: int, note: Path, timeout_s: float) -> None:
    """The watching process: returns when the worker closes the pipe, or has been killed."""
    # An interrupt at the terminal goes to both; the worker tidies up, and its end ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    trailer = ""
    while True:
        ready, _, _ = select.select([pipe], [], [], timeout_s if trailer else None)
        if not ready:
            if os.getppid() != worker:
                return  # it is gone, and its number may be another's by now
            write_text(note, f"{trailer}\n")
            kill_tree(worker)
            return
        words = os.read(pipe, 65536)
        if not words:
            return
        trailer = words.decode().split()[-1]


def kill_tree(worker: int) -> None:
    """Kill ``worker`` and all that descend from it, but for this process."""
    import psutil

    try:
        process = psutil.Process(worker)
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for member in family:
        if member.pid != os.getpid():
            try:
                member.kill()
            except psutil.NoSuchProcess:
                continue


def take_note(note: Path) -> str:
    """The trailer that hung in the run before, which is forgotten with this; empty when none did."""
    try:
        trailer = note.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
    note.unlink(missing_ok=True)
    return trailer
