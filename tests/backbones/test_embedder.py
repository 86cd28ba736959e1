"""Precision, batches and memory."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import numpy as np
import pytest

from trailers.backbones.embedder import Embedder
from trailers.backbones.network import make_network
from trailers.backbones.precision import cosines, sample_clips
from trailers.backbones.row import Row, Weights
from trailers.backbones.rows import ROWS
from trailers.errors import SystemicError

# The number of shown frames for each backbone: few if the network accepts any number.
SHOWN = 4


def test_a_precision_that_changes_vectors_too_much_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from trailers.backbones import embedder as room

    class Cancels(torch.nn.Module):
        """A difference of nearly equal numbers, which is lost in bfloat16."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            means = x.mean(dim=(2, 3)) * self.weight
            return ((1000 + means) - 1000)[:, :3]

    row = Row("cancels", "own", "cancels", 2, 3, ROWS["resnet50"].transform, Weights("none", "none.pth"))
    monkeypatch.setattr(room, "reduced_precisions", lambda device: ("bfloat16",))
    assert Embedder(row, Cancels()).precision == "float32"

    class Means(Cancels):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean(dim=(2, 3)) * self.weight

    kept = Embedder(row, Means())
    assert kept.precision == "bfloat16"
    assert 0.9995 <= kept.worst_cosine <= 1


