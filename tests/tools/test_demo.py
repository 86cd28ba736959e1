"""The demo's trailers follow their plans, and are made once."""

from __future__ import annotations

import argparse
import dataclasses
import itertools

import numpy as np
import pytest

from trailers.store.manifest import read_manifest
from trailers.tools import demo
from trailers.tools.demo import plans, rendering

SMALL = plans.Plan("small", ("action", "drama"), 12, 10, 64, 48, 5)


@pytest.fixture(scope="module")
def pictures():
    return list(rendering.render(SMALL))


def jumps(pictures):
    """Mean absolute difference of every frame to the one before it."""
    return [0.0] + [float(np.abs(b.astype(int) - a).mean()) for a, b in itertools.pairwise(pictures)]


def run(folder):
    demo.run(argparse.Namespace(output=folder))


@pytest.fixture
def one_plan(monkeypatch):
    monkeypatch.setattr(demo, "PLANS", (SMALL,))


@pytest.mark.parametrize("plan", plans.PLANS, ids=lambda plan: plan.trailer)
def test_the_shots_of_a_plan_lie_end_to_end_and_have_every_kind_of_transition(plan):
    shots = plans.plan_shots(plan)
    assert [shot.start for shot in shots] == [0] + [shot.end for shot in shots[:-1]]
    assert shots[-1].end == plan.duration_s * plan.fps
    assert {kind for kind, _, _ in plans.transitions(shots)} >= {"cut", "dissolve"}
    assert all(len(plans.LOOKS[shot.look].palettes) == 4 for shot in shots)  # by fours, neighbours differ
    assert all(b.seed - a.seed == 1 for a, b in itertools.pairwise(shots))


def test_a_plan_contains_fades():
    kinds = [kind for plan in plans.PLANS for kind, _, _ in plans.transitions(plans.plan_shots(plan))]
    assert kinds.count("fade") >= 6
    assert kinds.count("dissolve") == 12
    assert kinds.count("cut") >= 50


def test_frames_are_as_many_and_as_large_as_planned(pictures):
    assert len(pictures) == 120
    assert {(picture.shape, picture.dtype) for picture in pictures} == {((48, 64, 3), np.dtype(np.uint8))}


def test_the_picture_jumps_at_hard_cuts_and_nowhere_else(pictures):
    found = jumps(pictures)
    cuts = [frame for kind, frame, _ in plans.transitions(plans.plan_shots(SMALL)) if kind == "cut"]
    assert cuts
    rest = [jump for frame, jump in enumerate(found) if frame not in cuts]
    assert min(found[frame] for frame in cuts) > max(rest)


def test_the_picture_always_moves(pictures):
    assert min(jumps(pictures)[1:]) > 0


def test_a_dissolve_shows_both_shots_in_turn():
    shots = [plans.PlannedShot("action", 0, 40, "cut", 1), plans.PlannedShot("action", 40, 80, "dissolve", 2)]
    assert [rendering.share_of_nearer(frame, shots[1]) for frame in (33, 34, 39, 40, 45, 46)] == [
        256,
        245,
        138,
        138,
        245,
        256,
    ]
    black, white = np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 255, np.uint8)
    assert rendering.mix(white, black, 138, "dissolve").tolist() == [[[137, 137, 137]]]  # 255 * 138 / 256
    assert rendering.mix(black, white, 138, "dissolve").tolist() == [[[117, 117, 117]]]  # 255 * 118 / 256


def test_a_fade_goes_to_black_and_back():
    shot = plans.PlannedShot("action", 40, 80, "fade", 2)
    assert [rendering.share_of_nearer(frame, shot) for frame in (29, 30, 39, 40, 49, 50)] == [
        256,
        243,
        12,
        12,
        243,
        256,
    ]
    white = np.full((1, 1, 3), 255, np.uint8)
    assert rendering.mix(white, white, 12, "fade").tolist() == [[[11, 11, 11]]]


