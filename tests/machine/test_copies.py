"""Copies to a GPU that computes late, and back: data are not read or overwritten too early."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

import late_cuda
from late_cuda import LateCuda
from trailers.backbones.embedder import Embedder
from trailers.backbones.row import Row, Transform, Weights
from trailers.detector.detector import Detector
from trailers.machine.copies import Copies

TRANSFORM = Transform((8,), (8, 8), (0.4, 0.5, 0.6), (0.2, 0.3, 0.4))
ROW = Row("small", "own", "small", 3, 4, TRANSFORM, Weights("made up", "none.pth"), None, batch_cuda=3)


class Small(torch.nn.Module):
    """A convolution and a mean, with weights that tensors of the late GPU can hold."""

    weight: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", torch.linspace(-1, 1, 4 * 3 * 2 * 3 * 3).view(4, 3, 2, 3, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.conv3d(x, self.weight).mean(dim=(2, 3, 4))


@pytest.fixture
def late() -> Iterator[LateCuda]:
    with late_cuda.late_cuda() as gpu:
        yield gpu


def clips_of(number: int, count: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (count, 5, 8, 8, 3), np.uint8)


SIZES = (3, 3, 3, 3, 2)  # clips of each batch; the last is short


def through_the_gpu(gpu: LateCuda) -> list[np.ndarray]:
    """The vectors of several batches; all are started before the first result is waited for."""
    embedder = Embedder(ROW, Small(), device="cuda", precision="float32")
    gpu.blocking.clear()
    started = []
    for number, count in enumerate(SIZES):
        buffer = embedder.buffer(5)
        buffer.array[:count] = clips_of(number, count)
        started.append(embedder.start(buffer, count))
    assert gpu.blocking == [], "the host waited for a copy"
    return [wait() for wait in started]


def on_the_processor() -> list[np.ndarray]:
    embedder = Embedder(ROW, Small(), precision="float32", batch_clips=3)
    return [embedder(clips_of(number, count)) for number, count in enumerate(SIZES)]


def test_with_a_gpu_that_runs_late_an_embedder_gives_the_vectors_of_a_cpu(late: LateCuda) -> None:
    for one, other in zip(through_the_gpu(late), on_the_processor(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def no_wait_for_the_copy(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(late_cuda.Stream, "wait_event", lambda *_: None)
    patch.setattr(late_cuda.Stream, "wait_stream", lambda *_: None)


def early_read(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(late_cuda.Event, "synchronize", lambda *_: None)


def used_again_too_early(patch: pytest.MonkeyPatch) -> None:
    def buffer(self: Copies, shape: tuple[int, ...]) -> object:
        for ring in self.rings.values():
            for each in ring:
                each.copied = None
        return whole(self, shape)

    whole = Copies.buffer
    patch.setattr(Copies, "buffer", buffer)


@pytest.mark.parametrize("mistake", [no_wait_for_the_copy, early_read, used_again_too_early])
def test_each_wrong_order_of_copies_changes_the_vectors(
    late: LateCuda, monkeypatch: pytest.MonkeyPatch, mistake: Callable[[pytest.MonkeyPatch], None]
) -> None:
    mistake(monkeypatch)
    found, wanted = through_the_gpu(late), on_the_processor()
    assert not all(np.allclose(one, other, rtol=1e-3) for one, other in zip(found, wanted, strict=True))


def test_a_copy_that_makes_the_host_wait_is_detected(late: LateCuda) -> None:
    there = torch.zeros(3, device="cuda")
    assert late.blocking == []
    for wait in (
        lambda: torch.tensor([1.0, 2.0, 3.0], device="cuda"),
        lambda: torch.ones(3).to("cuda", non_blocking=True),  # not from page-locked memory
        there.cpu,
        lambda: float(there[0]),
        lambda: torch.empty(3, pin_memory=True).copy_(there),
    ):
        before = len(late.blocking)
        wait()
        assert len(late.blocking) == before + 1


def late_detector(fast: Callable[[torch.Tensor], torch.Tensor], batch_windows: int) -> Detector:
    detector = Detector(precision="float32", device="cpu", batch_windows=batch_windows)
    detector.device = torch.device("cuda")
    detector.copies = Copies(detector.device)
    detector.__dict__["fast"] = fast
    return detector


def first_pixels(windows: torch.Tensor) -> torch.Tensor:
    """Logits (N, 50, 2) from frames of one pixel."""
    kept = windows.flatten(1)[:, 25:75].float() / 64 - 2
    return torch.stack([kept, -kept], 2)


def windows_of(number: int, count: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (count, 100, 1, 1, 1), np.uint8)


def test_with_a_gpu_that_runs_late_a_detector_gives_the_probabilities_of_a_cpu(late: LateCuda) -> None:
    detector = late_detector(first_pixels, batch_windows=4)
    late.blocking.clear()
    counts = (4, 4, 3, 4)
    started = [detector.launch(first_pixels, windows_of(n, count)) for n, count in enumerate(counts)]
    assert late.blocking == [], "the host waited for a copy"
    for number, (wait, count) in enumerate(zip(started, counts, strict=True)):
        wanted = first_pixels(torch.from_numpy(windows_of(number, count))).sigmoid().numpy()
        np.testing.assert_allclose(wait(), wanted, rtol=1e-5)


def test_windows_computed_in_float32_are_not_padded_to_a_whole_batch(late: LateCuda) -> None:
    """Usually two windows of a trailer are computed again."""
    sizes: list[int] = []

    def exact(windows: torch.Tensor) -> torch.Tensor:
        sizes.append(len(windows))
        return first_pixels(windows)

    detector = late_detector(first_pixels, batch_windows=16)
    detector.launch(exact, windows_of(0, 2))()
    assert sizes == [2]
    detector.launch(exact, windows_of(0, 5))()
    assert sizes == [2, 2, 2, 2]
    del late
