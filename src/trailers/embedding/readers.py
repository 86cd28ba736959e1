"""Workers that decode, resize and crop the frames of blocks."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from trailers.backbones.row import Geometry
from trailers.embedding.blocks import Block, Wanted
from trailers.errors import StoreError, SystemicError
from trailers.machine.threads import decoding_workers, keep_to_one_thread
from trailers.video import VideoFrames

DECODED_BYTES = 64 * 2**20  # in memory at once before they are resized, for videos that were not made smaller
BLOCKS_AHEAD = 2  # per decoding worker

Decoded = dict[Geometry, np.ndarray]


def read_blocks(blocks: Iterable[Block], readers: Readers) -> Iterator[tuple[Block, Decoded | Exception]]:
    """Each block with its frames, resized and cropped for each geometry; or with what went wrong."""
    flying: deque[tuple[Block, Callable[[], Decoded]]] = deque()
    for block in blocks:
        if all(job.failed for job in block.jobs):
            continue
        flying.append((block, readers.start(block.path, block.indices, block.wanted)))
        if len(flying) > readers.ahead:
            yield landed(*flying.popleft())
    while flying:
        yield landed(*flying.popleft())


def landed(block: Block, wait: Callable[[], Decoded]) -> tuple[Block, Decoded | Exception]:
    try:
        return block, wait()
    except BrokenExecutor as problem:
        raise SystemicError(f"embed: a decoding worker died: {problem}. Use fewer (embed.workers).") from None
    except Exception as problem:  # noqa: BLE001  recorded for the trailer by the caller
        return block, problem


class Readers:
    """Workers that decode, resize and crop: threads beside a CPU's network, processes beside a GPU's.

    A network on the CPU leaves no core to a process of its own; a GPU wants more frames than one
    interpreter hands over.
    """

    def __init__(self, workers: int | None, *, on_gpu: bool) -> None:
        if workers is None:
            workers = decoding_workers() if on_gpu else 1
        self.ahead = workers * BLOCKS_AHEAD
        self.pool: Executor | None = None
        if workers and on_gpu:
            # A forked child of a process that uses CUDA cannot; a fresh one has nothing to inherit.
            self.pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=keep_to_one_thread)
        elif workers:
            self.pool = ThreadPoolExecutor(workers)

    def start(self, path: Path, indices: np.ndarray, wanted: Wanted) -> Callable[[], Decoded]:
        """Begin to read; what is given waits for the frames."""
        if self.pool is None:
            return lambda: read(path, indices, wanted)
        return self.pool.submit(read, path, indices, wanted).result

    def __enter__(self) -> Readers:
        return self

    def __exit__(self, *problem: object) -> None:
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)
        close_video()


OPEN = threading.local()  # the video that this thread read last


def read(path: Path, indices: np.ndarray, wanted: Wanted) -> Decoded:
    """uint8 (n, height, width, 3) for each geometry."""
    from trailers.backbones.transform import resize_and_crop

    video = open_video(path)
    if indices[-1] >= len(video):
        raise StoreError(f"{path}: has {len(video)} frames, the clips want frame {indices[-1]}. Run clips again.")
    found: dict[Geometry, list[np.ndarray]] = {key: [np.zeros((0, *key[1], 3), np.uint8)] for key in wanted}
    step = max(1, DECODED_BYTES // (video.height * video.width * 3))
    for start in range(0, len(indices), step):
        some = indices[start : start + step]
        frames = video.batch(some)
        for key, (transform, all_indices) in wanted.items():
            low, high = np.searchsorted(all_indices, (some[0], some[-1] + 1))
            if low < high:
                rows = np.searchsorted(some, all_indices[low:high])
                found[key].append(resize_and_crop(frames if len(rows) == len(frames) else frames[rows], transform))
    return {key: np.concatenate(parts) for key, parts in found.items()}


def open_video(path: Path) -> VideoFrames:
    if getattr(OPEN, "path", None) != path:
        close_video()
        OPEN.video, OPEN.path = VideoFrames(path), path
    video: VideoFrames = OPEN.video
    return video


def close_video() -> None:
    if getattr(OPEN, "path", None) is not None:
        OPEN.video.close()
        OPEN.video = OPEN.path = None
