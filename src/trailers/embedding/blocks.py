"""Which frames of a trailer are decoded together, and which networks want them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trailers.backbones.row import Geometry, Transform
from trailers.embedding.pairs import Job, Pair

BLOCK_FRAMES = 96  # maximum per block; blocks start at a multiple of it, which most settings make a key frame

Wanted = Mapping[Geometry, tuple[Transform, np.ndarray]]  # which frames each geometry wants


@dataclass(frozen=True)
class Block:
    """Frames of one trailer to decode together, and which of them each geometry wants."""

    jobs: Sequence[Job]
    path: Path
    indices: np.ndarray
    wanted: Wanted


def blocks_of(pairs: Sequence[Pair]) -> Iterator[Block]:
    """Every trailer with work, cut into blocks.

    Other processes may embed the same shard at the same time, and each makes the vectors of all pairs. So each process
    starts at a different trailer, and skips vectors that another has made in the meantime.
    """
    trailers = list(dict.fromkeys(trailer for pair in pairs for trailer in pair.work.trailers))
    first = zlib.crc32(f"{pairs[0].strategy}/{pairs[0].row.name}".encode()) % len(trailers)
    for trailer in trailers[first:] + trailers[:first]:
        for pair in pairs:
            pair.take_made(trailer)
        if not any(trailer in pair.todo for pair in pairs):
            continue
        for pair in pairs:  # also those without work on it, so that none of them is timed out for the time it takes
            pair.work.starts(trailer)
        jobs = []
        for pair in pairs:
            if trailer not in pair.todo:
                continue
            try:
                jobs.append(Job.start(pair, trailer))
            except Exception as problem:  # noqa: BLE001  one trailer never stops the others; recorded with its cause
                pair.work.fail(trailer, problem)
        if jobs:
            yield from cut_into_blocks(jobs, jobs[0].pair.work.layout.video(trailer))


def cut_into_blocks(jobs: Sequence[Job], path: Path) -> Iterator[Block]:
    """The frames that any job wants, as blocks; neighbouring spans with few wanted frames share a block."""
    by_geometry: dict[Geometry, list[Job]] = {}
    for job in jobs:
        by_geometry.setdefault(job.geometry, []).append(job)
    wanted = {key: frames_of(some) for key, some in by_geometry.items()}
    everything = frames_of(jobs)
    spans = np.split(everything, np.flatnonzero(np.diff(everything // BLOCK_FRAMES)) + 1)
    portion: list[np.ndarray] = []
    for number, span in enumerate(spans):
        portion.append(span)
        following = len(spans[number + 1]) if number + 1 < len(spans) else BLOCK_FRAMES
        if sum(map(len, portion)) + following <= BLOCK_FRAMES:
            continue
        indices = np.concatenate(portion)
        portion = []
        parts = {}
        for key, some in by_geometry.items():
            low, high = np.searchsorted(wanted[key], (indices[0], indices[-1] + 1))
            parts[key] = (some[0].pair.row.transform, wanted[key][low:high])
        yield Block(jobs, path, indices, parts)


def frames_of(jobs: Sequence[Job]) -> np.ndarray:
    """int64: every frame of the trailer that one of the jobs wants, ascending."""
    frames = np.unique(np.concatenate([job.sources.ravel() for job in jobs]))
    return frames[frames >= 0]
