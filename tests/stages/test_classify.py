"""From packs and a manifest to metrics: who takes part, what is written, what a restart gives."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from trailers.__main__ import main
from trailers.domain import GENRES, Trailer
from trailers.stages.classify.learning import prepared_torch
from trailers.stages.classify.study import log_shared
from trailers.store.experiment import read_metrics, read_weights
from trailers.store.manifest import write_manifest
from trailers.store.pack import Part, write_pack

FEATURES = 16
FILES = ["curves.csv", "left_out.csv", "metrics.json", "predictions.csv", "weights.pt"]


def make_trailers(count, *, genres=("action", "drama", "comedy")):
    """Trailer i has genre i mod 3, every fourth also the next; of ten, seven learn, one validates, two test."""
    subsets = [0, 0, 0, 0, 0, 0, 0, 1, 2, 2]
    trailers = []
    for i in range(count):
        own = {genres[i % len(genres)]} | ({genres[(i + 1) % len(genres)]} if i % 4 == 0 else set())
        codes = (subsets[i % 10], subsets[(i + 3) % 10], subsets[(i + 6) % 10])
        trailers.append(Trailer(f"t{i:03d}", (f"t{i}.mp4",), genres=tuple(g for g in GENRES if g in own), splits=codes))
    return trailers


def make_pack(path, trailers, *, backbone="resnet50", clips="shot24", features=FEATURES, lengths=(5, 80), seed=0):
    """Vectors of noise, in which every clip of a trailer leans towards its genres."""
    random = np.random.default_rng(seed)
    directions = random.normal(size=(len(GENRES), features))
    parts = []
    for trailer in trailers:
        length = int(np.random.default_rng(int(trailer.trailer[1:])).integers(*lengths))
        signal = sum(directions[GENRES.index(genre)] for genre in trailer.genres)
        vectors = (random.normal(size=(length, features)) + 2 * signal).astype(np.float32)
        parts.append(Part(trailer.trailer, length, lambda vectors=vectors: vectors))
    attributes = {"backbone": backbone, "clips": clips, "fingerprint": f"mark-{backbone}-{seed}", "weights": "V2"}
    write_pack(path, parts, features=features, attributes=attributes)
    return path


@pytest.fixture
def study(tmp_path):
    trailers = make_trailers(60)
    write_manifest(tmp_path / "manifest.csv", trailers)
    make_pack(tmp_path / "pack.h5", trailers)
    return tmp_path


def words(folder, *more, packs=("pack.h5",), split=0, output="out", epochs=3):
    return [
        "classify", "--manifest", str(folder / "manifest.csv"), "--packs", *(str(folder / name) for name in packs),
        "--experiment", "trial", "--split", str(split), "--output", str(folder / output), "--device", "cpu",
        "--threads", "1", "--epochs", str(epochs), "--learning-rate", "0.003", *more,
    ]  # fmt: skip


def classify(folder, *more, **options):
    assert main(words(folder, *more, **options)) == 0
    return read_metrics(folder / options.get("output", "out") / "metrics.json")


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_an_experiment_leaves_five_files(study):
    metrics = classify(study)
    assert sorted(path.name for path in (study / "out").iterdir()) == FILES
    assert metrics["experiment"] == "trial"
    assert (metrics["split"], metrics["clips"], metrics["backbones"]) == (0, "shot24", ["resnet50"])
    assert metrics["trailers"] == {"train": 42, "validation": 6, "test": 12}
    (pack,) = metrics["packs"]
    assert (pack["backbone"], pack["F"], pack["fingerprint"], pack["weights"]) == (
        "resnet50",
        16,
        "mark-resnet50-0",
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


def test_what_the_stage_sets_in_torch_is_set_back(study):
    before = torch.get_num_threads(), torch.backends.mkldnn.matmul.fp32_precision
    classify(study, epochs=1)
    assert (torch.get_num_threads(), torch.backends.mkldnn.matmul.fp32_precision) == before
    assert not torch.are_deterministic_algorithms_enabled()


def test_another_seed_gives_another_network(study):
    classify(study)
    classify(study, "--seed", "1", output="other")
    assert (study / "out" / "predictions.csv").read_bytes() != (study / "other" / "predictions.csv").read_bytes()


def test_trailers_that_cannot_take_part_are_left_out_counted_and_named(study, caplog):
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
    assert "1 trailers are left out, no_embedding: t902" in caplog.text


def test_a_dozen_trailers_with_rare_genres_do_not_break_it(tmp_path):
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
    # 264,970 a network, and for each feature two in its norm and 128 in the reducing product.
    assert metrics["parameters"] == parameters


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--preset", "mine"], "classify.preset is one of authors, paper, not 'mine'"),
        (["--aggregation", "lstm"], "classify.aggregation is one of transformer, gru, conv, average, ctt, not 'lstm'"),
        (["--fusion", "middle"], "classify.fusion is one of early, late, not 'middle'"),
        (["--epochs", "0"], "classify.epochs is at least 1, not 0"),
        (["--learning-rate", "0"], "classify.learning_rate is above 0, not 0.0"),
        (["--learning-rate", "nan"], "classify.learning_rate is above 0, not nan"),
        (["--optimiser", "sgd"], "classify.optimiser is one of adamw_amsgrad, adamw, adam, not 'sgd'"),
        (["--device", "tpu"], "classify.device: 'tpu' is not a device. Use auto, cpu or cuda."),
    ],
)
def test_a_setting_that_cannot_be_is_refused(study, capsys, more, words):
    assert main(globals()["words"](study, *more)) == 1
    assert words in capsys.readouterr().err
    assert not (study / "out").exists()


def test_packs_that_do_not_belong_together_are_refused(study, capsys):
    trailers = make_trailers(60)
    make_pack(study / "seq.h5", trailers, backbone="swin3d_t", clips="seq24")
    make_pack(study / "long.h5", trailers, backbone="swin3d_t", lengths=(90, 99))
    for name, expected in (
        ("seq.h5", "seq.h5: clips are seq24, but shot24 in"),
        ("long.h5", "long.h5: t000 has 97 clips, but"),
        ("pack.h5", "backbone resnet50 stands twice"),
        ("none.h5", "none.h5: is not there. Run the stage pack first."),
    ):
        assert main(words(study, packs=("pack.h5", name))) == 1
        assert expected in capsys.readouterr().err


def test_a_split_without_validation_trailers_is_refused_before_training(study, capsys):
    write_manifest(study / "manifest.csv", [t for t in make_trailers(60) if t.splits[0] != 1])
    assert main(words(study)) == 1
    assert (
        "split 0 has no validation trailer with genres and embeddings (0 of 54 are left out)" in capsys.readouterr().err
    )


def test_a_finished_training_is_not_done_again(study, caplog):
    classify(study)
    before = (study / "out" / "metrics.json").read_bytes()
    (study / "out" / "metrics.json").unlink()
    with caplog.at_level("INFO"):
        classify(study)
    assert "tested again, not trained again" in caplog.text
    assert "epoch 1/3" not in caplog.text
    assert (study / "out" / "metrics.json").read_bytes() == before


@pytest.mark.parametrize("change", ["seed", "pack", "genres"])
def test_other_settings_or_data_train_anew(study, caplog, change):
    classify(study)
    if change == "pack":
        make_pack(study / "pack.h5", make_trailers(60), seed=1)
    if change == "genres":
        write_manifest(study / "manifest.csv", make_trailers(60, genres=("action", "drama", "horror")))
    with caplog.at_level("INFO"):
        classify(study, *(["--seed", "5"] if change == "seed" else []))
    assert "epoch 3/3" in caplog.text


def test_a_damaged_checkpoint_or_weights_file_is_made_again(study):
    expected = classify(study)
    for name in ("weights.pt", "checkpoint.pt"):
        (study / "out" / name).write_bytes(b"PK\x03\x04 not a zip file")
    assert classify(study) == expected


def test_a_checkpoint_that_does_not_fit_starts_again(study, caplog):
    expected = classify(study)
    (study / "out" / "weights.pt").unlink()
    torch.save({"fingerprint": expected["fingerprint"], "network": {}}, study / "out" / "checkpoint.pt")
    assert classify(study) == expected
    assert "the checkpoint does not fit, so it starts again" in caplog.text


def test_weights_that_would_run_code_are_not_loaded(study, tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "trapped"),)

    expected = classify(study)
    torch.save({"fingerprint": expected["fingerprint"], "state": Trap()}, study / "out" / "weights.pt")
    assert classify(study) == expected
    assert not (tmp_path / "trapped").exists()


KILLED_IN_EPOCH_40 = """
import os, signal, sys
from trailers.__main__ import main
from trailers.classifier import training