def test_out_of_memory_halves_the_batch_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    import torch

    class Greedy(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if len(x) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return x.mean(dim=(2, 3))

    row = Row("greedy", "own", "greedy", 2, 3, ROWS["resnet50"].transform, Weights("none", "none.pth"))
    embedder = Embedder(row, Greedy(), precision="float32", batch_clips=8)
    clips = sample_clips(row, 7)
    found = embedder(clips)
    assert embedder.batch_clips == 2
    assert "out of memory on cpu, continuing with 4 clips per batch" in caplog.text
    np.testing.assert_array_equal(found, Embedder(row, Greedy(), precision="float32", batch_clips=2)(clips))


def test_the_memory_of_a_batch_that_did_not_fit_is_released_before_the_next_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If the memory were not released, half the batch would not fit either."""
    import torch

    tensors: list[weakref.ref[torch.Tensor]] = []
    alive: list[int] = []

    class Greedy(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            hidden = x * 2
            tensors.append(weakref.ref(hidden))
            if len(x) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return hidden.mean(dim=(2, 3))

    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: alive.append(sum(one() is not None for one in tensors)))
    row = Row("greedy", "own", "greedy", 2, 3, ROWS["resnet50"].transform, Weights("none", "none.pth"))
    embedder = Embedder(row, Greedy(), precision="float32", batch_clips=8)
    start(embedder, sample_clips(row, 7))()
    assert alive == [0, 0]


@pytest.mark.slow
@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("name", ["resnet50", "r2plus1d_18", "swin3d_t"])
def test_on_a_gpu_a_clips_vector_may_depend_on_the_batch_size_but_never_on_its_position(name: str) -> None:
    row = ROWS[name]
    network, clips = make_network(row, None), sample_clips(row, 4, shown_frames=SHOWN)
    four = Embedder(row, network, device="cuda", batch_clips=4)
    wanted = four(clips)
    np.testing.assert_array_equal(four(clips[::-1].copy())[::-1], wanted)
    np.testing.assert_array_equal(four(clips[2:3]), wanted[2:3])
    assert four.computed_on["batch_clips"] == 4  # recorded because vectors depend on it
    two = Embedder(row, network, device="cuda", batch_clips=2)(clips)
    assert cosines(wanted, two).min() >= 0.9995


def test_a_single_clip_that_does_not_fit_into_memory_is_a_problem_of_the_machine() -> None:
    import torch

    class Full(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise torch.OutOfMemoryError("CUDA out of memory")

    row = Row("full", "own", "full", 2, 3, ROWS["resnet50"].transform, Weights("none", "none.pth"))
    with pytest.raises(SystemicError, match="not even one clip fits"):
        Embedder(row, Full(), precision="float32", batch_clips=2)(sample_clips(row))


@pytest.mark.parametrize(
    ("name", "precision"), [("efficientnet_lite0", "auto"), ("resnet50", "auto"), ("shufflenet3d", "auto")]
)
def test_a_clips_vector_is_the_same_to_the_last_bit_with_any_neighbours(name: str, precision: str) -> None:
    row = ROWS[name]
    embedder = Embedder(row, make_network(row, None), precision=precision, batch_clips=4)
    clips = sample_clips(row, 4, shown_frames=SHOWN)
    alone = embedder(clips[:1])[0]
    others = [np.stack([clips[i] for i in order]) for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 0, 1])]
    for batch, place in zip(others, (0, 3, 2), strict=True):
        np.testing.assert_array_equal(embedder(batch)[place], alone)


def test_convolutions_on_a_gpu_are_exact_and_torchs_flags_are_restored() -> None:
    import torch

    def flags() -> tuple[bool, ...]:
        cudnn = torch.backends.cudnn
        return cudnn.enabled, cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark

    seen = []

    class Looks(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(flags())
            return x.mean(dim=(2, 3))

    before = flags()
    row = Row("looks", "own", "looks", 2, 3, ROWS["resnet50"].transform, Weights("none", "none.pth"))
    Embedder(row, Looks(), precision="float32")(sample_clips(row, 1))
    assert seen == [(True, False, True, False)]
    assert flags() == before


@pytest.mark.slow
@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet50", "r2plus1d_18", "swin3d_t"])
def test_a_gpu_gives_the_same_vectors_as_a_cpu(name: str) -> None:
    row = ROWS[name]
    network = make_network(row, None)
    clips = sample_clips(row, 4, shown_frames=SHOWN)
    wanted = Embedder(row, network, precision="float32", batch_clips=4)(clips)
    exact = Embedder(row, network, device="cuda", precision="float32", batch_clips=4)
    np.testing.assert_allclose(exact(clips), wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())
    np.testing.assert_array_equal(exact(clips), exact(clips))

    fast = Embedder(row, network, device="cuda", batch_clips=2)
    pending = [start(fast, clips[:2]), start(fast, clips[2:])]
    found = np.concatenate([wait() for wait in pending])
    np.testing.assert_array_equal(found, fast(clips))
    assert cosines(wanted, found).min() >= 0.999


def start(embedder: Embedder, clips: np.ndarray) -> Callable[[], np.ndarray]:
    """Start a batch of ``clips``, as the stage does."""
    buffer = embedder.buffer(clips.shape[1])
    buffer.array[: len(clips)] = clips
    return embedder.start(buffer, len(clips))


def test_cosine_similarity_is_computed_pair_by_pair() -> None:
    left = np.array([[1, 0], [3, 4], [1, 1]], np.float32)
    right = np.array([[2, 0], [4, 3], [-1, -1]], np.float32)
    np.testing.assert_allclose(cosines(left, right), [1, 0.96, -1])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", "the GPU failed: cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
        ("GET was unable to find an engine to execute this computation", "the GPU failed: GET was unable to find"),
        ("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`", "the GPU failed: CUDA error"),
    ],
)
def test_a_gpu_that_fails_while_a_network_is_loaded_and_tested_is_reported_in_one_sentence(
    words: str, expected: str
) -> None:
    import torch

    class Fails(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError(words)

        def to(self, *_: object, **__: object) -> Fails:  # type: ignore[override]
            raise RuntimeError(words)

    class FailsLater(Fails):
        to = torch.nn.Module.to  # type: ignore[assignment]

    row = Row("fails", "own", "fails", 2, 3, ROWS["resnet50"].transform, Weights("none", "none.pth"))
    for network in (Fails(), FailsLater()):
        with pytest.raises(SystemicError, match=f"^fails: {expected}"):
            Embedder(row, network)


@pytest.mark.parametrize(
    "words", ["CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `x`", "CUDA error: out of memory"]
)
def test_every_librarys_message_for_a_full_memory_halves_the_batch(words: str) -> None:
    import torch

    class Greedy(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if len(x) > 2:
                raise RuntimeError(words)
            return x.mean(dim=(2, 3))

    row = Row("greedy", "own", "greedy", 2, 3, ROWS["resnet50"].transform, Weights("none", "none.pth"))
    embedder = Embedder(row, Greedy(), precision="float32", batch_clips=8)
    assert embedder(sample_clips(row, 7)).shape == (7, 3)
    assert embedder.batch_clips == 2
