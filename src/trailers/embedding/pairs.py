"""A clip strategy seen through a backbone, and one trailer of it on its way to vectors."""

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
    """What the engine asks of a shard's run."""

    trailers: list[str]
    layout: Layout

    def starts(self, trailer: str) -> None: ...

    def record(self, row: LedgerRow) -> None: ...

    def fail(self, trailer: str, problem: Exception) -> None: ...


@dataclass(eq=False)
class Pair:
    """One clip strategy seen through one backbone, over the shard."""

    strategy: ClipStrategy
    row: Row
    weights_sha256: str
    settings: Settings
    work: Work
    todo: frozenset[str] = frozenset()
    existing: Callable[[str], LedgerRow | None] = lambda _: None  # the row of vectors that are up to date

    def path(self, trailer: str) -> Path:
        return self.work.layout.embedding(str(self.strategy), self.row.name, trailer)

    def clips_path(self, trailer: str) -> Path:
        return self.work.layout.clips(str(self.strategy), trailer)

    def mark(self, clips_fingerprint: str) -> str:
        """The fingerprint of a trailer's vectors."""
        return fingerprint_of(self.strategy, self.row, self.weights_sha256, self.settings, clips_fingerprint)

    def take_made(self, trailer: str) -> None:
        """Count ``trailer`` as done when another job has made its vectors since this one looked."""
        if trailer not in self.todo or not self.path(trailer).exists():
            return
        try:
            row = self.existing(trailer)
        except TrailerError:
            return  # damaged: made again
        if row is not None:
            self.todo -= {trailer}
            self.work.record(row)

    def ledger_row(self, trailer: str, mark: str, shape: Sequence[int], precision: str) -> LedgerRow:
        facts = {"clips": shape[0], "F": shape[1], "precision": precision}
        return LedgerRow(trailer, OK, str(self.path(trailer).relative_to(self.work.layout.root)), mark, facts)


def fingerprint_of(
    strategy: ClipStrategy, row: Row, weights_sha256: str, settings: Settings, clips_fingerprint: str
) -> str:
    """What the vectors of clips that carry ``clips_fingerprint`` must carry."""
    shape = {"clips": str(strategy), "precision": settings.precision, **row.identity()}
    return fingerprint(SCHEMA, shape, weights_sha256, clips_fingerprint)


@dataclass(eq=False)
class Job:
    """One trailer of one pair: its clips on their way to vectors."""

    pair: Pair
    trailer: str
    clips: Sequence[Clip]
    mark: str
    sources: np.ndarray  # int64 (clips, frames): which frame of the trailer stands where; -1 is black
    vectors: np.ndarray  # float32 (clips, F)
    missing: int  # vectors yet to come
    open: dict[int, np.ndarray] = field(default_factory=dict)  # clips of which some frames are there
    failed: bool = False

    @classmethod
    def start(cls, pair: Pair, trailer: str) -> Job:
        clips, header = read_spans(pair.clips_path(trailer), kind=Clip, schema=CLIPS_SCHEMA)
        if not clips:
            raise StoreError(f"{pair.clips_path(trailer)}: there are no clips. Check the shots of this trailer.")
        sources = np.array(
            [
                clip_frames(pair.row, pair.strategy, start=clip.start, valid=clip.end - clip.start, frame=clip.frame)
                for clip in clips
            ],
            dtype=np.int64,
        )
        vectors = np.empty((len(clips), pair.row.features), np.float32)
        return cls(pair, trailer, clips, pair.mark(header["fingerprint"]), sources, vectors, len(clips))

    @property
    def geometry(self) -> Geometry:
        return self.pair.row.transform.geometry

    def fill(self, indices: np.ndarray, frames: np.ndarray, place: Callable[[], np.ndarray]) -> Iterator[int]:
        """Put frames where clips want them; gives the number of each clip that is whole and lies in ``place()``.

        Args:
            indices: int64 (n,), ascending: every wanted frame of the trailer between the first and the last.
            frames: uint8 (n, height, width, 3), resized and cropped.
            place: where the next whole clip goes, uint8 (clip frames, height, width, 3).
        """
        if self.failed or not len(indices):
            return
        first, last = indices[0], indices[-1]
        ends = self.sources.max(axis=1)
        inside = (self.sources >= first) & (self.sources <= last)
        for number in np.flatnonzero(inside.any(axis=1)).tolist():
            sources, here = self.sources[number], inside[number]
            is_whole = ends[number] <= last
            if is_whole and np.array_equal(here, sources >= 0):  # nearly all: copied once, to where they are wanted
                clip = place()
                clip[sources < 0] = 0
            else:
                clip = self.open.setdefault(number, np.zeros((len(sources), *frames.shape[1:]), np.uint8))
            copy_frames(clip, np.flatnonzero(here), frames, np.searchsorted(indices, sources[here]))
            if is_whole:
                if number in self.open:
                    place()[...] = self.open.pop(number)
                yield number


def copy_frames(clip: np.ndarray, places: np.ndarray, frames: np.ndarray, rows: np.ndarray) -> None:
    """``clip[places] = frames[rows]``, in one piece where both are runs."""
    if is_run(places) and is_run(rows):
        clip[places[0] : places[0] + len(places)] = frames[rows[0] : rows[0] + len(rows)]
    else:
        clip[places] = frames[rows]


def is_run(numbers: np.ndarray) -> bool:
    return bool((np.diff(numbers) == 1).all())
