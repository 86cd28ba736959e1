"""Damaged files, full and read-only disks, wrong clocks: the cause is reported, the next run gives the same bytes."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import fault_lab as faults
import workflow_lab as lab
from trailers.__main__ import main
from trailers.domain import Clip, Shot
from trailers.errors import TrailerError
from trailers.stages import normalise
from trailers.store.embeddings import read_embedding
from trailers.store.frames import open_frames
from trailers.store.ledger import read_ledger
from trailers.store.pack import check_sums, open_pack
from trailers.store.receipt import read_receipt
from trailers.store.scores import read_scores
from trailers.store.shards import read_shard
from trailers.store.spans import CLIPS_SCHEMA, SHOTS_SCHEMA, read_spans
from trailers.video import VideoFrames

pytestmark = pytest.mark.slow

SHARD_SIZE = "shard_size=3"


@pytest.fixture
def study(study, monkeypatch) -> Path:
    """A copy of the finished study; the test runs in it."""
    monkeypatch.chdir(study)
    return study


def verify(folder: Path, *words: str) -> lab.Done:
    return subprocess.run(
        [sys.executable, "-m", "trailers", "verify", *words], cwd=folder, env=lab.environment(),
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


# Files can be cut off by a loss of power, on a disk that reports fsync too early.
READERS = {
    "shards/{shard}.txt": read_shard,
    "ledger/download/{shard}.tsv": read_ledger,
    "ledger/embed/shot24/efficientnet_lite0/{shard}.tsv": read_ledger,
    "download/t0.json": read_receipt,
    "normalise/t0.frames.h5": lambda path: read_frames(path),
    "normalise/t0.mp4": lambda path: read_video(path),
    "shots/t0.csv": lambda path: read_spans(path, kind=Shot, schema=SHOTS_SCHEMA),
    "shots/t0.scores.h5": read_scores,
    "clips/shot24/t0.csv": lambda path: read_spans(path, kind=Clip, schema=CLIPS_SCHEMA),
    "embed/shot24/efficientnet_lite0/t0.h5": read_embedding,
    "pack/study/shot24/efficientnet_lite0.h5": lambda path: check_sums(open_pack(path)),
}


def read_frames(path: Path) -> None:
    with open_frames(path) as frames:
        frames.read(0, len(frames))


def read_video(path: Path) -> None:
    with VideoFrames(path) as frames:
        frames.batch(range(len(frames)))


@pytest.mark.parametrize("name", READERS)
def test_a_product_cut_off_anywhere_is_refused_in_one_sentence(finished_study, tmp_path, name):
    whole = finished_study / "results" / name.format(shard=faults.FULL)
    path = tmp_path / whole.name
    data = whole.read_bytes()
    READERS[name](whole)
    chance = random.Random(name)
    lines = [n + 1 for n, byte in enumerate(data[:-1]) if byte == 10][:20] if whole.suffix in (".txt", ".tsv") else []
    last = len(data.removesuffix(b"\n")) - 1  # a text without only its last newline is complete
    for size in {0, 1, len(data) // 2, last, *lines, *(chance.randrange(last) for _ in range(10))}:
        path.write_bytes(data[:size])
        with pytest.raises(TrailerError, match=path.name):
            READERS[name](path)


def test_truncated_files_are_reported_removed_and_made_again(study, finished_study):
    names = [
        f"shards/{faults.FULL}.txt", f"ledger/download/{faults.FULL}.tsv", f"ledger/clips/shot24/{faults.FULL}.tsv",
        "download/t0.json", "download/t1.mp4", "pack/study/shot24/efficientnet_lite0.h5",
        "classify/default/split0/metrics.json",
    ]  # fmt: skip
    for name in names:
        path = study / "results" / name
        os.truncate(path, path.stat().st_size * 2 // 3)
    found = verify(study, "--repair")
    for name in names:
        assert f"results/{name}: " in found.stdout
    lab.snakemake(study, "--config", SHARD_SIZE)
    assert faults.made(study) == faults.made(finished_study)
    assert verify(study).returncode == 0


@pytest.mark.parametrize("stage", faults.STAGE_ORDER)
def test_a_full_disk_stops_the_stage_and_finished_products_stay(study, finished_study, tmp_path, capfd, stage):
    results = study / "results"
    size = sum(path.stat().st_size for path in results.rglob("*") if path.is_file())
    with faults.mounted(tmp_path / "disk", "-t", "tmpfs", "-o", f"size={size + 2**24}", "tmpfs") as disk:
        shutil.copytree(results, disk / "results", copy_function=shutil.copy2)
        shutil.rmtree(results)
        results.symlink_to(disk / "results")
        wanted = faults.made(finished_study, stage)
        needed = sum((finished_study / "results" / path).stat().st_size for path in wanted)
        faults.remove_products(study, stage)
        filler = faults.fill(disk, leaving=needed // 2)
        assert main(faults.words_of(stage)) == 1
        assert "the disk of this folder is full. Free some space" in capfd.readouterr().err
        assert not faults.declared(stage).exists()
        assert not faults.temporary_files(study)
        seen = faults.made(study, stage)
        if stage != "classify":  # its curves and checkpoints change during training
            assert {path: wanted[path] for path in seen} == seen
        filler.unlink()
        # The bytes of a trained classifier depend on the number of threads, which other tests may have changed.
        finished = faults.run(study, stage).returncode if stage == "classify" else main(faults.words_of(stage))
        assert finished == 0
        assert faults.made(study, stage) == wanted


@pytest.mark.parametrize("stage", ["download", "normalise", "clips", "pack", "report"])
def test_read_only_results_stop_the_stage_and_stay_unchanged(study, finished_study, capfd, stage):
    faults.remove_products(study, stage)
    with faults.mounted(study / "results", "--bind", str(study / "results")):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(study / "results")], check=True)
        before = faults.made(study)
        assert main(faults.words_of(stage)) == 1
        assert "error: " in (text := capfd.readouterr().err)
        assert "this folder is on a read-only disk" in text
        assert faults.made(study) == before
    assert main(faults.words_of(stage)) == 0
    assert faults.made(study) == faults.made(finished_study)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_folder_deleted_during_a_job_leaves_no_false_ledger(study, finished_study, monkeypatch, capfd, moment):
    """The folder is deleted before or after the second video is made, and the first video with it."""
    convert, folder = normalise.convert, Path("results/normalise")

    def deleting(source, *more, **options):
        if source.name == "t1.mp4" and moment == "before":
            shutil.rmtree(folder)
        found = convert(source, *more, **options)
        if source.name == "t1.mp4" and moment == "after":
            shutil.rmtree(folder)
        return found

    faults.remove_products(study, "normalise")
    monkeypatch.setattr(normalise, "convert", deleting)
    assert main(faults.words_of("normalise")) == 1
    assert "results/normalise/t0.mp4: was removed while the stage ran" in capfd.readouterr().err
    assert not faults.declared("normalise").exists()
    monkeypatch.setattr(normalise, "convert", convert)
    assert main(faults.words_of("normalise")) == 0
    assert faults.made(study) == faults.made(finished_study)


YEAR_S = 365 * 86400


def test_modification_times_do_not_decide_what_is_made_again(study, caplog):
    caplog.set_level("INFO")
    chance = random.Random(0)
    for path in study.rglob("results/**/*"):
        if path.is_file():
            moment = time.time() + chance.uniform(-10, 10) * YEAR_S
            os.utime(path, (moment, moment))
    assert lab.planned(study, "--config", SHARD_SIZE) == {}
    for stage in ("download", "normalise", "shots", "clips"):
        assert main(faults.words_of(stage)) == 0
        assert f"{stage}: 3 trailers: 3 up to date, 0 to make" in caplog.text


def test_ledgers_with_future_times_are_reported_and_corrected(study, finished_study):
    for stage in ("clips", "report"):  # a finished report would hide that the ledger is missing
        faults.declared(stage).unlink()
    for path in (study / "results" / "ledger").glob("shots/*"):
        os.utime(path, (time.time() + YEAR_S, time.time() + YEAR_S))
    words = ("--config", SHARD_SIZE, "--until", "clips")
    refused = lab.snakemake(study, *words, check=False)
    assert refused.returncode != 0
    assert "clock skew" in refused.stdout + refused.stderr
    faults.check_products(study, finished_study)
    found = verify(study, "--repair")
    assert f"results/ledger/shots/{faults.FULL}.tsv: its time is 8760.0 h in the future" in found.stdout
    lab.snakemake(study, *words)
    wanted = faults.made(finished_study)
    assert faults.made(study) == {path: digest for path, digest in wanted.items() if not path.startswith("report/")}


def test_another_video_with_an_older_time_is_noticed(study):
    before = faults.made(study, "normalise")
    lab.make_video(study / "videos" / "t0.mp4", 7)
    os.utime(study / "videos" / "t0.mp4", (YEAR_S, YEAR_S))
    for stage in ("download", "normalise"):
        assert main(faults.words_of(stage)) == 0
    after = faults.made(study, "normalise")
    changed = {path for path in before if after[path] != before[path]}
    assert {"normalise/t0.mp4", "normalise/t0.frames.h5"} == {path for path in changed if "ledger" not in path}


@pytest.mark.skipif(os.uname().machine != "x86_64" or sys.platform != "linux", reason="numbers of x86-64 Linux calls")
def test_a_file_system_without_locks_is_sufficient(study, finished_study, monkeypatch):
    monkeypatch.delenv("HDF5_USE_FILE_LOCKING", raising=False)
    probe = "import h5py; h5py.File('locked.h5', 'w')"
    locked = subprocess.run(
        [*faults.LOCKLESS, sys.executable, "-c", probe], capture_output=True, text=True, check=False
    )
    assert "unable to lock file" in locked.stderr, "locks work, so this test would not test anything"
    for stage in ("download", "normalise", "clips", "pack"):
        faults.remove_products(study, stage)
        done = faults.run(study, stage, before=faults.LOCKLESS)
        assert done.returncode == 0, done.stderr
    assert faults.made(study) == faults.made(finished_study)
