"""Workers that decode: threads if the network runs on the CPU, processes if it runs on a GPU.

A network on the CPU uses all cores, so processes would gain nothing. A GPU needs more frames than one Python
interpreter can pass on.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

from trailers.backbones.row import Geometry
from trailers.embedding import blocks
from trailers.embedding.blocks import Block
from trailers.embedding.decoding import Decoded, close_video, decode, room_for
from trailers.embedding.pairs import Pair
from trailers.embedding.slots import Slots, slot_bytes
from trailers.embedding.workers import counts, dead_workers_reported, decode_into, processes
from trailers.errors import SystemicError
from trailers.machine.threads import decoding_workers

BLOCKS_AHEAD = 2  # per decoding worker


@dataclass(frozen=True)
class Pending:
    """Frames that are being decoded.

    Args:
        wait: returns them, or raises the error of the decoding.
        release: is called when they are no longer needed; their memory may then be reused.
    """

    wait: Callable[[], Decoded]
    release: Callable[[], None] = lambda: None


class Readers:
    """Workers that decode, resize and crop.

    Args:
        workers: their number; 0 decodes only when frames are needed, None chooses it for the device.
        apart: whether they are separate processes.
        geometries: every geometry that a block can want.
    """

    def __init__(self, workers: int | None, *, apart: bool, geometries: Sequence[Geometry] = ()) -> None:
        if workers is None:
            workers = decoding_workers() if apart else 1
        self.ahead = workers * BLOCKS_AHEAD
        self.pool: Executor | None = None
        self.slots: Slots | None = None
        if workers and apart:
            self.slots = Slots(self.ahead + 1, slot_bytes(geometries, blocks.BLOCK_FRAMES))
            self.pool = processes(workers, self.slots)
        elif workers:
            self.pool = ThreadPoolExecutor(workers)

    def start(self, block: Block) -> Pending:
        """Begin to decode ``block``. Raises SystemicError when a worker died."""
        if self.slots is not None:
            return self.start_apart(block, self.slots)
        job = functools.partial(decode, block.path, block.indices, block.wanted)
        if self.pool is None:
            return Pending(lambda: job(room_for(block.wanted)))
        return Pending(self.pool.submit(lambda: job(room_for(block.wanted))).result)

    def start_apart(self, block: Block, slots: Slots) -> Pending:
        assert self.pool is not None
        slot = slots.free.popleft()
        with dead_workers_reported():
            future = self.pool.submit(decode_into, slot, block.path, block.indices, block.wanted)

        def wait() -> Decoded:
            with dead_workers_reported():
                future.result()
            return slots.frames(slot, counts(block.wanted))

        return Pending(wait, lambda: slots.free.append(slot))

    def __enter__(self) -> Readers:
        return self

    def __exit__(self, *problem: object) -> None:
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)
        if self.slots is not None:
            self.slots.close()
        close_video()


def readers_for(pairs: Sequence[Pair], workers: int | None, *, apart: bool) -> Readers:
    """Workers for the geometries of ``pairs``."""
    geometries = dict.fromkeys(pair.row.transform.geometry for pair in pairs)
    return Readers(workers, apart=apart, geometries=list(geometries))


class Reading:
    """An iterator over each block with its frames, or with the error. The first blocks are started at once.

    The frames are valid until the next block is requested.

    Raises:
        SystemicError: a worker died.
    """

    def __init__(self, wanted: Iterable[Block], readers: Readers) -> None:
        self.blocks = iter(wanted)
        self.readers = readers
        self.pending: deque[tuple[Block, Pending]] = deque()
        self.begin()

    def begin(self) -> None:
        """Start blocks until the workers have enough to do."""
        while len(self.pending) <= self.readers.ahead:
            block = next((block for block in self.blocks if not all(job.failed for job in block.jobs)), None)
            if block is None:
                return
            self.pending.append((block, self.readers.start(block)))

    def __iter__(self) -> Iterator[tuple[Block, Decoded | Exception]]:
        while self.pending:
            block, pending = self.pending.popleft()
            yield block, decoded_or_problem(pending)
            pending.release()
            self.begin()


def decoded_or_problem(pending: Pending) -> Decoded | Exception:
    try:
        return pending.wait()
    except SystemicError:
        raise
    except Exception as problem:  # noqa: BLE001  recorded for the trailer by the caller
        return problem
