"""Computes both heads' probabilities of videos, in batches across videos, while the next windows are read."""

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

# Measured: on a CPU, the intermediate results of one window fit into the cache, those of two do not; a GPU needs enough
# work for all its units.
BATCH_WINDOWS = {"cpu": 1, "cuda": 16}
REFINED_WINDOWS = 2  # per batch in float32 on a GPU: a trailer has few uncertain windows, and each fills many units
MOST_WORKERS = 16  # threads on a CPU; each needs up to 0.15 GB
AHEAD = 3  # batches that are read before they are needed
READ_WINDOWS = 9  # windows per read: frames are stored in blocks of 240, and few blocks are then read twice

Sliceable = TypeVar("Sliceable", np.ndarray, "list[int]", range)
Forward = Callable[[torch.Tensor], torch.Tensor]  # windows uint8 (N, 100, 27, 48, 3) -> logits (N, 50, 2)
Pending = Callable[[], np.ndarray]  # waits for probabilities float32 (N, 50, 2) and gives them


@dataclass(frozen=True)
class Video:
    """One video, as the detector needs it.

    Args:
        frames: number of frames.
        read: gives the frames [start, end), uint8 (end - start, 27, 48, 3), RGB. It is called by another thread.
    """

    frames: int
    read: Read


class Detector:
    """TransNet V2 on one device.

    Args:
        precision: float32, or auto for reduced precision if the device has it.
        device: auto, cpu, cuda, cuda:1 and so on.
        batch_windows: windows per batch; None for the fastest measured value.

    Raises:
        ConfigError: the device or precision does not exist.
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
        """Threads that compute one batch each, in a single thread of torch (CPU)."""
        return single_threads(self.lanes - 1)

    def launch(self, network: Forward, windows: np.ndarray) -> Pending:
        """Start to compute ``windows`` (N, 100, 27, 48, 3)."""
        if self.copies is not None:
            return self.launch_on_gpu(network, windows, self.copies)
        # Cores that share one window wait for each other after each of about 70 steps, which takes several times as
        # long if anything else runs on the machine.
        return self.workers.submit(self.run_on_cpu, network, windows).result

    def run_on_cpu(self, network: Forward, windows: np.ndarray) -> np.ndarray:
        with exact_float32():
            return np.asarray(network(torch.from_numpy(windows)).sigmoid().numpy())

    def launch_on_gpu(self, network: Forward, windows: np.ndarray, copies: Copies) -> Pending:
        """Start on the GPU without waiting for it; if its memory is full, halve the batch from now on."""
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
        # Always the same shape and so the same kernels, so that scores do not depend on other windows of the batch.
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
        """Halve the batch. Raises SystemicError if it is one window."""
        if self.batch_windows == 1:
            raise SystemicError(
                f"shots: a single window does not fit into the memory of {self.device}. Use another shots.device."
            )
        self.batch_windows //= 2
        if self.copies is not None:
            self.copies.forget()
        torch.cuda.empty_cache()
        log.warning("shots: out of memory on %s, continuing with %d windows per batch", self.device, self.batch_windows)

    @property
    def lanes(self) -> int:
        """Number of batches in work: one for the GPU or for each worker, and one more, so that none waits for work."""
        return 2 if self.device.type == "cuda" else min(torch.get_num_threads(), MOST_WORKERS) + 1

    def stream(self, videos: Iterable[Callable[[], Video]]) -> Iterator[Scores | Exception]:
        """The scores of every video in order; the exception in place of scores that cannot be computed.

        Args:
            videos: functions that open each video; called by another thread, ahead of time.
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
        """The scores, with every window that is uncertain for ``threshold`` computed again in float32.

        ``scores`` itself if no window is uncertain.
        """
        uncertain = uncertain_windows(scores.head(head), scores.exact, threshold=threshold, precision=scores.precision)
        if len(uncertain) == 0:
            return scores
        single, many, exact = scores.single.copy(), scores.many.copy(), scores.exact.copy()
        for some in portions(uncertain.tolist(), self.batch_windows * self.lanes):
            # One read per window, because windows may be hours apart.
            windows = np.concatenate([read_windows(video.read, video.frames, [window]) for window in some])
            pending = [self.launch(self.exact, part) for part in portions(windows, self.batch_windows)]
            for window, row in zip(some, np.concatenate([probabilities() for probabilities in pending]), strict=True):
                start, end = kept_rows(window, video.frames)
                single[start:end], many[start:end] = row[: end - start].T
                exact[window] = True
        return replace(scores, single=single, many=many, exact=exact)


class Filling:
    """The scores of one video while they are computed."""

    def __init__(self) -> None:
        self.rows = np.empty((0, 2), np.float32)
        self.missing: int | None = None  # number of windows; None before the video is open
        self.problem: Exception | None = None

    def begin(self, frames: int) -> None:
        self.rows = np.empty((frames, 2), np.float32)
        self.missing = window_count(frames)

    def put(self, window: int, rows: np.ndarray) -> None:
        """Store the kept ``rows`` (50, 2) of one window."""
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
    """Windows for the network, and the places for their results."""

    owners: list[tuple[Filling, int]]  # (scores of the video, number of the window)
    windows: np.ndarray  # uint8 (len(owners), 100, 27, 48, 3)

    def fill(self, probabilities: np.ndarray) -> None:
        for (filling, window), rows in zip(self.owners, probabilities, strict=True):
            filling.put(window, rows)


def pack(videos: Iterable[Callable[[], Video]], size: int) -> Iterator[Filling | Batch]:
    """A ``Filling`` for each video when its windows begin, and batches of ``size`` windows across videos."""
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
        except Exception as problem:  # noqa: BLE001  one video never stops the others; ``result`` returns it
            filling.problem = problem
    if owners:
        yield Batch(owners, np.stack(windows))


def portions(items: Sliceable, size: int) -> Iterator[Sliceable]:
    return (items[start : start + size] for start in range(0, len(items), size))


def choose_precision(wanted: str, device: torch.device) -> str:
    """float32, or for auto the faster precision of ``device``: float16 on GPUs, bfloat16 on CPUs that have it."""
    check_precision(wanted, setting="shots.precision")
    found = reduced_precisions(device.type) if wanted == "auto" else ()
    return "float16" if "float16" in found else next(iter(found), "float32")
