"""One GPU, one job: locks that all jobs and users of a host agree on, and GPUs set aside for a while.

There is a lock file per device. A lock lives as long as the process that took it, or the program that this
process has become. What is written in a lock file is why and until when its device is set aside.
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

LEASED = "TRAILERS_GPU"  # in a job's environment: the devices it was promised
POLL_S = 0.5
TELL_S = 60.0  # between two lines about waiting
ASIDE_S = 300.0  # a GPU that failed is left alone; the job's next try takes another
LASTING_S = 3600.0  # one that this torch cannot use at all
NOTE_BYTES = 4096


@dataclass(frozen=True)
class Aside:
    """Why a device is not to be used, and for how long from now."""

    cause: str
    left_s: float
    lasting: bool


@dataclass(frozen=True)
class Obstacle:
    """Why a device cannot be had now."""

    name: str
    words: str
    aside: Aside | None = None
    locked: bool = False


def take_lock(folder: Folder, name: str) -> int | Obstacle:
    """The locked descriptor of a device that is not set aside, else what is in the way."""
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
        os.utime(lock)  # since when it is held
        return lock
    os.close(lock)
    if aside is None:
        return Obstacle(name, "just given back", locked=True)
    return Obstacle(name, f"not leased for another {span(aside.left_s)}: {aside.cause}", aside)


def try_lease(names: Sequence[str], count: int = 1) -> dict[str, int] | list[Obstacle]:
    """``count`` free devices of ``names`` with the descriptors of their locks, else why there are not as many."""
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
    """Device -> processes that compute on it, without this one and those that wait for it, such as a notebook."""
    found = computing()
    if not found:
        return {}
    import psutil

    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    others = {name: [process for process in processes if process not in own] for name, processes in found.items()}
    return {name: processes for name, processes in others.items() if processes}


def lease(names: Sequence[str], count: int = 1) -> dict[str, int]:
    """Wait for ``count`` free devices of ``names``; each with the descriptor that holds its lock.

    Raises:
        ConfigError: there are not as many, or the folder of the locks cannot be used.
        SystemicError: torch can use none of them.
    """
    if count > len(names):
        raise ConfigError(f"{count} GPUs are requested, but this machine has {len(names)}: {', '.join(names)}.")
    started, told = time.monotonic(), float("-inf")
    while True:
        got = try_lease(names, count)
        if isinstance(got, dict):
            return got
        refuse_useless(names, count, got)
        now = time.monotonic()
        if now - told >= TELL_S:
            words = "; ".join(f"{obstacle.name} is {obstacle.words}" for obstacle in got)
            log.info("lease: waiting for a GPU (for %s so far): %s", span(now - started), words)
            told = now
        # Jitter, so that many waiting jobs do not ask at the same moment for ever.
        wait_s = POLL_S if any(obstacle.locked for obstacle in got) else 10 * POLL_S
        time.sleep(wait_s * (0.5 + random.random()))  # noqa: S311  no secret


def refuse_useless(names: Sequence[str], count: int, obstacles: Sequence[Obstacle]) -> None:
    """Stop where waiting cannot help: torch can use none of the devices that are left."""
    lasting = [obstacle for obstacle in obstacles if obstacle.aside and obstacle.aside.lasting]
    if len(names) - len(lasting) < count:
        raise SystemicError(
            f"no GPU here can be used: {'; '.join(f'{one.name}: {one.aside.cause}' for one in lasting if one.aside)}",
            where="lease",
            remedy="Set the stage's device to cpu, or run `snakemake --resources gpu=0`.",
        )


def set_aside(cause: str, *, lasting: bool = False) -> None:
    """Have the devices of this job left alone for a while; nothing where it holds no lease.

    The lock stays with this job to its end; whoever locks next reads the note.
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
        log.warning("lease: the failure of %s could not be noted for other jobs: %s", ", ".join(names), problem)


def read_note(lock: int) -> Aside | None:
    """Why the device is set aside; None when it is not. Anybody may have written it."""
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
    """Who holds a lock and for how long, as far as the kernel tells."""
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
    """A process in words: its user, its number, its name and how long it does what it does."""
    import psutil

    try:
        found = psutil.Process(process)
        age_s = time.time() - max(found.create_time(), since or 0)
        name = "".join(letter for letter in found.name() if letter.isprintable())
        return f"{user_name(found.uids().effective)} (process {process}, {name}) for {span(age_s)}"
    except psutil.Error:
        return f"process {process}"


def span(seconds: float) -> str:
    """Such as 12 s, 5 min, 3 h."""
    if seconds < 120:
        return f"{max(0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
