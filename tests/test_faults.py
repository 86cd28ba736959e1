"""Killed and hanging processes: nothing is lost or wrong, and the next run finishes with the same bytes.

TRAILERS_FAULT_ROUNDS (4) is how often a run is killed.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

import fault_lab as faults
import workflow_lab as lab
from trailers.__main__ import main
from trailers.store.embeddings import read_embedding
from trailers.store.ledger import read_ledger
from trailers.video import ffmpeg_path

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("TRAILERS_FAULT_ROUNDS", "4"))
SHARD_SIZE = "shard_size=3"


@pytest.fixture
def study(study, monkeypatch) -> Path:
    """A copy of the finished study; the test runs in it."""
    monkeypatch.chdir(study)
    return study


# Run the stages up to normalise.
WORDS = ("--config", SHARD_SIZE, "--until", "normalise")


def unprocessed_study(finished: Path, folder: Path) -> Path:
    shutil.copytree(finished / "videos", folder / "videos", copy_function=shutil.copy2)
    shutil.copy2(finished / "manifest.csv", folder)
    return folder


def first_products(finished: Path) -> dict[str, str]:
    stages = ("download/", "normalise/", "ledger/download/", "ledger/normalise/", "shards/")
    return {path: digest for path, digest in faults.made(finished).items() if path.startswith(stages)}


@pytest.mark.parametrize("number", range(ROUNDS))
def test_killed_at_any_moment_the_next_run_finishes_with_the_same_bytes(finished_study, tmp_path, number):
    chance = random.Random(number)
    victim = ("everything", "worker", "snakemake")[number % 3]
    folder = unprocessed_study(finished_study, tmp_path / "study")
    run = faults.Run(folder, *WORDS)
    try:
        # Kill it shortly after the first product of a random step, on machines of any speed.
        step = chance.choice(("shards/*.txt", "ledger/download/*.tsv", "normalise/*.mp4", "normalise/*.h5"))
        deadline = time.monotonic() + 60
        while not list(folder.glob(f"results/{step}")) and run.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.4))
        run.kill(victim)
        faults.check_products(folder, finished_study)
        if victim == "worker":
            run.process.wait(60)
        lab.snakemake(folder, "--unlock", *WORDS)
        lab.snakemake(folder, "--rerun-incomplete", *WORDS)
        # Orphaned workers may still write beside the second run; wait for their end.
        deadline = time.monotonic() + 60
        while run.workers() and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        run.end()
    assert faults.made(folder) == first_products(finished_study)


def test_a_second_snakemake_in_the_folder_is_refused(finished_study, tmp_path):
    study = unprocessed_study(finished_study, tmp_path / "study")
    first = faults.Run(study, *WORDS)
    try:
        deadline = time.monotonic() + 60
        while not first.workers() and time.monotonic() < deadline:
            time.sleep(0.01)
        # Stopped, so that the first run does not end before the second has started; then its workers.
        first.process.send_signal(signal.SIGSTOP)
        first.send(signal.SIGSTOP)
        second = lab.snakemake(study, *WORDS, check=False)
        assert second.returncode != 0
        assert "Directory cannot be locked" in second.stdout + second.stderr
        first.send(signal.SIGCONT)
        assert first.process.wait(120) == 0
    finally:
        first.end()
    assert faults.made(study) == first_products(finished_study)


def test_two_workers_on_one_shard_make_the_same_products_as_one(study, finished_study):
    for stage in ("download", "normalise"):
        faults.remove_products(study, stage)
    for stage in ("download", "normalise"):
        two = [subprocess.Popen(faults.command(stage), env=lab.environment(), stderr=subprocess.PIPE) for _ in range(2)]
        errors = [worker.communicate(timeout=120)[1].decode() for worker in two]
        assert [worker.returncode for worker in two] == [0, 0], errors
    assert faults.made(study) == faults.made(finished_study)
    assert not faults.temporary_files(study)


def failing(monkeypatch, problem, times: int):
    """Make the network raise ``problem`` for the first ``times`` batches of the study; returns all batch sizes."""
    from trailers.backbones.embedder import Embedder

    sizes: list[int] = []
    whole = Embedder.start

    def start(self, buffer, count):
        if not sizes:
            original = Embedder.vectors_of

            def vectors_of(self, part):
                sizes.append(self.batch_clips)
                if len(sizes) <= times:
                    raise problem
                return original(self, part)

            monkeypatch.setattr(Embedder, "vectors_of", vectors_of)
        return whole(self, buffer, count)

    monkeypatch.setattr(Embedder, "start", start)
    return sizes


def test_if_a_gpu_runs_out_of_memory_the_batch_is_halved(study, finished_study, monkeypatch, caplog):
    import torch

    faults.remove_products(study, "embed")
    sizes = failing(monkeypatch, torch.OutOfMemoryError("CUDA out of memory"), 2)
    assert main(faults.words_of("embed")) == 0
    assert "embed: efficientnet_lite0: out of memory on " in caplog.text
    assert sizes[:3] == [sizes[0], sizes[0] // 2, sizes[0] // 4]
    for n in range(3):
        path = faults.LAYOUT.embedding(faults.CLIPS, faults.BACKBONE, f"t{n}")
        vectors, clips, _ = read_embedding(path)
        wanted, wanted_clips, _ = read_embedding(finished_study / path)
        cosines = (vectors * wanted).sum(1) / np.linalg.norm(vectors, axis=1) / np.linalg.norm(wanted, axis=1)
        assert cosines.min() > 0.9995
        assert (clips == wanted_clips).all()


def test_a_gpu_that_disappears_fails_the_job_and_the_next_run_finishes(study, finished_study, capsys):
    import torch

    faults.remove_products(study, "embed")
    with pytest.MonkeyPatch.context() as patch:
        failing(patch, torch.AcceleratorError("CUDA error: device is lost"), 1)
        assert main(faults.words_of("embed")) == 1
    message = "the GPU failed: CUDA error: device is lost. Finished products are kept; check nvidia-smi and rerun."
    assert message in capsys.readouterr().err
    assert not faults.declared("embed").exists()
    assert not faults.temporary_files(study)
    assert main(faults.words_of("embed")) == 0
    assert faults.made(study) == faults.made(finished_study)


def test_a_worker_that_hangs_is_killed_and_recorded_and_the_next_run_succeeds(study, finished_study, tmp_path):
    """ffmpeg sleeps when it should decode t1."""
    sleeper, number = tmp_path / "ffmpeg", tmp_path / "pid"
    sleeper.write_text(
        f'#!/bin/sh\ncase "$*" in */download/t1.mp4*) echo $$ >{number}; exec sleep 600;; esac\n'
        f'exec {ffmpeg_path()} "$@"\n'
    )
    sleeper.chmod(0o755)
    faults.remove_products(study, "normalise")
    hung = faults.run(study, "normalise", "--trailer-timeout-s", "5", before=["env", f"IMAGEIO_FFMPEG_EXE={sleeper}"])
    assert hung.returncode == -signal.SIGALRM
    assert faults.has_ended(int(number.read_text()))
    assert not faults.declared("normalise").exists()
    second = faults.run(study, "normalise", "--trailer-timeout-s", "60")
    assert second.returncode == 0
    rows = read_ledger(faults.declared("normalise"))
    assert [row.status for row in rows.values()] == ["ok", "failed", "ok"]
    assert rows["t1"].error == "normalise: showed no sign of life for 5 s. The next run will try it again."
    assert faults.run(study, "normalise", "--trailer-timeout-s", "60").returncode == 0
    assert faults.made(study) == faults.made(finished_study)
