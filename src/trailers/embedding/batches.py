"""Batches of clips for the networks. The vectors of a trailer are written when all of them are computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from trailers.embedding.embedders import origin
from trailers.embedding.pairs import Job
from trailers.machine.watchdog import alive
from trailers.store.embeddings import write_embedding
from trailers.store.layout import Layout
from trailers.store.receipt import read_receipt

if TYPE_CHECKING:
    from trailers.backbones.embedder import Embedder
    from trailers.machine.copies import Buffer


class Batches:
    """The current batch and the batches in the network, of one backbone and one clip length."""

    def __init__(self, embedder: Embedder, frames: int) -> None:
        self.embedder = embedder
        self.frames = frames
        self.buffer: Buffer | None = None  # of the batch that is being filled
        self.owners: list[tuple[Job, int]] = []
        self.pending: deque[tuple[list[tuple[Job, int]], Callable[[], np.ndarray]]] = deque()

    def place(self) -> np.ndarray:
        """Where the frames of the next clip go: uint8 (frames, height, width, 3)."""
        if self.buffer is None:
            self.buffer = self.embedder.buffer(self.frames)
        place: np.ndarray = self.buffer.array[len(self.owners)]
        return place

    def add(self, job: Job, number: int) -> None:
        """Add the clip that the caller has written to ``place()``; start the batch if it is full."""
        self.owners.append((job, number))
        if len(self.owners) >= self.embedder.batch_clips:
            self.start()
            self.deliver(leaving=self.embedder.batches_in_flight)

    def start(self) -> None:
        if self.buffer is not None and self.owners:
            self.pending.append((self.owners, self.embedder.start(self.buffer, len(self.owners))))
            self.buffer, self.owners = None, []

    def flush(self) -> None:
        self.start()
        self.deliver(leaving=0)

    def deliver(self, *, leaving: int) -> None:
        """Wait for all started batches except the last ``leaving``, and write the jobs that now have all vectors."""
        while len(self.pending) > leaving:
            owners, wait = self.pending.popleft()
            alive()
            for (job, number), vector in zip(owners, wait(), strict=True):
                job.vectors[number] = vector
                job.missing -= 1
            for job in dict.fromkeys(job for job, _ in owners):
                if job.missing == 0 and not job.failed:
                    finish(job, self.embedder)


class TrailerBatches(Batches):
    """Batches of one trailer alone, in the order of its clips, for a network that ``depends_on_place``.

    Its vectors therefore do not depend on the other trailers of the shard, on other backbones of the job, or on the
    point at which a run was resumed.
    """

    def __init__(self, embedder: Embedder, frames: int) -> None:
        super().__init__(embedder, frames)
        # Not the embedder's buffers, because many of these batches may be open at a time.
        self.pixels = np.empty((embedder.batch_clips, frames, *embedder.row.transform.crop, 3), np.uint8)
        self.added = 0

    def place(self) -> np.ndarray:
        found: np.ndarray = self.pixels[len(self.owners)]
        return found

    def add(self, job: Job, number: int) -> None:
        self.owners.append((job, number))
        self.added += 1
        if len(self.owners) == len(self.pixels) or self.added == len(job.clips):
            self.flush()

    def start(self) -> None:
        if self.owners:
            vectors = self.embedder(self.pixels[: len(self.owners)])
            self.pending.append((self.owners, lambda: vectors))
            self.owners = []


class BatchTable:
    """The batches of every backbone and clip length: shared by all trailers, or separate for each trailer."""

    def __init__(self, embedders: Mapping[str, Embedder]) -> None:
        self.embedders = embedders
        self.shared: dict[tuple[str, int], Batches] = {}
        self.alone: dict[Job, TrailerBatches] = {}

    def of(self, job: Job) -> Batches:
        """The batches to which the clips of ``job`` are added."""
        name, frames = job.pair.row.name, job.sources.shape[1]
        embedder = self.embedders[name]
        if not embedder.depends_on_place:
            if (name, frames) not in self.shared:
                self.shared[name, frames] = Batches(embedder, frames)
            return self.shared[name, frames]
        self.alone = {one: batches for one, batches in self.alone.items() if one.missing and not one.failed}
        if job not in self.alone:
            self.alone[job] = TrailerBatches(embedder, frames)
        return self.alone[job]

    def flush(self) -> None:
        for batches in (*self.shared.values(), *self.alone.values()):
            batches.flush()


def fail(job: Job, problem: Exception) -> None:
    if not job.failed:
        job.failed = True
        job.open.clear()
        job.pair.work.fail(job.trailer, problem)


def finish(job: Job, embedder: Embedder) -> None:
    try:
        write(job, embedder)
    except Exception as problem:  # noqa: BLE001  one trailer never stops the others; recorded with its cause
        fail(job, problem)


def write(job: Job, embedder: Embedder) -> None:
    pair, precision = job.pair, embedder.precision
    attributes = {
        **origin(pair.row, pair.weights_sha256, pair.settings, precision),
        **embedder.computed_on,
        "trailer": job.trailer,
        "clip_strategy": str(pair.strategy),
        "frames_a_clip": job.sources.shape[1],
        "fps": pair.strategy.fps,
        "source_sha256": source_sha256(pair.work.layout, job.trailer),
        "fingerprint": job.fingerprint,
    }
    write_embedding(pair.path(job.trailer), job.vectors, job.clips, attributes)
    pair.work.record(pair.ledger_row(job.trailer, job.fingerprint, job.vectors.shape, precision))


def source_sha256(layout: Layout, trailer: str) -> str:
    """sha256 of the source video; empty if it has no receipt, as for videos that were supplied at 24 fps."""
    path = layout.receipt(trailer)
    return read_receipt(path).sha256 if path.exists() else ""
