"""Reduced precision, the choice of a precision and a device, and a full memory."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from detector_lab import pixels, same, stand_in, video, with_network
from late_cuda import late_cuda
from trailers.detector import detector as module
from trailers.detector.detector import Detector, Video
from trailers.detector.network import load_weights, round_kernels
from trailers.detector.precision import MARGINS, uncertain_windows
from trailers.detector.shots import MANY, SINGLE, find_shots
from trailers.errors import ConfigError, SystemicError
from trailers.machine.copies import Copies
from trailers.store.scores import Scores


def test_a_probability_near_the_threshold_makes_its_window_uncertain():
    # The margin of 0.1 logits around 0.5 is 0.475 to 0.525; around 0.9 it is 0.891 to 0.909.
    probabilities = np.full(160, 0.01, np.float32)
    probabilities[[10, 60, 110, 159]] = 0.47, 0.476, 0.905, 0.524
    none = np.zeros(4, bool)

    def uncertain(threshold, exact=none, precision="bfloat16"):
        return uncertain_windows(probabilities, exact, threshold=threshold, precision=precision).tolist()

    assert uncertain(0.5) == [1, 3]
    assert uncertain(0.9) == [2]
    assert uncertain(0.3) == []
    assert uncertain(0.5, exact=np.array([False, True, False, False])) == [3]
    assert uncertain(0.5, precision="float32") == []


@given(st.integers(0, 2**32 - 1), st.integers(1, 400), st.floats(0.02, 0.98), st.sampled_from([SINGLE, MANY]))
@settings(max_examples=60)
def test_errors_within_the_margin_never_move_a_shot(seed, count, threshold, head):
    """Whatever reduced precision does within the margin, the shots are those of float32."""
    frames = pixels(count, seed)
    noise = torch.Generator().manual_seed(seed)

    def rough(windows):
        return stand_in(windows) + MARGINS["bfloat16"] * 0.99 * (
            2 * torch.rand(len(windows), 50, 2, generator=noise) - 1
        )

    detector = with_network(rough, exact=stand_in, precision="bfloat16")
    scores = detector.refine(detector.scores(video(frames)), video(frames), head=head, threshold=threshold)
    wanted = with_network(stand_in).scores(video(frames))
    options = {"threshold": threshold, "head": head, "min_frames": 1}
    assert find_shots(scores.head(head), **options) == find_shots(wanted.head(head), **options)
    for window in np.flatnonzero(scores.exact):
        rows = slice(window * 50, (window + 1) * 50)
        assert same(scores.many[rows], wanted.many[rows])


def test_only_uncertain_windows_are_read_and_computed_again():
    frames, seen, portions = pixels(500), [], []

    def read(start, end):
        portions.append(end - start)
        return frames[start:end]

    def exact(windows):
        seen.append(len(windows))
        return torch.zeros(len(windows), 50, 2)

    single = np.full(500, 0.01, np.float32)
    single[[120, 130, 460]] = 0.5
    scores = Scores(single, single.copy(), np.zeros(10, bool), "bfloat16")
    refined = with_network(stand_in, exact=exact, precision="bfloat16").refine(
        scores, Video(500, read), head=SINGLE, threshold=0.5
    )
    assert sum(seen) == 2
    assert portions == [100, 75]  # the last window ends with the video
    assert np.flatnonzero(refined.exact).tolist() == [2, 9]
    assert refined.single[100:150].tolist() == [0.5] * 50
    assert refined.single[99] == single[99]
    assert not scores.exact.any()  # what was given stays as it was


def test_rounding_keeps_the_sum_of_each_kernel():
    # Eight bits of mantissa: between 1 and 2 steps of 1/128, between 1/2 and 1 of 1/256. To the
    # nearest, all three would go down and the sum would lose 1/128.
    weight = torch.tensor([1 + 1 / 256 - 1 / 4096, 1 + 1 / 256 - 1 / 4096, 0.5]).view(1, 1, 3, 1)
    rounded = round_kernels(weight, torch.bfloat16).flatten().tolist()
    assert weight.bfloat16().flatten().tolist() == [1.0, 1.0, 0.5]
    assert rounded == [1.0, 1 + 1 / 128, 0.5]


def test_rounding_keeps_sums_for_real_weights():
    weight = load_weights()["SDDCNN.1.DDCNN.0.Conv3D_4.layers.0.weight"].squeeze(2)
    sums = weight.double().sum((2, 3))
    refined = (round_kernels(weight, torch.bfloat16).double().sum((2, 3)) - sums).abs().mean()
    nearest = (weight.bfloat16().double().sum((2, 3)) - sums).abs().mean()
    assert refined < nearest / 10
    assert (round_kernels(weight, torch.bfloat16).float() - weight).abs().max() < weight.abs().max() / 100


def test_auto_precision_depends_on_the_cpu(monkeypatch):
    cpu = torch.device("cpu")
    for able, precision in (({"amx_bf16": True}, "bfloat16"), ({"avx2": True}, "float32")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", functools.partial(dict, able))
        assert module.choose_precision("auto", cpu) == precision
        assert module.choose_precision("float32", cpu) == "float32"
    assert module.choose_precision("auto", torch.device("cuda")) == "float16"


@pytest.mark.parametrize("options", [{"device": "tpu"}, {"device": "cuda:99"}, {"precision": "bfloat17"}])
def test_unknown_devices_and_precisions_are_refused(options):
    with pytest.raises(ConfigError, match=r"shots\.(device|precision): '(tpu|cuda:99|bfloat17)'"):
        Detector(**options)


def on_a_gpu_of(windows):
    """A detector on a GPU that has memory for so many windows a batch; its network gives 0.5 everywhere."""
    detector = Detector(precision="float32", device="cpu", batch_windows=8)
    detector.copies = Copies(torch.device("cuda"))

    def network(batch):
        if len(batch) > windows:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return torch.zeros(len(batch), 50, 2, device="cuda")

    detector.__dict__["fast"] = network
    return lambda count: detector.launch(network, np.zeros((count, 100, 27, 48, 3), np.uint8))(), detector


def test_a_gpu_whose_memory_is_full_goes_on_with_half_the_batch(caplog):
    with late_cuda():
        run, detector = on_a_gpu_of(2)
        assert run(7).shape == (7, 50, 2)
        assert detector.batch_windows == 2
        assert "shots: out of memory on cpu, continuing with 4 windows per batch" in caplog.text
        run, _ = on_a_gpu_of(0)
        with pytest.raises(SystemicError, match="a single window does not fit into the memory of cpu"):
            run(1)
