"""Decoding workers that are processes of their own."""

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

HERE: dict[str, Slots] = {}  # the slots, in a worker


def processes(count: int, slots: Slots) -> ProcessPoolExecutor:
    """Workers that end when this process does; each is started by a task that finds none idle."""
    # A forked child of a process that uses CUDA cannot use it; a fresh one has nothing to inherit.
    return ProcessPoolExecutor(count, get_context("spawn"), initializer=begin, initargs=(os.getpid(), slots))


def begin(parent: int, slots: Slots) -> None:
    """What a worker does first."""
    end_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt at the terminal is for the job to answer
    keep_to_one_thread()
    HERE["slots"] = slots


def decode_into(slot: int, path: Path, indices: np.ndarray, wanted: Wanted) -> None:
    """Decode into ``slot``."""
    decode(path, indices, wanted, HERE["slots"].frames(slot, counts(wanted)))


def counts(wanted: Wanted) -> dict[Geometry, int]:
    """How many frames each geometry wants."""
    return {geometry: len(indices) for geometry, (_, indices) in wanted.items()}


@contextlib.contextmanager
def dead_workers_reported() -> Iterator[None]:
    """Inside, the death of a worker is told of in one sentence, whether a task is handed out or waited for.

    Raises:
        SystemicError: one died.
    """
    try:
        yield
    except BrokenExecutor:
        raise SystemicError(
            "embed: a decoding worker died, probably because memory ran out",
            remedy="Finished products are kept. Use fewer workers (embed.workers) or give the job more memory.",
        ) from None
