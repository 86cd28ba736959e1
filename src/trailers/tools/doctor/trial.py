"""Trials that a GPU must pass before a run relies on it; each takes a few seconds on the device itself.

Results are compared with float32 on the CPU. Nothing is fetched: weights and frames are random. With the device
``cpu`` the same code runs against stand-ins, so that it can be tested without a GPU.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trailers.errors import TrailerError
from trailers.tools.doctor.machine_trial import Outcome, flags, leases, workers

if TYPE_CHECKING:
    from trailers.backbones.embedder import Embedder
    from trailers.backbones.row import Row

PROBABILITY_ERROR = 1e-4  # of the detector in float32, between two devices
VECTOR_ERROR = 1e-3  # of a backbone in float32 between two devices, over the largest value of its vectors
SHORT_BACKBONES = ("resnet50", "r2plus1d_18")


def detector(device: str) -> Outcome:
    """The detector's float32 must equal the CPU's, and reduced precision must give the same shots."""
    from trailers.detector.detector import Detector, Video
    from trailers.detector.shots import find_shots

    frames = synthetic_frames()
    video = Video(len(frames), lambda start, end: frames[start:end])
    wanted = Detector(precision="float32", device="cpu").scores(video)
    exact = Detector(precision="float32", device=device).scores(video)
    error = max(float(np.abs(exact.head(head) - wanted.head(head)).max()) for head in ("single", "many"))
    fast = Detector(device=device)
    found = fast.refine(fast.scores(video), video, head="single", threshold=0.5)
    same = find_shots(found.single, threshold=0.5, head="single", min_frames=1) == find_shots(
        wanted.single, threshold=0.5, head="single", min_frames=1
    )
    shots = "the same shots" if same else "different shots"
    words = f"float32 differs from the CPU's by at most {error:.1e}; {fast.precision} gives {shots}"
    figures = {"float32_error": error, "same_shots": same, "precision": fast.precision}
    return Outcome(error <= PROBABILITY_ERROR and same, words, figures)


def synthetic_frames(shots: int = 8, frames: int = 40) -> np.ndarray:
    """Shots of drifting blocks of colour with hard cuts between them: uint8 (shots * frames, 27, 48, 3)."""
    random = np.random.default_rng(0)
    parts = []
    for _ in range(shots):
        picture = np.kron(random.integers(0, 256, (9, 16, 3)), np.ones((3, 3, 1), np.int64))
        parts += [np.roll(picture, number // 4, axis=1) for number in range(frames)]
    noise = random.integers(-4, 5, (len(parts), 27, 48, 3))
    return np.clip(np.stack(parts) + noise, 0, 255).astype(np.uint8)


def backbone(name: str, device: str) -> Outcome:
    """Vectors in float32 must equal the CPU's; records whether bytes depend on a clip's place or on the batch size."""
    from trailers.backbones.embedder import Embedder
    from trailers.backbones.network import make_network
    from trailers.backbones.precision import TOLERANCE, cosines, sample_clips
    from trailers.backbones.rows import find_row

    row = find_row(name, Path("weights"))
    network = make_network(row, None)
    clips = sample_clips(row, 4)
    wanted = Embedder(row, network, precision="float32", batch_clips=2)(clips)
    exact = Embedder(row, network, device=device, precision="float32", batch_clips=4)
    found = exact(clips)
    error = float(np.abs(found - wanted).max() / np.abs(wanted).max())
    fast = Embedder(row, network, device=device, batch_clips=4)
    fast_found = fast(clips)
    worst = float(cosines(wanted, fast_found).min())
    figures = {
        "float32_error": error,
        "precision": fast.precision,
        "worst_cosine": worst,
        "bytes_of_any_run": bool((fast(clips) == fast_found).all()),
        "bytes_of_any_place": bool((fast(clips[::-1].copy())[::-1] == fast_found).all()),
        "bytes_of_any_batch": bool((Embedder(row, network, device=device, batch_clips=2)(clips) == fast_found).all()),
    }
    words = f"float32 differs from the CPU's by {error:.1e} of the largest value; {fast.precision}: cosine {worst:.5f}"
    passed = error <= VECTOR_ERROR and worst >= TOLERANCE - VECTOR_ERROR
    passed = passed and bool(figures["bytes_of_any_run"] and figures["bytes_of_any_place"])
    unequal = [name.removeprefix("bytes_of_any_") for name, same in figures.items() if same is False]
    return Outcome(passed, words + (f"; bytes depend on: {', '.join(unequal)}" if unequal else ""), figures)


def memory(device: str) -> Outcome:
    """A batch that does not fit must be halved, and the vectors must be the same within rounding."""
    from trailers.backbones.precision import cosines, sample_clips

    row, embedder = (limited_network if device == "cpu" else resnet_in_batches)(device)
    requested = embedder.batch_clips
    clips = np.resize(sample_clips(row, 4), (requested, 1, *row.transform.crop, 3))
    wanted = embedder(clips)
    with half_the_memory(embedder, clips):
        found = embedder(clips)
    worst = float(cosines(wanted, found).min())
    words = f"a batch of {requested} clips did not fit and became {embedder.batch_clips}; lowest cosine {worst:.6f}"
    figures = {"requested": requested, "got": embedder.batch_clips, "worst_cosine": worst}
    return Outcome(embedder.batch_clips < requested and worst >= 0.9999, words, figures)


def resnet_in_batches(device: str) -> tuple[Row, Embedder]:
    from trailers.backbones.embedder import Embedder
    from trailers.backbones.network import make_network
    from trailers.backbones.rows import ROWS

    row = ROWS["resnet50"]
    return row, Embedder(row, make_network(row, None), device=device, precision="float32", batch_clips=64)


def limited_network(device: str) -> tuple[Row, Embedder]:
    """A stand-in for a network on a GPU: it runs out of memory if a batch has more than ``limit`` clips."""
    import torch

    from trailers.backbones.embedder import Embedder
    from trailers.backbones.row import Row, Weights
    from trailers.backbones.rows import ROWS

    class LimitedNetwork(torch.nn.Module):
        limit = 8

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if len(x) > self.limit:
                raise torch.OutOfMemoryError("CUDA out of memory: stand-in")
            return x.mean(dim=(2, 3))

    row = Row("stand-in", "own", "stand-in", 2, 3, ROWS["resnet50"].transform, Weights("none", "none.pth"))
    return row, Embedder(row, LimitedNetwork(), device=device, precision="float32", batch_clips=8)


@contextlib.contextmanager
def half_the_memory(embedder: Embedder, clips: np.ndarray) -> Iterator[None]:
    """Inside, ``embedder`` has half the memory that the batch ``clips`` needs."""
    import torch

    if embedder.device == "cpu":
        embedder.network.limit = len(clips) // 2  # type: ignore[assignment]
        yield
        return
    torch.cuda.reset_peak_memory_stats()
    base = torch.cuda.memory_allocated()
    embedder(clips)
    torch.cuda.synchronize()
    allowed = base + (torch.cuda.max_memory_allocated() - base) // 2
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
    torch.cuda.set_per_process_memory_fraction(allowed / total)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()


def trials(device: str, backbones: tuple[str, ...] = SHORT_BACKBONES) -> Iterator[tuple[str, Outcome]]:
    """Name and outcome of each trial; one that raises an error has failed."""
    functions: dict[str, Callable[[str], Outcome]] = {"leases": leases, "flags": flags, "detector": detector}
    for name in backbones:
        functions[name] = lambda device, name=name: backbone(name, device)  # type: ignore[misc]
    functions |= {"memory": memory, "workers": workers}
    for name, function in functions.items():
        try:
            yield name, function(device)
        except TrailerError as problem:
            yield name, Outcome(False, str(problem))
        except Exception as problem:  # noqa: BLE001  the user wants to know everything that is broken
            yield name, Outcome(False, f"{type(problem).__name__}: {problem}")
