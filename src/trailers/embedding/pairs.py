"""A pair of clip strategy and backbone, and the job of embedding one trailer with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from trailers.backbones.row import Geometry, Row, clip_frames
from trailers.domain import Clip, ClipStrategy
from trailers.embedding.embedders import Settings
from trailers.errors import StoreError, TrailerError
from trailers.store.fingerprint import fingerprint
from trailers.store.layout import Layout
from trailers.store.ledger import OK, LedgerRow
from trailers.store.spans import CLIPS_SCHEMA, read_spans

SCHEMA = "embed/1"


class Work(Protocol):
    """The part of a shard's run that the engine uses."""

    trailers: list[str]
    layout: Layout

    def starts(self, trailer: str) -> None: ...

    def record(self, row: LedgerRow) -> None: ...

    def fail(self, trailer: str, problem: Exception) -> None: ...


@dataclass(eq=False)
class Pair:
    """One clip strategy and one backbone, for the trailers of a shard."""

    strategy: ClipStrategy
    row: Row
    weights_sha256: str
    settings: Settings
    work: Work
    todo: frozenset[str] = frozenset()
    existing: Callable[[str], LedgerRow | None] = lambda _: None  # the ledger row of vectors that are up to date

    def path(self, trailer: str) -> Path:
        return self.work.layout.embedding(str(self.strategy), self.row.name, trailer)

    def clips_path(self, trailer: str) -> Path:
        return self.work.layout.clips(str(self.strategy), trailer)

    def fingerprint(self, clips_fingerprint: str) -> str:
        """The fingerprint of a trailer's vectors."""
        return fingerprint_of(self.strategy, self.row, self.weights_sha256, self.settings, clips_fingerprint)

    def take_made(self, trailer: str) -> None:
        """Count ``trailer`` as done if another job has made its vectors in the meantime."""
        if trailer not in self.todo or not self.path(trailer).exists():
            return
        try:
            row = self.existing(trailer)
        except TrailerError:
            return  # damaged: made again
        if row is not None:
            self.todo -= {trailer}
            self.work.record(row)

    def ledger_row(self, trailer: str, fingerprint: str, shape: Sequence[int], precision: str) -> LedgerRow:
        facts = {"clips": shape[0], "F": shape[1], "precision": precision}
        return LedgerRow(trailer, OK, str(self.path(trailer).relative_to(self.work.layout.root)), fingerprint, facts)


def fingerprint_of(
    strategy: ClipStrategy, row: Row, weights_sha256: str, settings: Settings, clips_fingerprint: str
) -> str:
    """The fingerprint of vectors that are made from clips with the fingerprint ``clips_fingerprint``."""
    shape = {"clips": str(strategy), "precision": settings.precision, **row.identity()}
    return fingerprint(SCHEMA, shape, weights_sha256, clips_fingerprint)


@dataclass(eq=False)
class Job:
    """The embedding of one trailer with one pair."""

    pair: Pair
    trailer: str
    clips: Sequence[Clip]
    fingerprint: str
    sources: np.ndarray  # int64 (clips, frames): the frame of the trailer at each position; -1 is black
    vectors: np.ndarray  # float32 (clips, F)
    missing: int  # number of vectors that are not computed yet
    open: dict[int, np.ndarray] = field(default_factory=dict)  # clips of which only some frames are decoded
    failed: bool = False

    @classmethod
    def start(cls, pair: Pair, trailer: str) -> Job:
        clips, header = read_spans(pair.clips_path(trailer), kind=Clip, schema=CLIPS_SCHEMA)
        if not clips:
            raise StoreError(f"{pair.clips_path(trailer)}: contains no clips. Check the shots of this trailer.")
        sources = np.array(
            [
                clip_frames(pair.row, pair.strategy, start=clip.start, valid=clip.end - clip.start, frame=clip.frame)
                for clip in clips
            ],
            dtype=np.int64,
        )
        vectors = np.empty((len(clips), pair.row.features), np.float32)
        return cls(pair, trailer, clips, pair.fingerprint(header["fingerprint"]), sources, vectors, len(clips))

    @property
    def geometry(self) -> Geometry:
        return self.pair.row.transform.geometry

    def fill(self, indices: np.ndarray, frames: np.ndarray, place: Callable[[], np.ndarray]) -> Iterator[int]:
        """Copy frames into the clips that want them; yields the number of each complete clip, now in ``place()``.

        Args:
            indices: int64 (n,), ascending: every wanted frame of the trailer between the first and the last.
            frames: uint8 (n, height, width, 3), resized and cropped.
            place: the memory for the next complete clip, uint8 (clip frames, height, width, 3).
        """
        if self.failed or not len(indices):
            return
        first, last = indices[0], indices[-1]
        ends = self.sources.max(axis=1)
        inside = (self.sources >= first) & (self.sources <= last)
        for number in np.flatnonzero(inside.any(axis=1)).tolist():
            sources, selected = self.sources[number], inside[number]
            is_whole = ends[number] <= last
            if is_whole and np.array_equal(selected, sources >= 0):  # nearly all clips; they are copied only once
                clip = place()
                clip[sources < 0] = 0
            else:
                clip = self.open.setdefault(number, np.zeros((len(sources), *frames.shape[1:]), np.uint8))
            copy_frames(clip, np.flatnonzero(selected), frames, np.searchsorted(indices, sources[selected]))
            if is_whole:
                if number in self.open:
                    place()[...] = self.open.pop(number)
                yield number


def copy_frames(clip: np.ndarray, places: np.ndarray, frames: np.ndarray, rows: np.ndarray) -> None:
    """``clip[places] = frames[rows]``, as one copy if both are consecutive numbers."""
    if is_run(places) and is_run(rows):
        clip[places[0] : places[0] + len(places)] = frames[rows[0] : rows[0] + len(rows)]
    else:
        clip[places] = frames[rows]


def is_run(numbers: np.ndarray) -> bool:
    return bool((np.diff(numbers) == 1).all())
