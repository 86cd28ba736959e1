"""Faults on purpose: nothing is lost or wrong, the fault is reported, and the next run finishes with the same bytes.

TRAILERS_FAULT_ROUNDS (4) is how often a run is killed, TRAILERS_FAULT_TRAILERS (100) how many trailers
the study has of which a tenth is broken.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
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
from trailers.video import VideoFrames, ffmpeg_path

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("TRAILERS_FAULT_ROUNDS", "4"))
TRAILERS = int(os.environ.get("TRAILERS_FAULT_TRAILERS", "100"))
SIZE = "shard_size=3"


@pytest.fixture
def study(finished_study, tmp_path, monkeypatch) -> Path:
    """A copy of the finished study to change, which is also where the test stands."""
    folder = faults.copy_study(finished_study, tmp_path / "study")
    monkeypatch.chdir(folder)
    return folder


def verify(folder: Path, *words: str) -> lab.Done:
    return subprocess.run(
        [sys.executable, "-m", "trailers", "verify", *words], cwd=folder, env=lab.environment(),
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


# Snakemake as far as the normalise stage, in a folder where nothing is made yet.
WORDS = ("--config", SIZE, "--until", "normalise")


def begin_anew(finished: Path, folder: Path) -> Path:
    shutil.copytree(finished / "videos", folder / "videos", copy_function=shutil.copy2)
    shutil.copy2(finished / "manifest.csv", folder)
    return folder


def made_anew(finished: Path) -> dict[str, str]:
    stages = ("download/", "normalise/", "ledger/download/", "ledger/normalise/", "shards/")
    return {path: digest for path, digest in faults.made(finished).items() if path.startswith(stages)}


# Killed.


@pytest.mark.parametrize("number", range(ROUNDS))
def test_killed_at_any_moment_the_next_run_finishes_with_the_same_bytes(finished_study, tmp_path, number):
    chance = random.Random(number)
    victim = ("everything", "worker", "snakemake")[number % 3]
    folder = begin_anew(finished_study, tmp_path / "study")
    run = faults.Run(folder, *WORDS)
    try:
        # Moments of the work, wherever it stands on this machine: some step of it, and a little more.
        step = chance.choice(("shards/*.txt", "ledger/download/*.tsv", "normalise/*.mp4", "normalise/*.h5"))
        deadline = time.monotonic() + 60
        while not list(folder.glob(f"results/{step}")) and run.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.4))
        run.kill(victim)
        faults.nothing_wrong(folder, finished_study)
        if victim == "worker":
            run.process.wait(60)
        lab.snakemake(folder, "--unlock", *WORDS)
        lab.snakemake(folder, "--rerun-incomplete", *WORDS)
        # Orphans may have written beside the second run, and the last of them may still.
        deadline = time.monotonic() + 60
        while run.workers() and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        run.end()
    assert faults.made(folder) == made_anew(finished_study)


# Cut off, as by a loss of power on a disk that lies about fsync.

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
    last = len(data.removesuffix(b"\n")) - 1  # without its last newline a text says all that it did
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
    lab.snakemake(study, "--config", SIZE)
    assert faults.made(study) == faults.made(finished_study)
    assert verify(study).returncode == 0


# No room, no right to write.


@pytest.mark.parametrize("stage", faults.LINE)
def test_a_full_disk_stops_the_stage_and_what_is_made_stays(study, finished_study, tmp_path, capfd, stage):
    results = study / "results"
    size = sum(path.stat().st_size for path in results.rglob("*") if path.is_file())
    with faults.mounted(tmp_path / "disk", "-t", "tmpfs", "-o", f"size={size + 2**24}", "tmpfs") as disk:
        shutil.copytree(results, disk / "results", copy_function=shutil.copy2)
        shutil.rmtree(results)
        results.symlink_to(disk / "results")
        wanted = faults.made(finished_study, stage)
        needed = sum((finished_study / "results" / path).stat().st_size for path in wanted)
        faults.forget(study, stage)
        filler = faults.fill(disk, leaving=needed // 2)
        assert main(faults.words_of(stage)) == 1
        assert "the disk of this folder is full. Free some space" in capfd.readouterr().err
        assert not faults.declared(stage).exists()
        assert not faults.left_over(study)
        seen = faults.made(study, stage)
        if stage != "classify":  # whose curves and checkpoints are written while it goes on
            assert {path: wanted[path] for path in seen} == seen
        filler.unlink()
        # The bytes of what was trained depend on the number of threads, which other tests may have changed here.
        finished = faults.run(study, stage).returncode if stage == "classify" else main(faults.words_of(stage))
        assert finished == 0
        assert faults.made(study, stage) == wanted


@pytest.mark.parametrize("stage", ["download", "normalise", "clips", "pack", "report"])
def test_read_only_results_stop_the_stage_and_stay_unchanged(study, finished_study, capfd, stage):
    faults.forget(study, stage)
    with faults.mounted(study / "results", "--bind", str(study / "results")):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(study / "results")], check=True)
        before = faults.made(study)
        assert main(faults.words_of(stage)) == 1
        assert "error: " in (told := capfd.readouterr().err)
        assert "this folder is on a read-only disk" in told
        assert faults.made(study) == before
    assert main(faults.words_of(stage)) == 0
    assert faults.made(study) == faults.made(finished_study)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_folder_deleted_during_a_job_leaves_no_false_ledger(study, finished_study, monkeypatch, capfd, moment):
    """Before or after the second video is made, and with it the first is gone."""
    convert, folder = normalise.convert, Path("results/normalise")

    def deleting(source, *more, **options):
        if source.name == "t1.mp4" and moment == "before":
            shutil.rmtree(folder)
        found = convert(source, *more, **options)
        if source.name == "t1.mp4" and moment == "after":
            shutil.rmtree(folder)
        return found

    faults.forget(study, "normalise")
    monkeypatch.setattr(normalise, "convert", deleting)
    assert main(faults.words_of("normalise")) == 1
    assert "results/normalise/t0.mp4: was removed while the stage ran" in capfd.readouterr().err
    assert not faults.declared("normalise").exists()
    monkeypatch.setattr(normalise, "convert", convert)
    assert main(faults.words_of("normalise")) == 0
    assert faults.made(study) == faults.made(finished_study)


# Two at once.


def test_a_second_snakemake_in_the_folder_is_refused(finished_study, tmp_path):
    study = begin_anew(finished_study, tmp_path / "study")
    first = faults.Run(study, *WORDS)
    try:
        deadline = time.monotonic() + 60
        while not first.workers() and time.monotonic() < deadline:
            time.sleep(0.01)
        first.process.send_signal(signal.SIGSTOP)  # it shall not end before the second has started,
        first.send(signal.SIGSTOP)  # nor shall its workers, of whom there are no new ones now
        second = lab.snakemake(study, *WORDS, check=False)
        assert second.returncode != 0
        assert "Directory cannot be locked" in second.stdout + second.stderr
        first.send(signal.SIGCONT)
        assert first.process.wait(120) == 0
    finally:
        first.end()
    assert faults.made(study) == made_anew(finished_study)


def test_two_workers_on_one_shard_do_no_harm(study, finished_study):
    for stage in ("download", "normalise"):
        faults.forget(study, stage)
    for stage in ("download", "normalise"):
        two = [subprocess.Popen(faults.command(stage), env=lab.environment(), stderr=subprocess.PIPE) for _ in range(2)]
        told = [worker.communicate(timeout=120)[1].decode() for worker in two]
        assert [worker.returncode for worker in two] == [0, 0], told
    assert faults.made(study) == faults.made(finished_study)
    assert not faults.left_over(study)


# A clock that jumps.

YEAR_S = 365 * 86400


def test_modification_times_do_not_decide_what_is_made_again(study, caplog):
    caplog.set_level("INFO")
    chance = random.Random(0)
    for path in study.rglob("results/**/*"):
        if path.is_file():
            moment = time.time() + chance.uniform(-10, 10) * YEAR_S
            os.utime(path, (moment, moment))
    assert lab.planned(study, "--config", SIZE) == {}
    for stage in ("download", "normalise", "shots", "clips"):
        assert main(faults.words_of(stage)) == 0
        assert f"{stage}: 3 trailers: 3 up to date, 0 to make" in caplog.text


def test_ledgers_with_future_times_are_reported_and_corrected(study, finished_study):
    for stage in ("clips", "report"):  # a finished report would hide that the ledger is missing
        faults.declared(stage).unlink()
    for path in (study / "results" / "ledger").glob("shots/*"):
        os.utime(path, (time.time() + YEAR_S, time.time() + YEAR_S))
    words = ("--config", SIZE, "--until", "clips")
    refused = lab.snakemake(study, *words, check=False)
    assert refused.returncode != 0
    assert "clock skew" in refused.stdout + refused.stderr
    faults.nothing_wrong(study, finished_study)
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


# A file system without locks.


@pytest.mark.skipif(os.uname().machine != "x86_64" or sys.platform != "linux", reason="numbers of x86-64 Linux calls")
def test_a_file_system_without_locks_is_good_enough(study, finished_study, monkeypatch):
    monkeypatch.delenv("HDF5_USE_FILE_LOCKING", raising=False)
    probe = "import h5py; h5py.File('locked.h5', 'w')"
    locked = subprocess.run(
        [*faults.LOCKLESS, sys.executable, "-c", probe], capture_output=True, text=True, check=False
    )
    assert "unable to lock file" in locked.stderr, "or this test would prove nothing"
    for stage in ("download", "normalise", "clips", "pack"):
        faults.forget(study, stage)
        done = faults.run(study, stage, before=faults.LOCKLESS)
        assert done.returncode == 0, done.stderr
    assert faults.made(study) == faults.made(finished_study)


# A GPU that fails, a worker that hangs.


def failing(monkeypatch, problem, times: int):
    """Have the network raise ``problem`` at its first ``times`` batches of the study; gives the sizes of all."""
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


def test_a_gpu_that_runs_out_of_memory_goes_on_with_half_the_batch(study, finished_study, monkeypatch, caplog):
    import torch

    faults.forget(study, "embed")
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


def test_a_gpu_that_disappears_fails_the_job_and_the_next_finishes(study, finished_study, capsys):
    import torch

    faults.forget(study, "embed")
    with pytest.MonkeyPatch.context() as patch:
        failing(patch, torch.AcceleratorError("CUDA error: device is lost"), 1)
        assert main(faults.words_of("embed")) == 1
    told = "the GPU failed: CUDA error: device is lost. Finished products are kept; check nvidia-smi and rerun."
    assert told in capsys.readouterr().err
    assert not faults.declared("embed").exists()
    assert not faults.left_over(study)
    assert main(faults.words_of("embed")) == 0
    assert faults.made(study) == faults.made(finished_study)


def test_a_worker_that_hangs_is_killed_and_recorded_and_the_next_run_succeeds(study, finished_study, tmp_path):
    """ffmpeg sleeps over t1."""
    sleeper, sleeping = tmp_path / "ffmpeg", tmp_path / "pid"
    sleeper.write_text(
        f'#!/bin/sh\ncase "$*" in */download/t1.mp4*) echo $$ >{sleeping}; exec sleep 600;; esac\n'
        f'exec {ffmpeg_path()} "$@"\n'
    )
    sleeper.chmod(0o755)
    faults.forget(study, "normalise")
    hung = faults.run(study, "normalise", "--trailer-timeout-s", "5", before=["env", f"IMAGEIO_FFMPEG_EXE={sleeper}"])
    assert hung.returncode == -signal.SIGALRM  # a status of its own
    assert not Path(f"/proc/{int(sleeping.read_text())}/exe").exists()
    assert not faults.declared("normalise").exists()
    second = faults.run(study, "normalise", "--trailer-timeout-s", "60")
    assert second.returncode == 0
    rows = read_ledger(faults.declared("normalise"))
    assert [row.status for row in rows.values()] == ["ok", "failed", "ok"]
    assert rows["t1"].error == "normalise: showed no sign of life for 5 s. The next run will try it again."
    assert faults.run(study, "normalise", "--trailer-timeout-s", "60").returncode == 0
    assert faults.made(study) == faults.made(finished_study)


# Many trailers, of which a tenth is broken.


def tiny_video(path: Path, *options: str) -> Path:
    source = ["-f", "lavfi", "-i", "testsrc2=size=64x48:rate=24:duration=0.5"]
    encode = options or ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-preset", "ultrafast")
    subprocess.run([ffmpeg_path(), "-nostdin", "-loglevel", "error", "-y", *source, *encode, str(path)], check=True)
    return path


def break_in_ten_ways(folder: Path, good: Path) -> list[tuple[str, str, str]]:
    """Name in the manifest, stage that finds it, what it says."""
    data = good.read_bytes()
    small = np.random.default_rng(0).bytes(5000)
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("this is not a video\n")
    (folder / "noise.mp4").write_bytes(small)
    (folder / "playlist.mp4").write_text("#EXTM3U\n/etc/passwd\n")
    (folder / "short.mp4").write_bytes(data[: len(data) // 2])
    (folder / "folder.mp4").mkdir()
    tiny_video(folder / "narrow.mp4", "-vf", "scale=8:8", "-c:v", "libx264", "-pix_fmt", "yuv420p")
    tone = ["-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac"]
    subprocess.run(
        [ffmpeg_path(), "-nostdin", "-loglevel", "error", "-y", *tone, str(folder / "sound.m4a")], check=True
    )
    start = data.index(b"mdat") + 4
    (folder / "holes.mp4").write_bytes(data[: start + 50] + bytes(len(data) - start - 50 - 2000) + data[-2000:])
    return [
        ("videos/none.mp4", "download", "not found"),
        ("videos/empty.mp4", "download", "is empty"),
        ("videos/text.mp4", "download", "is text, not a video"),
        ("videos/noise.mp4", "download", "cannot be read as a video"),
        ("videos/playlist.mp4", "download", "is a playlist"),
        ("videos/short.mp4", "download", "cannot be read as a video"),
        ("videos/folder.mp4", "download", "is not a file"),
        ("videos/holes.mp4", "normalise", "could be decoded"),
        ("videos/narrow.mp4", "download", "is too small to show anything"),
        ("videos/sound.m4a", "download", "has sound but no video"),
    ]


def test_of_many_trailers_a_tenth_is_broken_in_ten_ways_and_the_others_are_made(tmp_path):
    folder = tmp_path / "study"
    (folder / "videos").mkdir(parents=True)
    good = tiny_video(folder / "videos" / "good.mp4")
    broken = break_in_ten_ways(folder / "videos", good)
    rows, expected = [], {}
    for n in range(TRAILERS):
        url, stage, words = broken[n // 10 % 10] if n % 10 == 5 else (f"videos/v{n}.mp4", "", "")
        if not stage:
            os.link(good, folder / url)
        rows.append((f"t{n}", url))
        expected[f"t{n}"] = (stage, words)
    lab.write_manifest(folder, rows)
    words = ("--config", "shard_size=50", "download={sleep_s: 0}", "--until", "normalise")
    lab.snakemake(folder, *words)
    found = {}
    for stage in ("download", "normalise"):
        for path in sorted((folder / "results" / "ledger" / stage).glob("*.tsv")):
            found |= {(stage, trailer): row for trailer, row in read_ledger(path).items()}
    for trailer, (stage, said) in expected.items():
        statuses = [found[name, trailer].status for name in ("download", "normalise")]
        if not stage:
            assert statuses == ["ok", "ok"], found[("normalise", trailer)].error
        else:
            assert statuses == (["dead", "skipped"] if stage == "download" else ["ok", "dead"])
            assert said in found[stage, trailer].error
    made = {row.fingerprint for (stage, _), row in found.items() if stage == "normalise" and row.status == "ok"}
    assert len(made) == 1
    assert lab.planned(folder, *words) == {}