def test_a_pattern_tiles_without_a_seam():
    field = rendering.value_noise(np.random.default_rng(0), 64, 64, (4, 8))
    steps = np.abs(np.diff(field, axis=0, append=field[:1])).max(axis=1)
    assert steps[-1] <= 1.5 * steps[:-1].max()
    assert field.min() == 0
    assert field.max() == 1


def test_a_second_run_makes_nothing_and_another_folder_gets_the_same_bytes(tmp_path, one_plan):
    run(tmp_path / "a")
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "a").glob("*.mp4")}
    assert sorted(before) == ["bigbuckbunny.mp4", "small.mp4"]
    run(tmp_path / "a")
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "a").glob("*.mp4")} == before
    run(tmp_path / "b")
    for name in (*before, "cuts.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_truncated_video_and_one_of_another_plan_are_made_again(tmp_path, one_plan, monkeypatch):
    run(tmp_path)
    video = tmp_path / "small.mp4"
    whole = video.read_bytes()
    video.write_bytes(whole[: len(whole) // 2])
    run(tmp_path)
    assert video.read_bytes() == whole
    monkeypatch.setattr(demo, "PLANS", (dataclasses.replace(SMALL, seed=6),))
    run(tmp_path)
    assert video.read_bytes() != whole


def test_the_cuts_are_listed(tmp_path):
    demo.write_cuts(tmp_path / "cuts.csv", (SMALL,))
    lines = (tmp_path / "cuts.csv").read_text().splitlines()
    assert lines[0] == "trailer,kind,frame,frames,fps"
    assert lines[1] == "small,cut,27,0,10"


def test_the_manifest_names_the_made_videos_and_one_missing_file(project):
    rows = read_manifest(project / "workflow" / "demo.csv")
    named = {url.removeprefix("results/demo/") for row in rows for url in row.urls}
    made = {f"{plan.trailer}.mp4" for plan in plans.PLANS} | {"bigbuckbunny.mp4"}
    assert named - made == {"demo-dead-link.mp4"}
    assert made <= named


def test_every_subset_of_every_split_has_every_genre_among_the_made_videos(project):
    rows = [row for row in read_manifest(project / "workflow" / "demo.csv") if row.trailer != "demo-dead-link"]
    for split in range(3):
        for subset in range(3):
            genres = {genre for row in rows if row.splits[split] == subset for genre in row.genres}
            assert genres == {"action", "comedy", "drama"}, (split, subset)


def test_the_looks_of_a_trailer_are_its_genres(project):
    rows = {row.trailer: row for row in read_manifest(project / "workflow" / "demo.csv")}
    for plan in plans.PLANS:
        assert set(rows[plan.trailer].genres) == set(plan.looks)


def shots_that_are_found(path):
    """The shots that the real detector finds in a video at 24 fps."""
    import av

    from trailers.detector.detector import Detector, Video
    from trailers.detector.shots import find_shots

    with av.open(str(path)) as video:
        frames = np.stack(
            [frame.reformat(48, 27, "rgb24", interpolation="BICUBIC").to_ndarray() for frame in video.decode(video=0)]
        )
    scores = Detector(precision="float32", device="cpu").scores(
        Video(len(frames), lambda start, end: frames[start:end])
    )
    return find_shots(scores.single, threshold=0.5, head="single", min_frames=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["demo-action-1", "demo-drama-1"])
def test_the_real_detector_finds_the_known_transitions(tmp_path, monkeypatch, name):
    plan = next(plan for plan in plans.PLANS if plan.trailer == name)
    assert plan.fps == 24
    monkeypatch.setattr(demo, "PLANS", (plan,))
    run(tmp_path)
    known = plans.transitions(plans.plan_shots(plan))
    starts = [shot.start for shot in shots_that_are_found(tmp_path / f"{name}.mp4")]
    assert len(starts) == len(known) + 1
    for (kind, frame, frames), start in zip(known, starts[1:], strict=True):
        assert abs(start - frame) <= (0 if kind == "cut" else frames // 2), (kind, frame, start)
