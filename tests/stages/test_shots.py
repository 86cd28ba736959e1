"""The shots stage with a stand-in network: what is computed, kept and derived again, and how failures are reported."""

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

CUT, FADE = 200, 120  # values of brightness that the stand-in takes for a cut and for a fade


def logits(windows):
    """CUT marks the frame under both heads, FADE only under the many-hot head."""
    level = windows[:, 25:75, 0, 0, 0].float()
    single = torch.where(level == CUT, 5.0, -5.0) + (level == 70) * 5.05  # 70: just above one half
    return torch.stack([single, torch.where(level >= FADE, 5.0, -5.0)], 2)


def rough_logits(windows):
    return logits(windows) - 0.08


def brightness(count, **levels):
    """Frames of brightness 10; other values in ``levels``, such as f5=CUT for frame 5."""
    frames = np.full((count, 27, 48, 3), 10, np.uint8)
    for frame, level in levels.items():
        frames[int(frame[1:])] = level
    return frames


class Results:
    """A results folder in which the stage is run."""

    def __init__(self, folder, monkeypatch):
        from trailers.detector.detector import Detector

        self.folder = folder
        self.layout = Layout(folder / "results")
        self.ledger = self.layout.ledger("shots", "shard")
        self.computed = []  # (precision, number of windows) of each call of the network
        self.precision = "float32"
        results = self

        def network(name):
            def forward(windows):
                results.computed.append((name, len(windows)))
                return rough_logits(windows) if name == "bfloat16" else logits(windows)

            return forward

        monkeypatch.setattr(Detector, "fast", property(lambda detector: network(detector.precision)))
        monkeypatch.setattr(Detector, "exact", property(lambda detector: network("float32")))
        monkeypatch.setattr("trailers.detector.detector.choose_precision", self.choose)

    def choose(self, name, device):
        return "float32" if name == "float32" else self.precision

    def frames(self, trailer, frames, fingerprint="0123456789abcdef"):
        with write_frames(self.layout.frames(trailer)) as writer:
            writer.append(frames)
            writer.describe({"trailer": trailer, "fingerprint": fingerprint})

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
def results(tmp_path, monkeypatch):
    return Results(tmp_path, monkeypatch)


def test_shots_scores_and_facts_of_a_trailer(results):
    results.frames("tt1", brightness(120, f39=CUT, f80=FADE))
    rows = results.run("tt1")
    assert results.shots("tt1") == [Shot(0, 40), Shot(40, 120)]
    header = read_spans(results.layout.shots("tt1"), kind=Shot, schema=SHOTS_SCHEMA)[1]
    assert header["trailer"] == "tt1"
    assert header["frames"] == "120"
    assert header["frames_fingerprint"] == "0123456789abcdef"
    assert header["fingerprint"] == rows["tt1"].fingerprint
    scores, attributes = read_scores(results.layout.scores("tt1"))
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


def test_a_second_run_computes_nothing_and_writes_the_same_ledger(results):
    results.frames("tt1", brightness(120, f39=CUT))
    results.run("tt1")
    first, made = results.ledger.read_bytes(), results.layout.shots("tt1").stat().st_mtime_ns
    results.run("tt1")
    assert results.computed == []
    assert results.ledger.read_bytes() == first
    assert results.layout.shots("tt1").stat().st_mtime_ns == made


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--threshold", "0.999"], [Shot(0, 120)]),
        (["--threshold", "0.001"], [Shot(0, 120)]),
        (["--head", "many"], [Shot(0, 39), Shot(40, 80), Shot(81, 120)]),
        (["--min-frames", "50"], [Shot(40, 120)]),
    ],
)
def test_other_settings_derive_shots_again_without_inference(results, flags, expected):
    results.frames("tt1", brightness(120, f39=CUT, f80=FADE))
    before = results.run("tt1")["tt1"].fingerprint
    scores = results.layout.scores("tt1").read_bytes()
    after = results.run("tt1", flags=flags)["tt1"].fingerprint
    assert results.computed == []
    assert results.shots("tt1") == expected
    assert after != before
    assert results.layout.scores("tt1").read_bytes() == scores


