"""Videos in, both heads' probabilities out: windows of several videos share a batch, the next are read meanwhile."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch

from trailers.detector.ahead import ahead
from trailers.detector.network import Network, load_weights
from trailers.detector.precision import uncertain_windows
from trailers.detector.windows import Read, kept_rows, read_windows, window_count
from trailers.errors import SystemicError
from trailers.machine.copies import Copies
from trailers.machine.device import check_precision, choose_device, reduced_precisions
from trailers.machine.gpu import exact_float32, gpu_failures, unless_full
from trailers.machine.threads import single_threads
from trailers.store.scores import Scores

log = logging.getLogger(__name__)

# Windows a batch, measured: on a CPU one window's intermediates stay in the cache, those of two do
# not; a GPU wants work enough for all its units.
BATCH_WINDOWS = {"cpu": 1, "cuda": 16}
REFINED_WINDOWS = 2  # a batch in float32 on a GPU: a trailer has few that are uncertain, and each fills many units
MOST_WORKERS = 16  # threads on a CPU; each takes up to 0.15 GB
AHEAD = 3  # batches that are read before they are needed
READ_WINDOWS = 9  # windows a read: frames come in blocks of 240, and 500 frames touch a block once or twice

Sliceable = TypeVar("Sliceable", np.ndarray, "list[int]", range)
Forward = Callable[[torch.Tensor], torch.Tensor]  # windows uint8 (N, 100, 27, 48, 3) -> logits (N, 50, 2)
Pending = Callable[[], np.ndarray]  # gives probabilities float32 (N, 50, 2), when they are there


@dataclass(frozen=True)
class Video:
    """What the detector needs of one video.

    Args:
        frames: how many there are.
        read: gives the frames [start, end), uint8 (end - start, 27, 48, 3), RGB. Called by another thread.
    """

    frames: int
    read: Read


class Detector:
    """TransNet V2 on one device.

    Args:
        precision: auto for reduced precision where the device has it, or float32.
        device: auto, cpu, cuda, cuda:1 and so on.
        batch_windows: windows a batch; None takes what was measured as best.

    Raises:
        ConfigError: there is no such device or precision.
    """

    def __init__(self, *, precision: str = "auto", device: str = "auto", batch_windows: int | None = None) -> None:
        self.device = torch.device(choose_device(device, setting="shots.device"))
        self.precision = choose_precision(precision, self.device)
        self.batch_windows = batch_windows or BATCH_WINDOWS.get(self.device.type, 1)
        self.copies = Copies(self.device) if self.device.type == "cuda" else None

    @functools.cached_property
    def fast(self) -> Network:
        """The network in the chosen precision. Raises WeightsError."""
        return self.exact if self.precision == "float32" else self.network_in(getattr(torch, self.precision))

    @functools.cached_property
    def exact(self) -> Network:
        """The network in float32. Raises WeightsError."""
        return self.network_in(torch.float32)

    def network_in(self, precision: torch.dtype) -> Network:
        with gpu_failures("shots", halving=False):
            return Network(load_weights(), dtype=precision, device=self.device)

    @functools.cached_property
    def workers(self) -> ThreadPoolExecutor:
        """Threads that compute a batch each, with no further threads below them (CPU)."""
        return single_threads(self.lanes - 1)

    def launch(self, network: Forward, windows: np.ndarray) -> Pending:
        """Begin with ``windows`` (N, 100, 27, 48, 3)."""
        if self.copies is not None:
            return self.launch_on_gpu(network, windows, self.copies)
        # Convolutions that share one window between cores wait for each other after each of the
        # ~70 steps, which costs several times the work when anything else runs on the machine.
        return self.workers.submit(self.run_on_cpu, network, windows).result

    def run_on_cpu(self, network: Forward, windows: np.ndarray) -> np.ndarray:
        with exact_float32():
            return np.asarray(network(torch.from_numpy(windows)).sigmoid().numpy())

    def launch_on_gpu(self, network: Forward, windows: np.ndarray, copies: Copies) -> Pending:
        """Begin on the GPU without waiting for it; with half the batch from here on when memory is full."""
        while True:
            parts = unless_full(self.begin_parts, network, windows, copies)
            if parts is not None:
                break
            self.halve()

        def wait() -> np.ndarray:
            with gpu_failures("shots", halving=False):
                return np.concatenate([part() for part in parts])

        return wait

    def begin_parts(self, network: Forward, windows: np.ndarray, copies: Copies) -> list[Pending]:
        # Always the same shape, so the same kernels: scores do not depend on a batch's other windows.
        size = self.batch_windows if network is self.fast else min(self.batch_windows, REFINED_WINDOWS)
        with gpu_failures("shots"):
            return [self.begin_batch(network, part, size, copies) for part in portions(windows, size)]

    def begin_batch(self, network: Forward, windows: np.ndarray, size: int, copies: Copies) -> Pending:
        count = len(windows)
        buffer = copies.buffer((size, *windows.shape[1:]))
        buffer.array[:count] = windows
        buffer.array[count:] = 0
        with torch.inference_mode(), exact_float32():
            return copies.download(network(copies.upload(buffer, size)).sigmoid()[:count])

    def halve(self) -> None:
        """Go on with half the batch. Raises SystemicError when it is one window."""
        if self.batch_windows == 1:
            raise SystemicError(
                f"shots: not even one window fits into the memory of {self.device}. Use another device (shots.device)."
            )
        self.batch_windows //= 2
        if self.copies is not None:
            self.copies.forget()
        torch.cuda.empty_cache()
        log.warning("shots: out of memory on %s, continuing with %d windows per batch", self.device, self.batch_windows)

    @property
    def lanes(self) -> int:
        """Batches under way at a time: one for the GPU or each worker and one waiting, so that none waits for work."""
        return 2 if self.device.type == "cuda" else min(torch.get_num_threads(), MOST_WORKERS) + 1

    def stream(self, videos: Iterable[Callable[[], Video]]) -> Iterator[Scores | Exception]:
        """The scores of every video in order, or why it has none.

        Args:
            videos: opens each, by another thread and ahead of time. What one raises is that video's alone.
        """
        unfinished: deque[Filling] = deque()
        launched: deque[tuple[Batch, Pending]] = deque()

        def finished(*, under_way: int) -> Iterator[Scores | Exception]:
            while len(launched) > under_way:
                batch, probabilities = launched.popleft()
                batch.fill(probabilities())
            while unfinished and unfinished[0].is_finished:
                yield unfinished.popleft().result(self.precision)

        with contextlib.closing(ahead(pack(videos, self.batch_windows), depth=AHEAD)) as parts:
            for part in parts:
                if isinstance(part, Filling):
                    unfinished.append(part)
                else:
                    launched.append((part, self.launch(self.fast, part.windows)))
                yield from finished(under_way=self.lanes - 1)
        yield from finished(under_way=0)

    def scores(self, video: Video) -> Scores:
        """The scores of one video."""
        (found,) = self.stream([lambda: video])
        if isinstance(found, Exception):
            raise found
        return found

    def refine(self, scores: Scores, video: Video, *, head: str, threshold: float) -> Scores:
        """The scores, with every window that ``threshold`` makes uncertain computed again in float32.

        Gives ``scores`` itself when there are none.
        """
        uncertain = uncertain_windows(scores.head(head), scores.exact, threshold=threshold, precision=scores.precision)
        if len(uncertain) == 0:
            return scores
        single, many, exact = scores.single.copy(), scores.many.copy(), scores.exact.copy()
        for some in portions(uncertain.tolist(), self.batch_windows * self.lanes):
            # One read a window: they may lie hours apart.
            windows = np.concatenate([read_windows(video.read, video.frames, [window]) for window in some])
            pending = [self.launch(self.exact, part) for part in portions(windows, self.batch_windows)]
            for window, row in zip(some, np.concatenate([probabilities() for probabilities in pending]), strict=True):
                start, end = kept_rows(window, video.frames)
                single[start:end], many[start:end] = row[: end - start].T
                exact[window] = True
        return replace(scores, single=single, many=many, exact=exact)


class Filling:
    """The scores of one video while they come in."""

    def __init__(self) -> None:
        self.rows = np.empty((0, 2), np.float32)
        self.missing: int | None = None  # windows; None before the video is open
        self.problem: Exception | None = None

    def begin(self, frames: int) -> None:
        self.rows = np.empty((frames, 2), np.float32)
        self.missing = window_count(frames)

    def put(self, window: int, rows: np.ndarray) -> None:
        """Take the kept ``rows`` (50, 2) of one window."""
        assert self.missing is not None
        start, end = kept_rows(window, len(self.rows))
        self.rows[start:end] = rows[: end - start]
        self.missing -= 1

    @property
    def is_finished(self) -> bool:
        return self.problem is not None or self.missing == 0

    def result(self, precision: str) -> Scores | Exception:
        exact = np.full(len(self.rows) and window_count(len(self.rows)), precision == "float32")
        return self.problem or Scores(self.rows[:, 0].copy(), self.rows[:, 1].copy(), exact, precision)


@dataclass(frozen=True)
class Batch:
    """Windows for the network, with where their rows go."""

    owners: list[tuple[Filling, int]]  # a video's scores, number of the window
    windows: np.ndarray  # uint8 (len(owners), 100, 27, 48, 3)

    def fill(self, probabilities: np.ndarray) -> None:
        for (filling, window), rows in zip(self.owners, probabilities, strict=True):
            filling.put(window, rows)


def pack(videos: Iterable[Callable[[], Video]], size: int) -> Iterator[Filling | Batch]:
    """Every video's place for scores, then batches of ``size`` windows of as many videos as it takes."""
    owners: list[tuple[Filling, int]] = []
    windows: list[np.ndarray] = []
    for open_video in videos:
        filling = Filling()
        yield filling
        try:
            video = open_video()
            filling.begin(video.frames)
            for some in portions(range(window_count(video.frames)), READ_WINDOWS):
                for window, frames in zip(some, read_windows(video.read, video.frames, some), strict=True):
                    owners.append((filling, window))
                    windows.append(frames)
                    if len(owners) == size:
                        yield Batch(owners, np.stack(windows))
                        owners, windows = [], []
        except Exception as problem:  # noqa: BLE001  one video never stops the others; given to who asked for it
            filling.problem = problem
    if owners:
        yield Batch(owners, np.stack(windows))


def portions(items: Sliceable, size: int) -> Iterator[Sliceable]:
    return (items[start : start + size] for start in range(0, len(items), size))


def choose_precision(wanted: str, device: torch.device) -> str:
    """float32, or for auto what ``device`` multiplies faster: float16 on a GPU, bfloat16 on CPUs that have it."""
    check_precision(wanted, setting="shots.precision")
    found = reduced_precisions(device.type) if wanted == "auto" else ()
    return "float16" if "float16" in found else next(iter(found), "float32")
