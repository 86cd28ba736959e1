"""A replacement for a network, to measure only the other work of a job."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from trailers.backbones.row import Row
from trailers.machine.copies import Buffer


class WithoutNetwork:
    """Replaces an ``Embedder`` on a GPU: batches of its size, two buffers in turn, constant vectors without waiting."""

    def __init__(self, row: Row) -> None:
        self.row, self.precision = row, "float32"
        self.batch_clips, self.batches_in_flight = row.batch_cuda, 1
        self.depends_on_place = False
        self.computed_on: dict[str, str | int] = {}
        self.buffers: list[Buffer] = []
        self.vectors = np.random.default_rng(0).standard_normal((row.batch_cuda, row.features), np.float32)

    def buffer(self, frames: int) -> Buffer:
        import torch

        if len(self.buffers) < 2:
            shape = (self.batch_clips, frames, *self.row.transform.crop, 3)
            self.buffers.append(Buffer(torch.empty(shape, dtype=torch.uint8)))
        self.buffers.reverse()
        return self.buffers[0]

    def start(self, _: Buffer, count: int) -> Callable[[], np.ndarray]:
        return lambda: self.vectors[:count]