def predict_or_die(*arguments, predict=training.predict_snippets, calls=[]):
    calls.append(1)
    if len(calls) == 40:
        os.kill(os.getpid(), signal.SIGKILL)
    return predict(*arguments)

training.predict_snippets = predict_or_die
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_training_that_is_killed_in_epoch_40_goes_on_to_the_same_bytes(study):
    more = ["--checkpoint-s", "0.1", "--stop-epochs", "0"]
    classify(study, *more, epochs=60)
    command = words(study, *more, output="killed", epochs=60)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_IN_EPOCH_40, *command], capture_output=True, text=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert "epoch 39/60" in killed.stderr
    assert sorted(path.name for path in (study / "killed").iterdir()) == ["checkpoint.pt"]
    done = subprocess.run([sys.executable, "-m", "trailers", *command], capture_output=True, text=True, check=True)
    assert "goes on after epoch" in done.stderr
    assert "epoch 1/60" not in done.stderr
    assert "epoch 60/60" in done.stderr
    for name in FILES[:-1]:
        assert (study / "out" / name).read_bytes() == (study / "killed" / name).read_bytes(), name
    assert sorted(path.name for path in (study / "killed").iterdir()) == FILES


def test_metrics_json_is_plain_json_of_its_schema(study):
    classify(study)
    assert json.loads((study / "out" / "metrics.json").read_text())["schema"] == "classify-metrics/1"


def test_a_video_in_two_subsets_of_the_split_is_told(tmp_path, caplog):
    rows = [
        Trailer("a", ("https://youtu.be/vKQi3bBA1y8",), splits=(0, 0, 0)),
        Trailer("b", ("vKQi3bBA1y8",), splits=(0, 2, 1)),
    ]
    for split in (0, 1, 2):
        log_shared(rows, tmp_path, split)
    assert caplog.messages == [
        "classify: a, b: the same video, and of split1 a in train, b in test",
        "classify: a, b: the same video, and of split2 a in train, b in validation",
    ]


@pytest.mark.parametrize("aggregation", ["transformer", "gru"])
def test_the_number_of_threads_changes_no_byte(study, aggregation):
    for threads in ("1", "2", "3"):
        classify(study, "--aggregation", aggregation, "--threads", threads, output=threads)
    for name in FILES[:-1]:
        (content,) = {(study / threads / name).read_bytes() for threads in ("1", "2", "3")}
        assert content, name


def test_without_threads_it_uses_the_cores_that_the_job_was_given(monkeypatch):
    monkeypatch.setattr("trailers.stages.classify.learning.job_cores", lambda: 3)
    with prepared_torch("cpu", None):
        assert torch.get_num_threads() == 3
    with prepared_torch("cpu", 1):
        assert torch.get_num_threads() == 1
