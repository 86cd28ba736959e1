"""Packs with a known signal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trailers.__main__ import main
from trailers.domain import Shot, Trailer
from trailers.stages.clips import cut_into_clips
from trailers.store.layout import Layout
from trailers.store.ledger import read_ledger
from trailers.store.manifest import read_manifest, write_manifest
from trailers.store.pack import check_finite, check_sums, open_pack
from trailers.store.spans import SHOTS_SCHEMA, read_spans
from trailers.store.study import read_study
from trailers.tools.synthetic import draw_shots, packs_of_study

STUDY = Path(__file__).resolve().parents[2] / "workflow" / "study.yaml"


def synthetic(folder, *more):
    return main(["synthetic", "--output", str(folder), "--shortest", "3", "--longest", "9", *more])


def test_packs_and_their_manifest_are_made(tmp_path):
    assert synthetic(tmp_path, "--packs", "shot24/swin3d_t:24", "shot24/timm:vit:16", "--trailers", "40") == 0
    trailers = read_manifest(tmp_path / "manifest.csv")
    pack, other = open_pack(tmp_path / "shot24" / "swin3d_t.h5"), open_pack(tmp_path / "shot24" / "timm-vit.h5")
    assert pack.trailers == other.trailers == tuple(trailer.trailer for trailer in trailers)
    assert (pack.backbone, pack.clips, pack.features) == ("swin3d_t", "shot24", 24)
    assert (other.backbone, other.features) == ("timm:vit", 16)
    assert pack.attributes["weights"] == "synthetic, clip signal of strength 3"
    assert np.diff(pack.offsets).min() >= 3
    assert np.diff(pack.offsets).max() <= 9
    assert (pack.offsets == other.offsets).all()
    check_finite(pack)
    check_sums(pack)
    assert all(trailer.genres for trailer in trailers)
    for n in range(3):
        assert sorted([trailer.splits[n] for trailer in trailers].count(code) for code in (0, 1, 2)) == [4, 8, 28]


def test_shots_give_the_clips_of_the_pack(tmp_path):
    assert synthetic(tmp_path, "--packs", "shot24/x:4", "--trailers", "40") == 0
    pack, layout = open_pack(tmp_path / "shot24" / "x.h5"), Layout(tmp_path)
    ledger = read_ledger(layout.ledger("shots", "synthetic"))
    assert tuple(ledger) == pack.trailers
    for trailer, clips in zip(pack.trailers, np.diff(pack.offsets).tolist(), strict=True):
        shots, _ = read_spans(layout.shots(trailer), kind=Shot, schema=SHOTS_SCHEMA)
        assert len(cut_into_clips(shots, frames=24)) == clips
        assert [shot.start for shot in shots] == [0, *(shot.end for shot in shots[:-1])]
        assert ledger[trailer].facts == {"shots": len(shots), "frames": shots[-1].end}


def test_shots_last_as_long_as_in_the_paper():
    random = np.random.default_rng(0)
    durations = [len(shot) for _ in range(2000) for shot in draw_shots(200, random)]
    # Shot-24 and Shot-32 are named after the mode and the mean (Sec. 7.1).
    assert np.mean(durations) == pytest.approx(32, rel=0.01)
    assert abs(np.bincount(durations).argmax() - 24) <= 1


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    for name, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        synthetic(tmp_path / name, "--packs", "seq32/resnet50:24", "--trailers", "20", "--seed", seed)
    for product in ("seq32/resnet50.h5", "shots/syn0000000.csv"):
        first, second, third = ((tmp_path / name / product).read_bytes() for name in "abc")
        assert first == second != third


def test_a_genre_shifts_the_vectors_in_its_direction(tmp_path):
    trailers = [
        Trailer(f"t{i}", ("x.mp4",), genres=("drama",) if i % 2 else ("action",), splits=(0, 1, 2)) for i in range(200)
    ]
    write_manifest(tmp_path / "m.csv", trailers)
    more = ["--manifest", str(tmp_path / "m.csv"), "--strength", "5", "--share", "1"]
    synthetic(tmp_path / "out", "--packs", "shot24/resnet50:24", *more)
    assert read_manifest(tmp_path / "out" / "manifest.csv") == trailers
    pack = open_pack(tmp_path / "out" / "shot24" / "resnet50.h5")
    means = [np.concatenate([pack.clips_of(i) for i in range(k, 200, 2)]).mean(axis=0) for k in (0, 1)]
    # Two orthogonal directions of length 5 are 5 times the root of two apart.
    assert np.linalg.norm(means[0] - means[1]) == pytest.approx(7.07, abs=0.5)


def test_packs_are_made_for_every_experiment_of_a_study():
    wanted = {(pack.clips, pack.backbone): pack for pack in packs_of_study(read_study(STUDY), 2.0)}
    assert len(wanted) == 16
    best, worst = wanted["shot24", "swin3d_t"], wanted["shot24", "shufflenet3d"]
    assert (best.features, best.strength) == (768, 2.0)
    assert worst.strength == pytest.approx(2 * 3.43 / 15.57)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--packs", "shot24"], "'shot24' is not CLIPS/BACKBONE:F"),
        (["--packs", "shot24/x:0"], "'shot24/x:0' is not CLIPS/BACKBONE:F"),
        (["--packs", "shot/x:4"], "'shot' is not a clip strategy"),
        (["--packs", "shot24/x:4", "--trailers", "2"], "--trailers must be at least 3"),
    ],
)
def test_impossible_settings_are_refused(tmp_path, capsys, more, words):
    assert synthetic(tmp_path, *more) == 1
    assert words in capsys.readouterr().err
