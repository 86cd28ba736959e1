"""The shots stage with a stand-in network: what is made, kept and derived again, and how failures are reported."""

from __future__ import annotations

import subprocess
import sys

import h5py
import numpy as np
import pytest
import torch

from trailers.domain import Shot
from trailers.errors import ConfigError, VideoError
from trailers.stages import shots
from trailers.store.frames import write_frames
from trailers.store.layout import Layout
from trailers.store.ledger import read_ledger
from trailers.store.scores import read_scores
from trailers.store.spans import SHOTS_SCHEMA, read_spans

CUT, FADE = 200, 120  # what a frame's brightness says to the stand-in


def logits(windows):
    """CUT flags one frame under both heads; FADE the frame under the many-hot head alone."""
    level = windows[:, 25:75, 0, 0, 0].float()
    single = torch.where(level == CUT, 5.0, -5.0) + (level == 70) * 5.05  # 70: just above one half
    return torch.stack([single, torch.where(level >= FADE, 5.0, -5.0)], 2)


def rough_logits(windows):
    return logits(windows) - 0.08


def brightness(count, **levels):
    """Frames of brightness 10, others where ``levels`` says: f5=CUT."""
    frames = np.full((count, 27, 48, 3), 10, np.uint8)
    for place, level in levels.items():
        frames[int(place[1:])] = level
    return frames


class Place:
    """A results folder and the stage run in it."""

    def __init__(self, folder, monkeypatch):
        from trailers.detector.detector import Detector

        self.folder = folder
        self.layout = Layout(folder / "results")
        self.ledger = self.layout.ledger("shots", "shard")
        self.computed = []  # windows a launch
        self.precision = "float32"
        place = self

        def network(name):
            def forward(windows):
                place.computed.append((name, len(windows)))
                return rough_logits(windows) if name == "bfloat16" else logits(windows)

            return forward

        monkeypatch.setattr(Detector, "fast", property(lambda detector: network(detector.precision)))
        monkeypatch.setattr(Detector, "exact", property(lambda detector: network("float32")))
        monkeypatch.setattr("trailers.detector.detector.choose_precision", self.choose)

    def choose(self, name, device):
        return "float32" if name == "float32" else self.precision

    def frames(self, trailer, frames, mark="0123456789abcdef"):
        with write_frames(self.layout.frames(trailer)) as writer:
            writer.append(frames)
            writer.describe({"trailer": trailer, "fingerprint": mark})

    def run(self, *trailers, flags=()):
        import argparse

        (self.folder / "shard.txt").write_text("\n".join(trailers) + "\n")
        parser = argparse.ArgumentParser()
        shots.add_flags(parser)
        where = ["--shard", str(self.folder / "shard.txt"), "--ledger", str(self.ledger)]
        where += ["--results", str(self.layout.root), "--max-failed-fraction", "1", "--device", "cpu"]
        self.computed.clear()
        shots.run(parser.parse_args([*where, *flags]))
        return read_ledger(self.ledger)

    def shots(self, trailer):
        return read_spans(self.layout.shots(trailer), kind=Shot, schema=SHOTS_SCHEMA)[0]


@pytest.fixture
def place(tmp_path, monkeypatch):
    return Place(tmp_path, monkeypatch)


def test_shots_scores_and_facts_of_a_trailer(place):
    place.frames("tt1", brightness(120, f39=CUT, f80=FADE))
    rows = place.run("tt1")
    assert place.shots("tt1") == [Shot(0, 40), Shot(40, 120)]
    header = read_spans(place.layout.shots("tt1"), kind=Shot, schema=SHOTS_SCHEMA)[1]
    assert header["trailer"] == "tt1"
    assert header["frames"] == "120"
    assert header["frames_fingerprint"] == "0123456789abcdef"
    assert header["fingerprint"] == rows["tt1"].fingerprint
    scores, attributes = read_scores(place.layout.scores("tt1"))
    assert np.flatnonzero(scores.single > 0.5).tolist() == [39]
    assert np.flatnonzero(scores.many > 0.5).tolist() == [39, 80]
    assert attributes["trailer"] == "tt1"
    assert (rows["tt1"].status, rows["tt1"].path) == ("ok", "shots/tt1.csv")
    assert rows["tt1"].facts == {
        "frames": 120,
        "shots": 2,
        "median_shot_frames": 60,
        "precision": "float32",
        "windows": 3,
        "windows_recomputed": 0,
    }


