"""The classify stage: which trailers are used, which files are written, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from classify_lab import FILES, classify, make_pack, make_study, make_trailers, rows, words
from trailers.__main__ import main
from trailers.domain import GENRES, Trailer
from trailers.stages.classify.study import log_shared
from trailers.store.duplicates import Excluded, write_rows
from trailers.store.experiment import read_weights
from trailers.store.manifest import write_manifest


@pytest.fixture
def study(tmp_path):
    make_study(tmp_path)
    return tmp_path


def test_an_experiment_writes_five_files(study):
    metrics = classify(study)
    assert sorted(path.name for path in (study / "out").iterdir()) == FILES
    assert metrics["experiment"] == "trial"
    assert (metrics["split"], metrics["clips"], metrics["backbones"]) == (0, "shot24", ["resnet50"])
    assert metrics["trailers"] == {"train": 42, "validation": 6, "test": 12}
    (pack,) = metrics["packs"]
    assert (pack["backbone"], pack["F"], pack["fingerprint"], pack["weights"]) == (
        "resnet50",
        16,
        "fingerprint-resnet50-0",
        "V2",
    )
    assert metrics["epochs"] == len(rows(study / "out" / "curves.csv")) == 3
    assert metrics["complete"] is True


def test_the_settings_of_the_preset_are_spelled_out(study):
    assert classify(study)["settings"] == {
        "aggregation": "transformer", "fusion": "late", "seed": 0, "epochs": 3, "batch_trailers": 32,
        "learning_rate": 0.003, "snippet_clips": 30, "optimiser": "adamw_amsgrad", "weight_decay": 0.01,
        "plateau_epochs": 10, "plateau_factor": 0.1, "stop_epochs": 20, "batch_norm": True, "short_snippets": "zeros",
        "validation_loss": "snippets", "no_positives": "sklearn",
    }  # fmt: skip
    paper = classify(study, "--preset", "paper", "--weight-decay", "0.5", output="paper")["settings"]
    assert (paper["optimiser"], paper["plateau_epochs"], paper["stop_epochs"]) == ("adam", 20, 0)
    assert (paper["batch_norm"], paper["short_snippets"], paper["weight_decay"]) == (False, "masked", 0.5)


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("aggregation", ["transformer", "gru", "conv", "average", "ctt"])
def test_a_gpu_learns_and_gives_the_same_bytes_every_time(study, aggregation):
    more = ("--device", "cuda", "--aggregation", aggregation)
    assert classify(study, *more, epochs=30)["metrics"]["step"]["micro"] > 90
    classify(study, *more, epochs=30, output="again")
    for name in ("predictions.csv", "curves.csv"):
        assert (study / "out" / name).read_bytes() == (study / "again" / name).read_bytes()


def test_a_clear_signal_is_learned(study):
    metrics = classify(study, epochs=30)
    assert metrics["metrics"]["step"]["micro"] > 95
    assert metrics["floor"]["step"]["micro"] < 60
    assert metrics["genres"]["action"]["positives"] == 5
    assert metrics["genres"]["horror"] == {"positives": 0, "trapezoid": None, "step": None}
    assert "horror" in metrics["undefined"]["test"]


def test_the_metrics_are_those_of_the_predictions(study):
    from sklearn.metrics import average_precision_score

    metrics = classify(study)
    test = [row for row in rows(study / "out" / "predictions.csv") if row["subset"] == "test"]
    scores = [[float(row[genre]) for genre in GENRES] for row in test]
    labels = [[int(row[f"is_{genre}"]) for genre in GENRES] for row in test]
    expected = 100 * average_precision_score(np.ravel(labels), np.ravel(scores))
    assert metrics["metrics"]["step"]["micro"] == pytest.approx(expected, abs=0.01)


def test_the_same_run_gives_the_same_bytes(study):
    classify(study)
    classify(study, output="again")
    for name in FILES[:-1]:
        assert (study / "out" / name).read_bytes() == (study / "again" / name).read_bytes(), name
    first, second = (read_weights(study / folder / "weights.pt").state for folder in ("out", "again"))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_torchs_settings_are_restored_after_the_stage(study):
    before = torch.get_num_threads(), torch.backends.mkldnn.matmul.fp32_precision
    classify(study, epochs=1)
    assert (torch.get_num_threads(), torch.backends.mkldnn.matmul.fp32_precision) == before
    assert not torch.are_deterministic_algorithms_enabled()


def test_another_seed_gives_another_network(study):
    classify(study)
    classify(study, "--seed", "1", output="other")
    assert (study / "out" / "predictions.csv").read_bytes() != (study / "other" / "predictions.csv").read_bytes()


def test_trailers_that_cannot_be_used_are_left_out_counted_and_named(study, caplog):
    trailers = make_trailers(60)
    trailers += [
        Trailer("t900", ("x.mp4",), splits=(0, 0, 0)),
        Trailer("t901", ("x.mp4",), genres=("action",), splits=(None, 0, 0)),
        Trailer("t902", ("x.mp4",), genres=("action", "drama"), splits=(2, 0, 0)),
    ]
    write_manifest(study / "manifest.csv", trailers)
    with caplog.at_level("WARNING"):
        metrics = classify(study)
    assert rows(study / "out" / "left_out.csv") == [
        {"trailer": "t900", "reason": "no_genres", "backbone": "", "subset": "train", "genres": ""},
        {"trailer": "t901", "reason": "no_split", "backbone": "", "subset": "", "genres": "action"},
        {
            "trailer": "t902",
            "reason": "no_embedding",
            "backbone": "resnet50",
            "subset": "test",
            "genres": "action;drama",
        },
    ]
    left = metrics["left_out"]
    assert (left["no_genres"], left["no_split"], left["no_embedding"]) == (1, 1, 1)
    assert left["no_embedding_by_subset"] == {"train": 0, "validation": 0, "test": 1}
    assert {genre for genre, count in left["no_embedding_by_genre"].items() if count} == {"action", "drama"}
    assert metrics["complete"] is False
    assert "1 trailers are left out (no_embedding): t902" in caplog.text


def test_a_dozen_trailers_with_rare_genres_are_trained_and_tested(tmp_path):
    trailers = make_trailers(10, genres=("action", "drama", "comedy", "horror", "romance", "crime", "fantasy"))
    write_manifest(tmp_path / "manifest.csv", trailers)
    make_pack(tmp_path / "pack.h5", trailers, lengths=(1, 8))
    metrics = classify(tmp_path)
    assert metrics["short_trailers"] == 10
    assert metrics["metrics"]["trapezoid"]["micro"] is not None
    assert "nan" not in (tmp_path / "out" / "metrics.json").read_text().lower()


@pytest.mark.parametrize("aggregation", ["transformer", "gru", "conv", "average", "ctt"])
@pytest.mark.parametrize("preset", ["authors", "paper"])
def test_every_network_trains_and_tests(study, aggregation, preset):
    metrics = classify(study, "--aggregation", aggregation, "--preset", preset, "--batch-trailers", "8", epochs=2)
    assert metrics["settings"]["aggregation"] == aggregation
    assert 0 < metrics["metrics"]["trapezoid"]["macro"] <= 100


@pytest.mark.parametrize(("fusion", "parameters"), [("late", 267_050 + 266_400), ("early", 268_480)])
def test_two_backbones_of_different_lengths_are_fused(study, fusion, parameters):
    make_pack(study / "second.h5", make_trailers(60), backbone="swin3d_t", features=11)
    metrics = classify(study, "--fusion", fusion, packs=("pack.h5", "second.h5"), epochs=1)
    assert metrics["backbones"] == ["resnet50", "swin3d_t"]
    # 264,970 per network, and for each feature two in its norm and 128 in the reducing layer.
    assert metrics["parameters"] == parameters


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--preset", "mine"], "classify.preset must be one of authors, paper, got 'mine'"),
        (
            ["--aggregation", "lstm"],
            "classify.aggregation must be one of transformer, gru, conv, average, ctt, got",
        ),
        (["--fusion", "middle"], "classify.fusion must be one of early, late, got 'middle'"),
        (["--epochs", "0"], "classify.epochs must be at least 1, got 0"),
        (["--learning-rate", "0"], "classify.learning_rate must be above 0, got 0.0"),
        (["--learning-rate", "nan"], "classify.learning_rate must be above 0, got nan"),
        (["--optimiser", "sgd"], "classify.optimiser must be one of adamw_amsgrad, adamw, adam, got 'sgd'"),
        (["--device", "tpu"], "classify.device: 'tpu' is not a device. Use auto, cpu or cuda."),
    ],
)
def test_an_impossible_setting_is_refused(study, capsys, more, words):
    assert main(globals()["words"](study, *more)) == 1
    assert words in capsys.readouterr().err
    assert not (study / "out").exists()


def test_packs_that_do_not_belong_together_are_refused(study, capsys):
    trailers = make_trailers(60)
    make_pack(study / "seq.h5", trailers, backbone="swin3d_t", clips="seq24")
    make_pack(study / "long.h5", trailers, backbone="swin3d_t", lengths=(90, 99))
    for name, expected in (
        ("seq.h5", "seq.h5: its clips are seq24, but those of"),
        ("long.h5", "long.h5: t000 has 97 clips, but"),
        ("pack.h5", "backbone resnet50 is listed twice"),
        ("none.h5", "none.h5: does not exist. Run the pack stage first."),
    ):
        assert main(words(study, packs=("pack.h5", name))) == 1
        assert expected in capsys.readouterr().err


def test_a_split_without_validation_trailers_is_refused_before_training(study, capsys):
    write_manifest(study / "manifest.csv", [t for t in make_trailers(60) if t.splits[0] != 1])
    assert main(words(study)) == 1
    assert (
        "split 0 has no validation trailer with genres and embeddings (0 of 54 are left out)" in capsys.readouterr().err
    )


def test_metrics_json_is_plain_json_of_its_schema(study):
    classify(study)
    assert json.loads((study / "out" / "metrics.json").read_text())["schema"] == "classify-metrics/1"


def test_a_video_in_two_subsets_of_the_split_is_reported(tmp_path, caplog):
    rows = [
        Trailer("a", ("https://youtu.be/vKQi3bBA1y8",), splits=(0, 0, 0)),
        Trailer("b", ("vKQi3bBA1y8",), splits=(0, 2, 1)),
    ]
    for split in (0, 1, 2):
        log_shared(rows, tmp_path, split)
    assert caplog.messages == [
        "classify: a, b have the same video, but split1 has a in train, b in test",
        "classify: a, b have the same video, but split2 has a in train, b in validation",
    ]


def test_a_flagged_trailer_is_excluded_and_its_flags_are_recorded(study, caplog):
    caplog.set_level("INFO")
    before = classify(study)
    assert "flagged" not in before["left_out"]
    rows_out = [Excluded("t000", "black", "black for 3.2 s"), Excluded("t000", "dark", "12 of 255")]
    write_rows(study / "excluded.csv", rows_out, Excluded, {})
    after = classify(study, "--excluded", str(study / "excluded.csv"))
    assert after["trailers"]["train"] == before["trailers"]["train"] - 1
    assert after["left_out"]["flagged"] == 1
    assert after["fingerprint"] != before["fingerprint"]
    (left,) = rows(study / "out" / "left_out.csv")
    assert (left["trailer"], left["reason"], left["subset"]) == ("t000", "flagged: black dark", "train")
    assert "1 trailers are left out (flagged): t000" in caplog.text
