"""The Python API gives the results of the stages, from files and from arrays, and leaves no file behind."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

import trailers
from trailers.api import options
from trailers.domain import Clip, Shot
from trailers.errors import ConfigError, StoreError
from trailers.store.frames import open_frames

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def in_project(monkeypatch):
    """Settings are those of the project's config.yaml, as in the finished study."""
    monkeypatch.chdir(PROJECT)


@pytest.fixture
def results(finished_study, in_project):
    return trailers.open_results(finished_study / "results")


@pytest.mark.slow
def test_a_video_gives_the_results_of_the_stages_and_leaves_no_file(results, finished_study, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with trailers.open_video(finished_study / "videos" / "t1.mp4") as video:
        shots = trailers.detect_shots(video)
        clips = trailers.cut_into_clips(shots, frames=24)
        vectors = trailers.embed(video, clips, backbone="efficientnet_lite0")
        chosen = trailers.choose_frames(video, clips)
        frame = video.frame(30)
        (folder,) = tmp_path.glob("trailers-*")
    assert shots == results.shots("t1")
    assert chosen == results.clips("t1", "shot24")
    assert np.array_equal(vectors, results.vectors("t1", "shot24", "efficientnet_lite0"))
    assert np.array_equal(frame, results.frame("t1", 30))
    assert not folder.exists()


def test_a_24_fps_video_of_the_results_is_used_as_it_is(results):
    video = trailers.open_video(results.video("t0"))
    assert video.path == results.video("t0")
    clips = results.clips("t0")
    vectors = trailers.embed(video, clips, backbone="efficientnet_lite0", keep_frames=True)
    assert np.array_equal(vectors, results.vectors("t0", "shot24", "efficientnet_lite0"))


def test_frames_of_an_array_are_used_unchanged_and_nothing_is_encoded(results, finished_study, monkeypatch):
    def refuse(*words, **more):
        raise AssertionError("a process was started")

    path = finished_study / "results" / "normalise" / "t2.frames.h5"
    with open_frames(path) as file:
        frames = file.read(0, len(file))
    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert trailers.detect_shots(frames) == results.shots("t2")


def test_larger_frames_give_the_same_shots_as_frames_of_48x27(results):
    with trailers.open_video(results.video("t2")).reader() as read:
        frames = read(np.arange(len(trailers.open_video(results.video("t2")))))
    assert trailers.detect_shots(frames) == results.shots("t2")
    clips = results.clips("t2")
    found = trailers.embed(frames, clips, backbone="efficientnet_lite0", keep_frames=True)
    assert np.array_equal(found, results.vectors("t2", "shot24", "efficientnet_lite0"))


def test_a_3d_backbone_gives_the_same_vectors_for_a_file_and_an_array(results):
    video = trailers.open_video(results.video("t0"))
    with video.reader() as read:
        frames = read(np.arange(len(video)))
    clips = trailers.cut_into_clips([Shot(0, 30)], frames=24)
    more = {"backbone": "shufflenet3d", "random_weights": True, "precision": "float32"}
    found = trailers.embed(video, clips, **more)
    assert found.shape == (2, 1024)
    assert np.array_equal(found, trailers.embed(frames, clips, **more))


def test_clips_are_cut_as_in_the_paper():
    assert trailers.cut_into_clips([(0, 30)], frames=24) == [Clip(0, 0, 24, 0), Clip(0, 24, 30, 18)]


def test_the_frame_of_a_clip_is_the_one_nearest_to_its_mean_histogram():
    frames = np.zeros((4, 27, 48, 3), np.uint8)
    frames[0] = 255  # the others are black
    assert trailers.choose_frames(frames, [Clip(0, 0, 4, 0)]) == [Clip(0, 0, 4, 0, 1)]


def test_arguments_of_a_call_take_precedence_over_config_yaml(results, finished_study):
    path = results.video("t0")
    assert len(trailers.detect_shots(path)) > 1
    assert trailers.detect_shots(path, min_frames=1000) == []


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda frames: trailers.detect_shots(frames, treshold=0.3), "Did you mean threshold"),
        (lambda frames: trailers.detect_shots(frames, threshold=2), "not between 0 and 1"),
        (
            lambda frames: trailers.embed(frames, [Clip(0, 0, 2, 0), Clip(0, 2, 3, 0)]),
            "clips must have the same length",
        ),
        (lambda frames: trailers.embed(frames, []), "got no clips"),
        (
            lambda frames: trailers.embed(frames, [Clip(0, 0, 8, 0)]),
            "clip 0 ends at frame 8, but the video has 4 frames",
        ),
        (lambda frames: trailers.embed(frames, [Clip(0, 0, 4, 0)], backbone="resnet5"), "no backbone is called"),
    ],
)
def test_inputs_that_do_not_match_are_refused_in_one_sentence(call, expected, in_project):
    with pytest.raises(ConfigError, match=expected):
        call(np.zeros((4, 27, 48, 3), np.uint8))


def test_a_missing_file_and_an_array_of_another_type_are_refused(tmp_path):
    with pytest.raises(StoreError, match="is not a file"):
        trailers.detect_shots(tmp_path / "none.mp4")
    with pytest.raises(ValueError, match="expected uint8"):
        trailers.detect_shots(np.zeros((4, 27, 48, 3)))


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, trailers; trailers.open_results; trailers.detect_shots; trailers.embed; dir(trailers)\n"
        "print([name for name in ('torch', 'av', 'timm', 'torchvision') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_exists():
    for name in trailers.__all__:
        assert getattr(trailers, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        trailers.nothing  # noqa: B018


def test_a_progress_bar_is_drawn_on_request_and_never_into_a_file(capsys):
    for shown, expected in ((None, ""), (True, "shots")):
        with options.bar("shots", total=2, unit="frame", shown=shown) as bar:
            bar.update(2)
        assert expected in capsys.readouterr().err
        assert not os.isatty(2) or shown
