"""Batches on their way to a GPU, and results on their way back, while neither waits for the other.

Each batch is put together in page-locked memory and copied by a stream of its own while the batch
before is computed; each result is copied to page-locked memory, with an event behind it that is
recorded before the next batch is begun. Nothing here makes the host wait but ``buffer``, for the
copy out of the memory that it gives away again, and what ``download`` gives.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

Shape = tuple[int, ...]


@dataclass(eq=False)
class Buffer:
    """Host memory for one batch, uint8, seen as an array and as a tensor."""

    tensor: torch.Tensor
    copied: Any = None  # the event behind the copy out of it

    @property
    def array(self) -> np.ndarray:
        return np.asarray(self.tensor.numpy())


@dataclass
class Copies:
    """The way to one GPU and back.

    Args:
        device: the GPU.
        depth: buffers of one shape, given out in turn; one is filled while the others are copied.
    """

    device: torch.device
    depth: int = 2
    stream: Any = None
    rings: dict[Shape, deque[Buffer]] = field(default_factory=dict)

    def buffer(self, shape: Shape) -> Buffer:
        """Memory to put a batch in; it must be uploaded before ``depth`` more of its shape are asked for."""
        ring = self.rings.setdefault(shape, deque())
        if len(ring) < self.depth:
            ring.append(Buffer(torch.empty(shape, dtype=torch.uint8, pin_memory=True)))
        else:
            ring.rotate(-1)
            if ring[-1].copied is not None:
                ring[-1].copied.synchronize()
        return ring[-1]

    def upload(self, buffer: Buffer, count: int) -> torch.Tensor:
        """The first ``count`` of ``buffer`` on the device, for what is computed from here on."""
        if self.stream is None:
            self.stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        with torch.cuda.stream(self.stream):
            there = buffer.tensor[:count].to(self.device, non_blocking=True)
            buffer.copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            buffer.copied.record(self.stream)
        compute = torch.cuda.current_stream(self.device)
        compute.wait_event(buffer.copied)
        there.record_stream(compute)  # or its memory could be given away before it is read
        return there

    def download(self, found: torch.Tensor) -> Callable[[], np.ndarray]:
        """Begin to copy ``found`` (float32) back; what is given waits for it."""
        result = torch.empty(found.shape, dtype=found.dtype, pin_memory=True)
        result.copy_(found, non_blocking=True)
        done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        done.record(torch.cuda.current_stream(self.device))

        def wait() -> np.ndarray:
            done.synchronize()
            return np.asarray(result.numpy())

        return wait

    def forget(self) -> None:
        """Give all buffers back, since batches of another size follow."""
        self.rings.clear()