def test_a_second_run_computes_nothing_and_says_the_same(place):
    place.frames("tt1", brightness(120, f39=CUT))
    place.run("tt1")
    first, made = place.ledger.read_bytes(), place.layout.shots("tt1").stat().st_mtime_ns
    place.run("tt1")
    assert place.computed == []
    assert place.ledger.read_bytes() == first
    assert place.layout.shots("tt1").stat().st_mtime_ns == made


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--threshold", "0.999"], [Shot(0, 120)]),
        (["--threshold", "0.001"], [Shot(0, 120)]),
        (["--head", "many"], [Shot(0, 39), Shot(40, 80), Shot(81, 120)]),
        (["--min-frames", "50"], [Shot(40, 120)]),
    ],
)
def test_other_settings_derive_shots_again_without_inference(place, flags, expected):
    place.frames("tt1", brightness(120, f39=CUT, f80=FADE))
    before = place.run("tt1")["tt1"].fingerprint
    scores = place.layout.scores("tt1").read_bytes()
    after = place.run("tt1", flags=flags)["tt1"].fingerprint
    assert place.computed == []
    assert place.shots("tt1") == expected
    assert after != before
    assert place.layout.scores("tt1").read_bytes() == scores


def test_deriving_shots_again_does_not_even_load_torch(place, tmp_path):
    place.frames("tt1", brightness(120, f39=CUT))
    place.run("tt1")
    words = ["--shard", str(tmp_path / "shard.txt"), "--ledger", str(place.ledger), "--results", str(place.layout.root)]
    code = (
        "import sys, trailers.__main__ as m\n"
        f"assert m.main({['shots', *words, '--threshold', '0.9']!r}) == 0\nprint('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_changed_frames_are_detected_again(place):
    place.frames("tt1", brightness(120, f39=CUT))
    place.run("tt1")
    place.frames("tt1", brightness(120, f50=CUT), mark="f" * 16)
    place.run("tt1")
    assert place.computed == [("float32", 1)] * 3
    assert place.shots("tt1") == [Shot(0, 51), Shot(51, 120)]


def test_reduced_precision_computes_near_windows_again(place):
    """At frame 70 float32 says a little more than one half, reduced precision a little less."""
    place.precision = "bfloat16"
    frames = brightness(160, f39=CUT, f70=70)
    place.frames("tt1", frames)
    facts = place.run("tt1")["tt1"].facts
    assert place.shots("tt1") == [Shot(0, 40), Shot(40, 71), Shot(71, 160)]
    assert sorted(place.computed) == [("bfloat16", 1)] * 4 + [("float32", 1)]
    assert (facts["precision"], facts["windows"], facts["windows_recomputed"]) == ("bfloat16", 4, 1)
    assert read_scores(place.layout.scores("tt1"))[0].exact.tolist() == [False, True, False, False]


def test_a_new_threshold_computes_only_what_it_makes_uncertain(place):
    place.precision = "bfloat16"
    place.frames("tt1", brightness(160, f39=CUT, f70=70))
    place.run("tt1", flags=["--threshold", "0.3"])
    assert [name for name, _ in place.computed] == ["bfloat16"] * 4
    place.run("tt1", flags=["--threshold", "0.2"])
    assert place.computed == []
    place.run("tt1")
    assert place.computed == [("float32", 1)]
    assert place.shots("tt1") == [Shot(0, 40), Shot(40, 71), Shot(71, 160)]
    place.run("tt1", flags=["--threshold", "0.3"])
    place.run("tt1")
    assert place.computed == []


def test_precision_float32_is_used_if_it_is_configured(place):
    place.precision = "bfloat16"
    place.frames("tt1", brightness(120, f39=CUT))
    before = place.run("tt1")["tt1"].fingerprint
    row = place.run("tt1", flags=["--precision", "float32"])["tt1"]
    assert place.computed == [("float32", 1)] * 3
    assert row.facts["precision"] == "float32"
    assert row.fingerprint == before
    place.run("tt1")  # and float32 is good enough for auto
    assert place.computed == []


@pytest.mark.parametrize("share", [0, 0.5, 0.95])
def test_damaged_scores_are_computed_again(place, share):
    place.frames("tt1", brightness(120, f39=CUT))
    place.run("tt1")
    path = place.layout.scores("tt1")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    place.run("tt1")
    assert place.computed
    assert path.read_bytes() == whole


def test_damaged_shots_are_derived_again(place):
    place.frames("tt1", brightness(120, f39=CUT))
    place.run("tt1")
    path = place.layout.shots("tt1")
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    place.run("tt1")
    assert place.computed == []
    assert path.read_bytes() == whole


def test_one_trailer_without_frames_does_not_stop_the_others(place):
    place.frames("tt1", brightness(60, f20=CUT))
    place.frames("tt3", brightness(130, f70=CUT))
    place.frames("tt4", np.empty((0, 27, 48, 3), np.uint8))
    place.frames("tt5", brightness(600))
    damage(place.layout.frames("tt5"))
    place.frames("tt6", brightness(10))
    rows = place.run("tt1", "tt2", "tt3", "tt4", "tt5", "tt6")
    assert [row.status for row in rows.values()] == ["ok", "failed", "ok", "dead", "failed", "ok"]
    assert "tt2.frames.h5: does not exist. Run the normalise stage first." in rows["tt2"].error
    assert "tt4.frames.h5: contains no frames" in rows["tt4"].error
    assert "tt5.frames.h5: is damaged" in rows["tt5"].error
    assert place.shots("tt1") == [Shot(0, 21), Shot(21, 60)]
    assert place.shots("tt3") == [Shot(0, 71), Shot(71, 130)]
    assert place.shots("tt6") == [Shot(0, 10)]
    assert not place.layout.shots("tt5").exists()
    assert not place.layout.scores("tt5").exists()


def damage(path):
    """Flip a byte in the second block of frames."""
    with h5py.File(path) as file:
        at = file["differences"].id.get_chunk_info(1).byte_offset
    content = bytearray(path.read_bytes())
    content[at + 50] ^= 255
    path.write_bytes(bytes(content))


def test_kept_and_new_results_are_assigned_to_the_right_trailers(place):
    for number in (1, 2, 3, 4):
        place.frames(f"tt{number}", brightness(100, **{f"f{number * 10}": CUT}))
    place.run("tt2", "tt4")
    place.run("tt1", "tt2", "tt3", "tt4", flags=["--threshold", "0.4"])
    assert sum(count for _, count in place.computed) == 4  # two windows each of tt1 and tt3
    for number in (1, 2, 3, 4):
        assert place.shots(f"tt{number}")[0] == Shot(0, number * 10 + 1)


def test_a_trailer_whose_shots_are_all_too_short_is_dead(place):
    place.frames("tt1", brightness(20, f9=CUT))
    row = place.run("tt1", flags=["--min-frames", "12"])["tt1"]
    assert row.status == "dead"
    assert "tt1: none of its 20 frames is in a shot of at least 12 frames. Lower shots.min_frames." in row.error
    assert place.run("tt1", flags=["--min-frames", "10"])["tt1"].status == "ok"
    assert place.computed == []


def test_one_trailer_alone_writes_no_ledger(place):
    import argparse

    place.frames("tt1", brightness(20, f9=CUT))
    parser = argparse.ArgumentParser()
    shots.add_flags(parser)
    words = ["--trailer", "tt1", "--results", str(place.layout.root), "--device", "cpu"]
    shots.run(parser.parse_args(words))
    assert place.shots("tt1") == [Shot(0, 10), Shot(10, 20)]
    assert not place.ledger.exists()
    place.frames("tt1", np.empty((0, 27, 48, 3), np.uint8), mark="e" * 16)
    with pytest.raises(VideoError, match="contains no frames"):
        shots.run(parser.parse_args(words))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (("transnetv2", 0.0, "single", 1), "shots.threshold: 0.0 is not between 0 and 1"),
        (("transnetv2", 1.0, "single", 1), "shots.threshold: 1.0 is not between 0 and 1"),
        (("transnetv2", float("nan"), "single", 1), "shots.threshold: nan is not between 0 and 1"),
        (("transnetv2", 0.5, "all", 1), "shots.head: 'all' is not known. Use single or many."),
        (("transnetv2", 0.5, "single", 0), "shots.min_frames: 0 is less than 1"),
    ],
)
def test_impossible_settings_are_refused(values, words):
    with pytest.raises(ConfigError, match=words):
        shots.Settings(*values)
