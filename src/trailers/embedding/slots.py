"""Memory in which decoding workers put frames and from which the job takes them: no frame crosses a pipe.

The memory is anonymous (memfd), not a file of /dev/shm, which containers often limit to 64 MB; it
is gone when the last of these processes is.
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
    """``count`` places for one block's frames each. Goes to a process that is being spawned, and is the same there."""

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
        """Give the descriptor back; the memory goes with the last array that shows it."""
        os.close(self.fd)


def attach(count: int, slot_bytes: int, fd: Any) -> Slots:
    """The slots of the process that spawned this one."""
    return Slots(count, slot_bytes, fd.detach())


def slot_bytes(geometries: Sequence[Geometry], frames: int) -> int:
    """What a block of ``frames`` frames takes in all ``geometries``."""
    return sum(frames * height * width * 3 for _, (height, width), *_ in geometries)
