"""Memory that decoding workers and the job share, so that frames are not sent through a pipe.

The memory is anonymous (memfd), not a file in /dev/shm, which containers often limit to 64 MB. The system frees it
when the last of these processes ends.
"""

from __future__ import annotations

import mmap
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import reduction
from typing import Any

import numpy as np

from trailers.backbones.row import Geometry

Shapes = Mapping[Geometry, int]  # how many frames of each geometry


class Slots:
    """``count`` places, each for the frames of one block. A pickled copy in a spawned process is the same memory."""

    def __init__(self, count: int, slot_bytes: int, fd: int | None = None) -> None:
        self.slot_bytes = -(-slot_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
        self.free = deque(range(count))
        self.count = count
        if fd is None:
            fd = os.memfd_create("frames")
            os.ftruncate(fd, count * self.slot_bytes)
        self.fd = fd
        self.memory = np.frombuffer(mmap.mmap(fd, count * self.slot_bytes), np.uint8).reshape(count, self.slot_bytes)

    def __reduce__(self) -> tuple[Callable[..., Slots], tuple[Any, ...]]:
        return attach, (self.count, self.slot_bytes, reduction.DupFd(self.fd))

    def frames(self, slot: int, shapes: Shapes) -> dict[Geometry, np.ndarray]:
        """uint8 (n, height, width, 3) of each geometry, one after the other in ``slot``; views."""
        found = {}
        start = 0
        for geometry, count in shapes.items():
            shape = (count, *geometry[1], 3)
            end = start + int(np.prod(shape))
            found[geometry] = self.memory[slot, start:end].reshape(shape)
            start = end
        return found

    def close(self) -> None:
        """Close the descriptor; the memory is freed with the last array that uses it."""
        os.close(self.fd)


def attach(count: int, slot_bytes: int, fd: Any) -> Slots:
    """The same slots, in a process that was spawned."""
    return Slots(count, slot_bytes, fd.detach())


def slot_bytes(geometries: Sequence[Geometry], frames: int) -> int:
    """The bytes that a block of ``frames`` frames needs in all ``geometries``."""
    return sum(frames * height * width * 3 for _, (height, width), *_ in geometries)
