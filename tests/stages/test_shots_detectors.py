"""The shots stage with other detectors than TransNet V2: PySceneDetect's, and the user's own functions."""

from __future__ import annotations

import argparse

import numpy as np
import pytest

from trailers.domain import Shot
from trailers.errors import ConfigError
from trailers.stages import detectors, shots
from trailers.store.frames import write_frames
from trailers.store.layout import Layout
from trailers.store.ledger import read_ledger
from trailers.store.scores import read_scores
from trailers.store.spans import SHOTS_SCHEMA, read_spans

HARD_CUTS = """
import numpy as np

def hard_cuts(frames):
    change = np.abs(np.diff(frames.astype(float), axis=0)).mean((1, 2, 3)) / 255
    return np.append(np.minimum(4 * change, 1), 0)
"""


class Results:
    def __init__(self, folder):
        self.folder = folder
        self.layout = Layout(folder / "results")
        self.ledger = self.layout.ledger("shots", "shard")
        (folder / "shard.txt").write_text("tt1\n")

    def frames(self, *levels):
        """One frame of each level of grey."""
        pictures = np.stack([np.full((27, 48, 3), level, np.uint8) for level in levels])
        with write_frames(self.layout.frames("tt1")) as writer:
            writer.append(pictures)
            writer.describe({"trailer": "tt1", "fingerprint": "0123456789abcdef"})
        return pictures

    def own(self, text, name="detectors.py"):
        (self.folder / name).write_text(text)
        return f"{self.folder / name}:hard_cuts"

    def run(self, detector, *flags):
        parser = argparse.ArgumentParser()
        shots.add_flags(parser)
        words = ["--shard", str(self.folder / "shard.txt"), "--ledger", str(self.ledger), "--device", "cpu"]
        shots.run(parser.parse_args([*words, "--results", str(self.layout.root), "--detector", detector, *flags]))
        return read_ledger(self.ledger)["tt1"]

    @property
    def shots(self):
        return read_spans(self.layout.shots("tt1"), kind=Shot, schema=SHOTS_SCHEMA)[0]


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path)


def test_a_function_of_the_user_finds_the_shots(results):
    results.frames(*[10] * 30, *[200] * 20)
    row = results.run(results.own(HARD_CUTS))
    assert results.shots == [Shot(0, 30), Shot(30, 50)]
    assert (row.facts["precision"], row.facts["windows_recomputed"]) == ("float32", 0)
    scores, _ = read_scores(results.layout.scores("tt1"))
    assert scores.single[29] == 1
    assert scores.many.tolist() == scores.single.tolist()


def test_two_columns_are_the_two_heads(results):
    results.frames(*[10] * 10)
    name = results.own("import numpy as np\ndef hard_cuts(frames):\n    return np.eye(10)[:, [3, 6]]\n")
    results.run(name)
    assert results.shots == [Shot(0, 4), Shot(4, 10)]
    results.run(name, "--head", "many")
    assert results.shots == [Shot(0, 6), Shot(7, 10)]


def test_an_edit_of_the_users_file_makes_the_shots_again(results):
    results.frames(*[10] * 30, *[40] * 20)
    first = results.run(results.own(HARD_CUTS)).fingerprint
    assert results.shots == [Shot(0, 50)]
    assert results.run(results.own(HARD_CUTS)).fingerprint == first
    second = results.run(results.own(HARD_CUTS.replace("4 *", "8 *"))).fingerprint
    assert results.shots == [Shot(0, 30), Shot(30, 50)]
    assert second != first


def test_the_fingerprints_of_transnet_do_not_change(results):
    results.frames(*[10] * 30)
    stage = shots.Shots(results.layout, (), shots.Settings("transnetv2", 0.5, "single", 1), None)
    assert stage.scores_fingerprint("0123456789abcdef") == "f1663dd398272f99"
    assert stage.fingerprint("tt1") == "3c56f526c5ae067d"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("    return frames[:, 0, 0, 0] / 255", None),
        ("    return frames[:5, 0, 0, 0] / 255", r"gives float64 \(5,\) for 10 frames, not float \(10,\)"),
        ("    return frames[:, 0, 0, 0] * 1.0", "gives 10 values that are not between 0 and 1"),
        ("    return frames[:, 0, 0, 0] * float('nan')", "gives 10 values that are not between 0 and 1"),
        ("    return 'cut'", r"gives <U3 \(\) for 10 frames"),
        ("    return 1 / 0", "line 2: hard_cuts stopped with ZeroDivisionError: division by zero"),
    ],
)
def test_a_function_that_gives_no_probabilities_stops_the_job_and_is_named(results, body, words):
    results.frames(*[10] * 10)
    name = results.own(f"def hard_cuts(frames):\n{body}\n")
    if words is None:
        assert results.run(name).status == "ok"
        return
    with pytest.raises(ConfigError, match=words) as problem:
        results.run(name)
    assert "detectors.py" in str(problem.value)


def test_an_unknown_detector_is_refused(results):
    with pytest.raises(ConfigError, match=r"shots.detector: 'transnet' is not known. Use transnetv2, content or"):
        shots.Settings("transnet", 0.5, "single", 1)
    with pytest.raises(ConfigError, match=r"detector '.*missing.py:cuts'.*is not a file.*shots.detector"):
        detectors.check_available(str(results.folder / "missing.py:cuts"))
    with pytest.raises(ConfigError, match=r"contains no function called 'hard_cuts'"):
        detectors.own_function(results.own("soft_cuts = 1"))


def test_without_pyscenedetect_the_message_names_the_package_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs PySceneDetect.*pip install 'trailers\[detectors\]'"):
        detectors.check_available("content")


def test_cuts_of_the_content_detector_are_those_of_pyscenedetect(results):
    scenedetect = pytest.importorskip("scenedetect", reason="PySceneDetect is not installed")
    from scenedetect.detector import FlashFilter

    numbers = np.random.default_rng(3)
    levels = np.repeat(numbers.integers(0, 256, 12), 20)
    frames = results.frames(*levels)
    results.run("content")
    theirs = scenedetect.ContentDetector(min_scene_len=1, filter_mode=FlashFilter.Mode.SUPPRESS)
    cuts = [
        cut.frame_num
        for number, frame in enumerate(frames)
        for cut in theirs.process_frame(scenedetect.FrameTimecode(number, 24.0), np.ascontiguousarray(frame))
    ]
    assert cuts == [20, 100, 160]  # the other changes of grey are below the threshold of PySceneDetect
    assert [shot.start for shot in results.shots] == [0, 20, 100, 160]


@pytest.mark.parametrize(
    ("lengths", "words"),
    [
        ([100], "a single shot in 100 frames: no transition was found"),
        ([30, 5, 5, 5], "half of its 4 shots are shorter than 6 frames"),
        ([30, 721], "a shot lasts 721 frames, 30 s"),
        ([30, 720, 40], None),
    ],
)
def test_the_ledger_marks_implausible_shots(results, lengths, words):
    results.frames(*[level for number, length in enumerate(lengths) for level in [10 + 100 * (number % 2)] * length])
    assert results.run(results.own(HARD_CUTS)).facts.get("warnings") == words
