"""A training that is run again, killed, damaged, or given another number of threads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
import torch

from classify_lab import FILES, classify, make_pack, make_study, make_trailers, words
from trailers.stages.classify.learning import prepared_torch
from trailers.store.manifest import write_manifest


@pytest.fixture
def study(tmp_path):
    make_study(tmp_path)
    return tmp_path


def test_a_finished_training_is_not_done_again(study, caplog):
    classify(study)
    before = (study / "out" / "metrics.json").read_bytes()
    (study / "out" / "metrics.json").unlink()
    with caplog.at_level("INFO"):
        classify(study)
    assert "testing it again without training" in caplog.text
    assert "epoch 1/3" not in caplog.text
    assert (study / "out" / "metrics.json").read_bytes() == before


@pytest.mark.parametrize("change", ["seed", "pack", "genres"])
def test_other_settings_or_data_train_again(study, caplog, change):
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
    assert "the checkpoint does not fit this training" in caplog.text


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
def test_a_training_that_is_killed_in_epoch_40_continues_and_gives_the_same_bytes(study):
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
    assert "resuming after epoch" in done.stderr
    assert "epoch 1/60" not in done.stderr
    assert "epoch 60/60" in done.stderr
    for name in FILES[:-1]:
        assert (study / "out" / name).read_bytes() == (study / "killed" / name).read_bytes(), name
    assert sorted(path.name for path in (study / "killed").iterdir()) == FILES


@pytest.mark.parametrize("aggregation", ["transformer", "gru"])
def test_the_number_of_threads_does_not_change_the_bytes(study, aggregation):
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
