"""Gives each GPU to one job at a time, by locks that all jobs and users of a host share; sets failed GPUs aside.

There is one lock file per device. A lock is held as long as the process that took it, or the program by which this
process was replaced, exists. A note in a lock file says why and until when its device is set aside.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.metadata
import json
import logging
import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trailers.errors import ConfigError, SystemicError
from trailers.machine.lease_folder import Folder, is_current, open_lock, opened_folder, user_name
from trailers.machine.nvidia import computing

log = logging.getLogger(__name__)

LEASED = "TRAILERS_GPU"  # environment variable of a job with its leased devices
POLL_S = 0.5
LOG_EVERY_S = 60.0  # between two log lines about waiting
ASIDE_S = 300.0  # for this time, a GPU that failed is not leased; the next try of the job gets another
LASTING_S = 3600.0  # for this time, a GPU that this torch cannot use at all is not leased
NOTE_BYTES = 4096


@dataclass(frozen=True)
class Aside:
    """Why a device must not be used, and for how many seconds from now."""

    cause: str
    left_s: float
    lasting: bool


@dataclass(frozen=True)
class Obstacle:
    """Why a device cannot be leased now."""

    name: str
    words: str
    aside: Aside | None = None
    locked: bool = False


def take_lock(folder: Folder, name: str) -> int | Obstacle:
    """The descriptor of the lock of a device, or why it cannot be leased."""
    lock = open_lock(folder, name)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        words = f"held by {holder(lock)}"
        os.close(lock)
        return Obstacle(name, words, locked=True)
    aside = read_note(lock)
    if aside is None and is_current(folder, name, lock):
        os.ftruncate(lock, 0)
        os.utime(lock)  # the time of the file shows since when it is held
        return lock
    os.close(lock)
    if aside is None:
        return Obstacle(name, "just released", locked=True)
    return Obstacle(name, f"not leased for another {span(aside.left_s)}: {aside.cause}", aside)


def try_lease(names: Sequence[str], count: int = 1) -> dict[str, int] | list[Obstacle]:
    """Device -> descriptor of its lock, for ``count`` free devices of ``names``; or why there are not enough."""
    got: dict[str, int] = {}
    obstacles: list[Obstacle] = []
    busy: dict[str, list[int]] | None = None
    with opened_folder() as folder:
        for name in names:
            lock = take_lock(folder, name)
            if isinstance(lock, Obstacle):
                obstacles.append(lock)
                continue
            busy = others_computing() if busy is None else busy
            if name in busy:
                os.close(lock)
                others = ", ".join(map(process_words, busy[name][:3]))
                obstacles.append(Obstacle(name, f"in use by {others} without a lease"))
                continue
            got[name] = lock
            if len(got) == count:
                return got
    for lock in got.values():
        os.close(lock)
    return obstacles


def others_computing() -> dict[str, list[int]]:
    """Device -> processes that compute on it, except this one and its parents, such as a notebook that waits for it."""
    found = computing()
    if not found:
        return {}
    import psutil

    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    others = {name: [process for process in processes if process not in own] for name, processes in found.items()}
    return {name: processes for name, processes in others.items() if processes}


def lease(names: Sequence[str], count: int = 1) -> dict[str, int]:
    """Wait for ``count`` free devices of ``names``; gives device -> descriptor of its lock.

    Raises:
        ConfigError: there are fewer devices, or the folder of locks cannot be used.
        SystemicError: torch cannot use enough of them.
    """
    if count > len(names):
        raise ConfigError(f"{count} GPUs are requested, but this machine has {len(names)}: {', '.join(names)}.")
    started, logged = time.monotonic(), float("-inf")
    while True:
        got = try_lease(names, count)
        if isinstance(got, dict):
            return got
        refuse_useless(names, count, got)
        now = time.monotonic()
        if now - logged >= LOG_EVERY_S:
            words = "; ".join(f"{obstacle.name} is {obstacle.words}" for obstacle in got)
            log.info("lease: waiting for a GPU (for %s so far): %s", span(now - started), words)
            logged = now
        # Jitter, so that many waiting jobs do not always try at the same moment.
        wait_s = POLL_S if any(obstacle.locked for obstacle in got) else 10 * POLL_S
        time.sleep(wait_s * (0.5 + random.random()))  # noqa: S311  no secret


def refuse_useless(names: Sequence[str], count: int, obstacles: Sequence[Obstacle]) -> None:
    """Raise SystemicError if waiting cannot help, because torch cannot use enough of the devices."""
    lasting = [obstacle for obstacle in obstacles if obstacle.aside and obstacle.aside.lasting]
    if len(names) - len(lasting) < count:
        raise SystemicError(
            f"no GPU here can be used: {'; '.join(f'{one.name}: {one.aside.cause}' for one in lasting if one.aside)}",
            where="lease",
            remedy="Set the stage's device to cpu, or run `snakemake --resources gpu=0`.",
        )


def set_aside(cause: str, *, lasting: bool = False) -> None:
    """Set the devices of this job aside for a while, if it has a lease.

    This job keeps the lock until it ends; the next job that takes the lock reads the note.
    """
    names = [name for name in os.environ.get(LEASED, "").split(",") if name]
    until = time.time() + (LASTING_S if lasting else ASIDE_S)
    note = {"aside": cause[:1000], "until": until, "lasting": lasting, "torch": torch_version()}
    try:
        with opened_folder() as folder:
            for name in names:
                lock = open_lock(folder, name)
                os.ftruncate(lock, 0)
                os.pwrite(lock, json.dumps(note).encode(), 0)
                os.close(lock)
    except (ConfigError, OSError) as problem:
        log.warning("lease: the failure of %s could not be recorded for other jobs: %s", ", ".join(names), problem)


def read_note(lock: int) -> Aside | None:
    """Why the device is set aside; None if it is not. The note is untrusted, because any user can write it."""
    try:
        note = json.loads(os.pread(lock, NOTE_BYTES, 0))
        left_s, lasting = float(note["until"]) - time.time(), note["lasting"] is True
        cause = "".join(letter if letter.isprintable() else " " for letter in str(note["aside"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not 0 < left_s <= (LASTING_S if lasting else ASIDE_S) or (lasting and note.get("torch") != torch_version()):
        return None
    return Aside(cause[:1000], left_s, lasting)


def torch_version() -> str:
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return ""


def holder(lock: int) -> str:
    """The process that holds a lock and for how long, as far as the kernel shows it."""
    found = os.fstat(lock)
    processes = []
    with contextlib.suppress(OSError):
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if words[1:2] == ["FLOCK"] and words[5].split(":")[-1] == str(found.st_ino) and int(words[4]) > 0:
                processes.append(int(words[4]))
    if not processes:
        return f"a process that is not visible from here, for {span(time.time() - found.st_mtime)}"
    return process_words(processes[0], since=found.st_mtime)


def process_words(process: int, *, since: float | None = None) -> str:
    """A process for messages: its user, number, name, and for how long it has run or held the lock."""
    import psutil

    try:
        found = psutil.Process(process)
        age_s = time.time() - max(found.create_time(), since or 0)
        name = "".join(letter for letter in found.name() if letter.isprintable())
        return f"{user_name(found.uids().effective)} (process {process}, {name}) for {span(age_s)}"
    except psutil.Error:
        return f"process {process}"


def span(seconds: float) -> str:
    """A duration for messages, such as 12 s, 5 min or 3 h."""
    if seconds < 120:
        return f"{max(0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