def test_deriving_shots_again_does_not_even_load_torch(results, tmp_path):
    results.frames("tt1", brightness(120, f39=CUT))
    results.run("tt1")
    words = [
        "--shard",
        str(tmp_path / "shard.txt"),
        "--ledger",
        str(results.ledger),
        "--results",
        str(results.layout.root),
    ]
    code = (
        "import sys, trailers.__main__ as m\n"
        f"assert m.main({['shots', *words, '--threshold', '0.9']!r}) == 0\nprint('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_changed_frames_are_detected_again(results):
    results.frames("tt1", brightness(120, f39=CUT))
    results.run("tt1")
    results.frames("tt1", brightness(120, f50=CUT), fingerprint="f" * 16)
    results.run("tt1")
    assert results.computed == [("float32", 1)] * 3
    assert results.shots("tt1") == [Shot(0, 51), Shot(51, 120)]


def test_reduced_precision_computes_near_windows_again(results):
    """At frame 70, the probability is just above one half in float32 and just below it in reduced precision."""
    results.precision = "bfloat16"
    frames = brightness(160, f39=CUT, f70=70)
    results.frames("tt1", frames)
    facts = results.run("tt1")["tt1"].facts
    assert results.shots("tt1") == [Shot(0, 40), Shot(40, 71), Shot(71, 160)]
    assert sorted(results.computed) == [("bfloat16", 1)] * 4 + [("float32", 1)]
    assert (facts["precision"], facts["windows"], facts["windows_recomputed"]) == ("bfloat16", 4, 1)
    assert read_scores(results.layout.scores("tt1"))[0].exact.tolist() == [False, True, False, False]


def test_a_new_threshold_computes_only_what_it_makes_uncertain(results):
    results.precision = "bfloat16"
    results.frames("tt1", brightness(160, f39=CUT, f70=70))
    results.run("tt1", flags=["--threshold", "0.3"])
    assert [name for name, _ in results.computed] == ["bfloat16"] * 4
    results.run("tt1", flags=["--threshold", "0.2"])
    assert results.computed == []
    results.run("tt1")
    assert results.computed == [("float32", 1)]
    assert results.shots("tt1") == [Shot(0, 40), Shot(40, 71), Shot(71, 160)]
    results.run("tt1", flags=["--threshold", "0.3"])
    results.run("tt1")
    assert results.computed == []


def test_precision_float32_is_used_if_it_is_configured(results):
    results.precision = "bfloat16"
    results.frames("tt1", brightness(120, f39=CUT))
    before = results.run("tt1")["tt1"].fingerprint
    row = results.run("tt1", flags=["--precision", "float32"])["tt1"]
    assert results.computed == [("float32", 1)] * 3
    assert row.facts["precision"] == "float32"
    assert row.fingerprint == before
    results.run("tt1")  # scores in float32 are also used for auto
    assert results.computed == []


@pytest.mark.parametrize("share", [0, 0.5, 0.95])
def test_damaged_scores_are_computed_again(results, share):
    results.frames("tt1", brightness(120, f39=CUT))
    results.run("tt1")
    path = results.layout.scores("tt1")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    results.run("tt1")
    assert results.computed
    assert path.read_bytes() == whole


def test_damaged_shots_are_derived_again(results):
    results.frames("tt1", brightness(120, f39=CUT))
    results.run("tt1")
    path = results.layout.shots("tt1")
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    results.run("tt1")
    assert results.computed == []
    assert path.read_bytes() == whole


def test_one_trailer_without_frames_does_not_stop_the_others(results):
    results.frames("tt1", brightness(60, f20=CUT))
    results.frames("tt3", brightness(130, f70=CUT))
    results.frames("tt4", np.empty((0, 27, 48, 3), np.uint8))
    results.frames("tt5", brightness(600))
    damage(results.layout.frames("tt5"))
    results.frames("tt6", brightness(10))
    rows = results.run("tt1", "tt2", "tt3", "tt4", "tt5", "tt6")
    assert [row.status for row in rows.values()] == ["ok", "failed", "ok", "dead", "failed", "ok"]
    assert "tt2.frames.h5: does not exist. Run the normalise stage first." in rows["tt2"].error
    assert "tt4.frames.h5: contains no frames" in rows["tt4"].error
    assert "tt5.frames.h5: is damaged" in rows["tt5"].error
    assert results.shots("tt1") == [Shot(0, 21), Shot(21, 60)]
    assert results.shots("tt3") == [Shot(0, 71), Shot(71, 130)]
    assert results.shots("tt6") == [Shot(0, 10)]
    assert not results.layout.shots("tt5").exists()
    assert not results.layout.scores("tt5").exists()


def damage(path):
    """Flip a byte in the second block of frames."""
    with h5py.File(path) as file:
        at = file["differences"].id.get_chunk_info(1).byte_offset
    content = bytearray(path.read_bytes())
    content[at + 50] ^= 255
    path.write_bytes(bytes(content))


def test_kept_and_new_results_are_assigned_to_the_right_trailers(results):
    for number in (1, 2, 3, 4):
        results.frames(f"tt{number}", brightness(100, **{f"f{number * 10}": CUT}))
    results.run("tt2", "tt4")
    results.run("tt1", "tt2", "tt3", "tt4", flags=["--threshold", "0.4"])
    assert sum(count for _, count in results.computed) == 4  # two windows each of tt1 and tt3
    for number in (1, 2, 3, 4):
        assert results.shots(f"tt{number}")[0] == Shot(0, number * 10 + 1)


def test_a_trailer_whose_shots_are_all_too_short_is_dead(results):
    results.frames("tt1", brightness(20, f9=CUT))
    row = results.run("tt1", flags=["--min-frames", "12"])["tt1"]
    assert row.status == "dead"
    assert "tt1: none of its 20 frames is in a shot of 12 or more frames. Lower shots.min_frames." in row.error
    assert results.run("tt1", flags=["--min-frames", "10"])["tt1"].status == "ok"
    assert results.computed == []


def test_one_trailer_alone_writes_no_ledger(results):
    import argparse

    results.frames("tt1", brightness(20, f9=CUT))
    parser = argparse.ArgumentParser()
    shots.add_flags(parser)
    words = ["--trailer", "tt1", "--results", str(results.layout.root), "--device", "cpu"]
    shots.run(parser.parse_args(words))
    assert results.shots("tt1") == [Shot(0, 10), Shot(10, 20)]
    assert not results.ledger.exists()
    results.frames("tt1", np.empty((0, 27, 48, 3), np.uint8), fingerprint="e" * 16)
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
