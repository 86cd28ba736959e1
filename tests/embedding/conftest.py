"""A shard that only records outcomes, and two small networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from trailers.backbones.row import Row, Transform, Weights
from trailers.domain import Clip, ClipStrategy
from trailers.embedding.embedders import Settings
from trailers.embedding.pairs import Pair
from trailers.store.layout import Layout
from trailers.store.ledger import LedgerRow
from trailers.store.spans import CLIPS_SCHEMA, write_spans
from trailers.video import encode_frames

CLIPS = [Clip(0, 0, 8, 0, 3), Clip(0, 8, 12, 4, 9), Clip(1, 12, 20, 0, 19), Clip(1, 20, 28, 0, 20), Clip(2, 30, 31, 7)]


@dataclass
class Work:
    """Records the outcome of each trailer."""

    trailers: list[str]
    layout: Layout
    done: dict[str, LedgerRow] = field(default_factory=dict)
    failed: dict[str, Exception] = field(default_factory=dict)

    def starts(self, trailer: str) -> None:
        pass

    def record(self, row: LedgerRow) -> None:
        self.done[row.trailer] = row

    def fail(self, trailer: str, problem: Exception) -> None:
        self.failed[trailer] = problem


def row_of(name: str, dimensions: int, *, size: int = 16, crop: int = 16, batch: int = 3) -> Row:
    transform = Transform((size,), (crop, crop), (0.0, 0.0, 0.0), (1 / 255,) * 3)
    frames = 1 if dimensions == 2 else None
    return Row(name, "own", name, dimensions, 4, transform, Weights("made up", "none.pth"), frames, batch_cpu=batch)


class Shard:
    """Trailers of 36 frames at 24 fps and their clips."""

    def __init__(self, folder: Path) -> None:
        self.layout = Layout(folder / "results")

    def add(self, trailer: str, clips: Sequence[Clip] = CLIPS, *, height: int = 32) -> None:
        random = np.random.default_rng(sum(trailer.encode()))
        frames = random.integers(0, 255, (36, 4, 6, 3), np.uint8).repeat(height // 4, 1).repeat(height // 4, 2)
        path = self.layout.video(trailer)
        encode_frames(path, frames, width_px=frames.shape[2], height_px=height, fps=24, fingerprint="0" * 16)
        header: dict[str, str | int] = {"trailer": trailer, "frames": 36, "fingerprint": trailer}
        write_spans(self.layout.clips("shot8", trailer), clips, kind=Clip, header=header, schema=CLIPS_SCHEMA)

    def pair(self, row: Row, *trailers: str) -> Pair:
        """A pair of the backbone ``row`` with all ``trailers`` to do."""
        settings = Settings(precision="float32", random_weights=True)
        work = Work(list(trailers), self.layout)
        return Pair(ClipStrategy.parse("shot8"), row, "none", settings, work, frozenset(trailers))


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    return Shard(tmp_path)
