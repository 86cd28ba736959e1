"""Copies batches to a GPU and results back while the GPU computes.

Each batch is assembled in page-locked memory and copied in a separate stream while the previous batch is computed. Each
result is copied to page-locked memory, with an event that is recorded before the next batch starts. The host waits only
in ``buffer``, until the memory that it reuses was copied, and in the function that ``download`` returns.
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
    """Host memory for one batch, uint8, as a tensor and as an array."""

    tensor: torch.Tensor
    copied: Any = None  # event at the end of the last copy from it

    @property
    def array(self) -> np.ndarray:
        return np.asarray(self.tensor.numpy())


@dataclass
class Copies:
    """Copies to one GPU and back.

    Args:
        device: the GPU.
        depth: number of buffers per shape, used in turn; one is filled while the others are copied.
    """

    device: torch.device
    depth: int = 2
    stream: Any = None
    rings: dict[Shape, deque[Buffer]] = field(default_factory=dict)

    def buffer(self, shape: Shape) -> Buffer:
        """Memory for a batch, which must be uploaded before ``depth`` more buffers of its shape are requested."""
        ring = self.rings.setdefault(shape, deque())
        if len(ring) < self.depth:
            ring.append(Buffer(torch.empty(shape, dtype=torch.uint8, pin_memory=True)))
        else:
            ring.rotate(-1)
            if ring[-1].copied is not None:
                ring[-1].copied.synchronize()
        return ring[-1]

    def upload(self, buffer: Buffer, count: int) -> torch.Tensor:
        """The first ``count`` items of ``buffer`` on the device, for computations that start after this call."""
        if self.stream is None:
            self.stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        with torch.cuda.stream(self.stream):
            there = buffer.tensor[:count].to(self.device, non_blocking=True)
            buffer.copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            buffer.copied.record(self.stream)
        compute = torch.cuda.current_stream(self.device)
        compute.wait_event(buffer.copied)
        there.record_stream(compute)  # otherwise its memory could be reused before it is read
        return there

    def download(self, found: torch.Tensor) -> Callable[[], np.ndarray]:
        """Start to copy ``found`` (float32) to the host; the returned function waits for it and gives the array."""
        result = torch.empty(found.shape, dtype=found.dtype, pin_memory=True)
        result.copy_(found, non_blocking=True)
        done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        done.record(torch.cuda.current_stream(self.device))

        def wait() -> np.ndarray:
            done.synchronize()
            return np.asarray(result.numpy())

        return wait

    def forget(self) -> None:
        """Free all buffers, because batches of another size follow."""
        self.rings.clear()
