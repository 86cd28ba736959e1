"""Decoding workers that are separate processes."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from trailers.backbones.row import Geometry
from trailers.embedding.blocks import Wanted
from trailers.embedding.decoding import decode
from trailers.embedding.slots import Slots
from trailers.errors import SystemicError
from trailers.machine.lifeline import end_with
from trailers.machine.threads import keep_to_one_thread

SHARED: dict[str, Slots] = {}  # in a worker: "slots", the memory that it shares with the job


def processes(count: int, slots: Slots) -> ProcessPoolExecutor:
    """Workers that end when this process does; a new one is started only when all others are busy."""
    # A forked child of a process that uses CUDA cannot use CUDA; a spawned one can.
    return ProcessPoolExecutor(count, get_context("spawn"), initializer=begin, initargs=(os.getpid(), slots))


def begin(parent: int, slots: Slots) -> None:
    """Prepare a new worker."""
    end_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the job handles an interrupt at the terminal
    keep_to_one_thread()
    SHARED["slots"] = slots


def decode_into(slot: int, path: Path, indices: np.ndarray, wanted: Wanted) -> None:
    """Decode the frames ``indices`` of the video at ``path`` into ``slot``; see ``decode``."""
    decode(path, indices, wanted, SHARED["slots"].frames(slot, counts(wanted)))


def counts(wanted: Wanted) -> dict[Geometry, int]:
    """How many frames each geometry wants."""
    return {geometry: len(indices) for geometry, (_, indices) in wanted.items()}


@contextlib.contextmanager
def dead_workers_reported() -> Iterator[None]:
    """Inside, a worker that died is reported in one sentence, both when a task is submitted and when it is awaited.

    Raises:
        SystemicError: a worker died.
    """
    try:
        yield
    except BrokenExecutor:
        raise SystemicError(
            "embed: a decoding worker died, probably because memory ran out",
            remedy="Finished products are kept. Use fewer workers (embed.workers) or give the job more memory.",
        ) from None
