"""verify reports each kind of damage, and --repair removes exactly that; retry requests another try."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import h5py
import numpy as np
import pytest

from trailers.domain import GENRES, Clip, Shot
from trailers.errors import ConfigError
from trailers.stages import clips, embed, normalise, shots
from trailers.store.embeddings import write_embedding, write_poster
from trailers.store.experiment import WEIGHTS_SCHEMA, save_state, write_metrics, write_table
from trailers.store.experiment_files import COLUMNS, prediction_columns
from trailers.store.fingerprint import sha256_of
from trailers.store.frames import write_frames
from trailers.store.layout import Layout
from trailers.store.ledger import LedgerRow, read_ledger, write_ledger
from trailers.store.pack import Part, write_pack
from trailers.store.receipt import Receipt, write_receipt
from trailers.store.scores import Scores, write_scores
from trailers.store.spans import CLIPS_SCHEMA, SHOTS_SCHEMA, write_spans
from trailers.tools import retry, verify
from trailers.video import encode_frames

FRAMES = 48
SHARD = "s0000"
SHOTS = [Shot(0, 20), Shot(20, 48)]
CLIPS = [Clip(0, 0, 20, 4), Clip(1, 20, 44, 0), Clip(1, 44, 48, 20)]
NAMES = ("one", "two")
LEDGERS = [("download",), ("normalise",), ("shots",), ("clips", "shot24"), ("embed", "shot24", "tiny")]


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """A real video of 48 frames at 24 fps with the fingerprint n."""
    path = tmp_path_factory.mktemp("video") / "x.mp4"
    random = np.random.default_rng(0)
    pictures = (random.integers(0, 255, (64, 64, 3), np.uint8) for _ in range(FRAMES))
    encode_frames(path, pictures, width_px=64, height_px=64, fps=24, fingerprint="n")
    return path.read_bytes()


@pytest.fixture
def results(tmp_path, video, experiment):
    """Two trailers with every product, as the stages write them; a third is dead."""
    layout = Layout(tmp_path / "results")
    for name in NAMES:
        make_products(layout, name, video)
    write_receipt(layout.receipt("gone"), Receipt("gone", "dead", fingerprint="d", error="removed: by its owner"))
    for key, digest in zip(LEDGERS, "dnsce", strict=True):
        rows = [LedgerRow(name, "ok", fingerprint=digest) for name in NAMES]
        rows.append(
            LedgerRow("gone", "dead" if key == ("download",) else "skipped", error="download: removed: by its owner")
        )
        write_ledger(layout.ledger(key[0], SHARD, *key[1:]), rows)
    layout.shard(SHARD).parent.mkdir()
    layout.shard(SHARD).write_text("one\ntwo\ngone\n")
    vectors = np.eye(3, dtype=np.float32)
    attributes = {"backbone": "tiny", "clips": "shot24", "fingerprint": "p"}
    parts = [Part(name, 3, lambda: vectors) for name in NAMES]
    write_pack(layout.pack("study", "shot24", "tiny"), parts, features=3, attributes=attributes)
    shutil.copytree(experiment, layout.experiment("main", 0))
    return layout


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """A training of two epochs on two trailers, as the classify stage leaves it."""
    import torch

    folder = tmp_path_factory.mktemp("experiment") / "split0"
    state = {"schema": WEIGHTS_SCHEMA, "fingerprint": "x", "experiment": "main", "split": 0, "clips": "shot24",
             "backbones": ["tiny"], "features": [3], "packs": [{}], "genres": list(GENRES),
             "recipe": {"epochs": 2}, "state": {"w": torch.ones(2)},
             "curves": [(1, 0.1, 0.5, 0.6), (2, 0.1, 0.4, 0.5)], "best_epoch": 2}  # fmt: skip
    folder.mkdir()
    save_state(folder / "weights.pt", state)
    numbers = ["0.5"] * len(GENRES) + ["0"] * len(GENRES)
    write_table(folder / "predictions.csv", prediction_columns(GENRES),
                [["one", "validation", *numbers], ["two", "test", *numbers]])  # fmt: skip
    write_table(folder / "curves.csv", COLUMNS["curves.csv"], [[1, 0.1, 0.5, 0.6], [2, 0.1, 0.4, 0.5]])
    write_table(folder / "left_out.csv", COLUMNS["left_out.csv"], [["gone", "no embedding", "tiny", "train", ""]])
    counts = {"trailers": {"train": 0, "validation": 1, "test": 1}, "epochs": 2}
    write_metrics(folder, {"fingerprint": "x", **counts, "left_out": {"no embedding": 1, "by": {"train": 1}}})
    return folder


def make_products(layout, name, video):
    published = layout.download_folder() / f"{name}.webm"
    published.parent.mkdir(parents=True, exist_ok=True)
    published.write_bytes(b"as published " + name.encode())
    digest = sha256_of(published)
    facts = {"bytes": published.stat().st_size}
    write_receipt(layout.receipt(name), Receipt(name, "ok", published.name, digest, "d", facts))
    layout.video(name).parent.mkdir(exist_ok=True)
    layout.video(name).write_bytes(video)
    with write_frames(layout.frames(name)) as writer:
        writer.append(np.random.default_rng(1).integers(0, 255, (FRAMES, 27, 48, 3), np.uint8))
        identity = {"video_bytes": len(video), "video_sha256": sha256_of(layout.video(name))}
        writer.describe({"trailer": name, "fingerprint": "n", **identity})
    flat = np.full(FRAMES, 0.1, np.float32)
    scores = Scores(flat, flat, np.ones(1, bool), "float32")
    write_scores(layout.scores(name), scores, {"trailer": name, "fingerprint": "x"})
    header = {"trailer": name, "frames": FRAMES, "fingerprint": "s", "frames_fingerprint": "n"}
    write_spans(layout.shots(name), SHOTS, kind=Shot, header=header, schema=SHOTS_SCHEMA)
    header = {"trailer": name, "frames": FRAMES, "fingerprint": "c"}
    write_spans(layout.clips("shot24", name), CLIPS, kind=Clip, header=header, schema=CLIPS_SCHEMA)
    write_embedding(
        layout.embedding("shot24", "tiny", name),
        np.eye(3, dtype=np.float32),
        CLIPS,
        {"trailer": name, "fingerprint": "e"},
    )


def run(layout, capsys, **options):
    """Exit status and the lines it printed, paths relative to the results."""
    flags = {"results": layout.root, "stages": verify.folders(), "deep": False, "repair": False}
    status = verify.run(argparse.Namespace(**{**flags, "older_s": 600.0, **options}))
    return status, [line.removeprefix(f"{layout.root}/") for line in capsys.readouterr().out.splitlines()]


def files(layout):
    return {str(path.relative_to(layout.root)) for path in layout.root.rglob("*") if path.is_file()}


def attempts(layout):
    return {name.removeprefix("attempts/") for name in files(layout) if name.startswith("attempts/")}


def cut(path):
    """Removes the end, like a full disk or a power cut."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def flip(path, offset):
    """Change one byte."""
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x55
    path.write_bytes(bytes(data))


def test_verify_finds_no_problem_in_finished_results(results, capsys):
    before = files(results)
    status, lines = run(results, capsys, deep=True, repair=True)
    assert (status, lines[0]) == (0, "No problems found.")
    assert files(results) == before


# What is damaged -> the first words of the message, what --repair removes, whose shards run again.
SHOT, EMBED = ["clips/shot24/s0000"], ["embed/shot24/tiny/s0000"]
DAMAGE = {
    "a video as published is cut": (
        lambda r: cut(r.download_folder() / "one.webm"),
        "download/one.webm: has 10 bytes, but its receipt says 16",
        ["download/one.webm"], ["download/s0000"],
    ),
    "a video as published is gone": (
        lambda r: (r.download_folder() / "one.webm").unlink(),
        "download/one.webm: is missing, but one.json exists",
        [], ["download/s0000"],
    ),
    "a receipt is cut": (
        lambda r: cut(r.receipt("one")),
        "download/one.json: cannot be read as a receipt",
        ["download/one.json"], ["download/s0000"],
    ),
    "a receipt is gone": (
        lambda r: r.receipt("one").unlink(),
        "download/one.json: does not exist, but its ledger says that it does",
        [], ["download/s0000"],
    ),
    "a 24 fps video is cut": (
        lambda r: cut(r.video("one")),
        "normalise/one.mp4: has ",
        ["normalise/one.mp4"], ["normalise/s0000"],
    ),
    "a 24 fps video of the right size is rubbish": (
        lambda r: r.video("one").write_bytes(bytes(r.video("one").stat().st_size)),
        "normalise/one.mp4: its fingerprint is None, but its frames file says n",
        ["normalise/one.mp4"], ["normalise/s0000"],
    ),
    "a 24 fps video is gone": (
        lambda r: r.video("one").unlink(),
        "normalise/one.mp4: is missing, but one.frames.h5 exists",
        [], ["normalise/s0000"],
    ),
    "both files of normalise are gone": (
        lambda r: (r.video("one").unlink(), r.frames("one").unlink()),
        "normalise/one.frames.h5: does not exist, but its ledger says that it does",
        [], ["normalise/s0000"],
    ),
    "the frames are cut": (
        lambda r: cut(r.frames("one")),
        "normalise/one.frames.h5: is damaged",
        ["normalise/one.frames.h5"], ["normalise/s0000"],
    ),
    "a byte of the frames is flipped": (
        lambda r: flip(r.frames("one"), r.frames("one").stat().st_size - 2000),
        "normalise/one.frames.h5: is damaged",
        ["normalise/one.frames.h5"], ["normalise/s0000"],
    ),
    "the scores are cut": (
        lambda r: cut(r.scores("one")),
        "shots/one.scores.h5: is damaged",
        ["shots/one.scores.h5"], ["shots/s0000"],
    ),
    "the scores are gone": (
        lambda r: r.scores("one").unlink(),
        "shots/one.scores.h5: is missing, but one.csv exists",
        [], ["shots/s0000"],
    ),
    "the shots are cut at a line's end": (
        lambda r: r.shots("one").write_text("\n".join(r.shots("one").read_text().splitlines()[:3]) + "\n"),
        "shots/one.csv: is truncated",
        ["shots/one.csv"], ["shots/s0000"],
    ),
    "the clips are of another trailer": (
        lambda r: write_spans(
            r.clips("shot24", "one"), [Clip(0, 0, 24, 0), Clip(1, 24, 48, 0)], kind=Clip,
            header={"trailer": "one", "frames": 48, "fingerprint": "c"}, schema=CLIPS_SCHEMA,
        ),
        "clips/shot24/one.csv: has a clip that extends beyond its shot",
        ["clips/shot24/one.csv", "embed/shot24/tiny/one.h5"], [*SHOT, *EMBED],
    ),
    "an embedding is cut": (
        lambda r: cut(r.embedding("shot24", "tiny", "one")),
        "embed/shot24/tiny/one.h5: is damaged",
        ["embed/shot24/tiny/one.h5"], EMBED,
    ),
    "an embedding holds NaN": (
        lambda r: overwrite(r.embedding("shot24", "tiny", "one"), np.nan),
        "embed/shot24/tiny/one.h5: 1 of 3 vectors hold NaN or infinity",
        ["embed/shot24/tiny/one.h5"], EMBED,
    ),
    "an embedding is of other clips": (
        lambda r: write_embedding(
            r.embedding("shot24", "tiny", "one"), np.eye(3, dtype=np.float32),
            [Clip(0, n, n + 24, 0) for n in range(3)], {"trailer": "one", "fingerprint": "e"},
        ),
        "embed/shot24/tiny/one.h5: was made from clips that have changed since",
        ["embed/shot24/tiny/one.h5"], EMBED,
    ),
    "an embedding is of another run": (
        lambda r: write_embedding(
            r.embedding("shot24", "tiny", "one"), np.eye(3, dtype=np.float32), CLIPS,
            {"trailer": "one", "fingerprint": "f"},
        ),
        "embed/shot24/tiny/one.h5: its fingerprint is f, but its ledger says e: another run made it",
        [], EMBED,
    ),
    "an embedding belongs to another trailer": (
        lambda r: os.replace(r.embedding("shot24", "tiny", "two"), r.embedding("shot24", "tiny", "one")),
        "embed/shot24/tiny/one.h5: belongs to two",
        ["embed/shot24/tiny/one.h5"], EMBED,
    ),
    "a ledger is cut": (
        lambda r: r.ledger("shots", SHARD).write_text("trailer\tstatus"),
        "ledger/shots/s0000.tsv: expected columns",
        ["ledger/shots/s0000.tsv"], [],
    ),
    "a shard list is empty": (
        lambda r: r.shard(SHARD).write_text(""),
        "shards/s0000.txt: is empty",
        ["shards/s0000.txt"], [],
    ),
    "a byte of a pack is flipped": (
        lambda r: flip(r.pack("study", "shot24", "tiny"), where_vectors_are(r.pack("study", "shot24", "tiny"))),
        "pack/study/shot24/tiny.h5: the vectors of one do not match their checksum",
        ["pack/study/shot24/tiny.h5"], [],
    ),
    "metrics are cut": (
        lambda r: cut(r.experiment("main", 0) / "metrics.json"),
        "classify/main/split0/metrics.json: cannot be read",
        ["classify/main/split0/metrics.json"], [],
    ),
    "weights are cut": (
        lambda r: cut(r.experiment("main", 0) / "weights.pt"),
        "classify/main/split0/weights.pt: is damaged",
        ["classify/main/split0/metrics.json", "classify/main/split0/weights.pt"], [],
    ),
    "a byte of weights is flipped": (
        lambda r: flip(r.experiment("main", 0) / "weights.pt", where_weights_are(r.experiment("main", 0))),
        "classify/main/split0/weights.pt: is damaged",
        ["classify/main/split0/metrics.json", "classify/main/split0/weights.pt"], [],
    ),
    "weights are gone": (
        lambda r: (r.experiment("main", 0) / "weights.pt").unlink(),
        "classify/main/split0/weights.pt: is not a trained experiment",
        ["classify/main/split0/metrics.json"], [],
    ),
    "predictions lack a row": (
        lambda r: cut_rows(r.experiment("main", 0) / "predictions.csv", 2),
        "classify/main/split0/predictions.csv: has 1 rows, but its metrics.json says 2",
        ["classify/main/split0/metrics.json", "classify/main/split0/predictions.csv"], [],
    ),
    "a prediction is not a number": (
        lambda r: change(r.experiment("main", 0) / "predictions.csv", "0.5", "x"),
        "classify/main/split0/predictions.csv: line 2 is damaged",
        ["classify/main/split0/metrics.json", "classify/main/split0/predictions.csv"], [],
    ),
    "curves are cut in a line": (
        lambda r: cut(r.experiment("main", 0) / "curves.csv"),
        "classify/main/split0/curves.csv: is truncated",
        ["classify/main/split0/curves.csv", "classify/main/split0/metrics.json"], [],
    ),
    "the list of left out trailers is gone": (
        lambda r: (r.experiment("main", 0) / "left_out.csv").unlink(),
        "classify/main/split0/left_out.csv: cannot be read",
        ["classify/main/split0/metrics.json"], [],
    ),
}  # fmt: skip


def overwrite(path, value):
    with h5py.File(path, "r+") as file:
        file["vectors"][0, 0] = value


def cut_rows(path, lines):
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:lines]))


def change(path, old, new):
    path.write_text(path.read_text().replace(old, new, 1))


def where_weights_are(folder):
    """The offset of the numbers: that of the bytes of float32 1.0, 1.0."""
    return (folder / "weights.pt").read_bytes().index(b"\x00\x00\x80\x3f" * 2)


def where_vectors_are(path):
    with h5py.File(path, "r") as file:
        return file["vectors"].id.get_offset()


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_reported_and_repair_removes_exactly_the_damaged_files(results, capsys, name):
    damage, words, removed, again = DAMAGE[name]
    damage(results)
    before = files(results)
    status, lines = run(results, capsys)
    assert status == 1
    assert lines[0].startswith(words)
    assert files(results) == before
    assert run(results, capsys, repair=True)[0] == 0
    left = files(results)
    assert sorted(before - left) == removed
    assert sorted(attempts(results)) == sorted(again)


USERS = ("download/one.srt", "download/one.mkv", "download/.partial/one/notes.txt", "normalise/one.nfo", "shots/my.txt",
         "clips/shot24/one.csv.bak", "embed/shot24/tiny/one.txt", "classify/main/split0/plot.png",
         "normalise/.tmp-notes.txt", "download/.tmp-1-x.txt", "pack/readme.md")  # fmt: skip


def test_files_of_the_user_beside_products_are_kept(results, capsys):
    for name in USERS:
        path = results.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
        os.utime(path, (1, 1))
    cut(results.video("one"))
    cut(results.receipt("one"))
    cut(results.shots("one"))
    status, lines = run(results, capsys, repair=True, older_s=0.0)
    assert status == 0
    assert all((results.root / name).read_text() == "mine" for name in USERS)
    (left,) = [line for line in lines if line.startswith("Left alone")]
    assert "download/one.srt" in left
    assert "(7 in all)" in left


def test_a_link_in_place_of_a_product_is_removed_and_its_target_is_not(results, capsys, tmp_path):
    users = tmp_path / "mine.h5"
    users.write_bytes(b"mine")
    results.embedding("shot24", "tiny", "one").unlink()
    results.embedding("shot24", "tiny", "one").symlink_to(users)
    lines = run(results, capsys, repair=True)[1]
    assert lines[0].startswith("embed/shot24/tiny/one.h5: is damaged")
    assert not results.embedding("shot24", "tiny", "one").is_symlink()
    assert users.read_bytes() == b"mine"


def test_nothing_is_removed_through_a_linked_folder(results, capsys, tmp_path):
    folder = results.embedding("shot24", "tiny", "one").parent
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    cut(tmp_path / "elsewhere" / "one.h5")
    cut(results.shots("two"))
    status, lines = run(results, capsys, repair=True)
    assert status == 1
    assert "not removed: " in lines[2]
    assert "is a symbolic link" in lines[2]
    assert (tmp_path / "elsewhere" / "one.h5").exists()
    assert not results.shots("two").exists()


def crash(path):
    os.kill(os.getpid(), signal.SIGSEGV)


@pytest.mark.parametrize("name", ["read_embedding", "read_scores", "open_frames"])
def test_a_file_that_crashes_the_library_is_one_problem_and_the_rest_is_checked(results, capsys, monkeypatch, name):
    """Reading the file of trailer one ends the process; the problem is reported for the stage that made the file."""
    stage = {"read_embedding": embed, "read_scores": shots, "open_frames": normalise}[name]
    bad = {"read_embedding": results.embedding("shot24", "tiny", "one"), "read_scores": results.scores("one"),
           "open_frames": results.frames("one")}[name]  # fmt: skip
    good = getattr(stage, name)
    for module in (embed, shots, normalise, clips):
        if hasattr(module, name):
            monkeypatch.setattr(module, name, lambda path: crash(path) if path == bad else good(path))
    monkeypatch.setattr("trailers.store.hdf5.walk", lambda path: crash(path) if path == bad else None)
    cut(results.embedding("shot24", "tiny", "two"))
    lines = run(results, capsys)[1]
    messages = [line for line in lines if line.split(": ")[0].endswith((".h5", ".csv", ".mp4"))]
    assert len(messages) == 2
    assert "one" in messages[0]
    assert messages[0].endswith("is damaged: reading it ends the process: segmentation fault")
    assert messages[1].startswith("embed/shot24/tiny/two.h5: is damaged")
    run(results, capsys, repair=True)
    assert not bad.exists()
    assert results.embedding("shot24", "tiny", "two").parent.exists()


def test_shots_made_from_other_frames_are_reported(results, capsys):
    header = {"trailer": "one", "frames": FRAMES, "fingerprint": "s", "frames_fingerprint": "older"}
    write_spans(results.shots("one"), SHOTS, kind=Shot, header=header, schema=SHOTS_SCHEMA)
    assert run(results, capsys)[1][0] == "shots/one.csv: was made from frames with fingerprint older, which is now n"


def test_only_verify_with_deep_reads_whole_videos(results, capsys):
    flip(results.download_folder() / "one.webm", 3)
    assert run(results, capsys)[0] == 0
    status, lines = run(results, capsys, deep=True)
    assert status == 1
    assert lines[0] == "download/one.webm: its sha256 is not the one in its receipt"


def test_only_the_named_stages_are_checked(results, capsys):
    cut(results.video("one"))
    assert run(results, capsys, stages=["shots", "clips"])[0] == 0


def test_a_repaired_trailer_counts_one_attempt_more_each_time(results, capsys):
    for count in ("1\n", "2\n"):
        results.embedding("shot24", "tiny", "one").unlink(missing_ok=True)
        run(results, capsys, repair=True)
        assert results.attempts("embed", SHARD, "shot24", "tiny").read_text() == count


def process_that_is_gone():
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def test_temporary_files_of_killed_jobs_are_removed_and_those_of_running_jobs_are_not(results, capsys):
    folder = results.video("one").parent
    dead = folder / f".tmp-{process_that_is_gone()}-0a1b2c3d-one.mp4"
    living = folder / f".tmp-{os.getpid()}-0a1b2c3d-one.mp4"
    young = folder / f".tmp-{process_that_is_gone()}-11111111-two.mp4"
    for path in (dead, living, young):
        path.write_bytes(b"x")
    hour_ago = time.time() - 3600
    os.utime(dead, (hour_ago, hour_ago))
    os.utime(living, (hour_ago, hour_ago))
    status, lines = run(results, capsys)
    assert status == 1
    assert lines[0] == f"normalise/{dead.name}: was left by a process that has ended, 60 min ago"
    assert len(lines) == 3
    run(results, capsys, repair=True)
    assert [path.exists() for path in (dead, living, young)] == [False, True, True]
    run(results, capsys, repair=True, older_s=0.0)
    assert [path.exists() for path in (dead, living, young)] == [False, True, False]


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="is not a directory"):
        verify.run(argparse.Namespace(results=tmp_path / "none", stages=[], deep=False, repair=False, older_s=0))


def run_retry(layout, capsys, *, dead):
    retry.run(argparse.Namespace(results=layout.root, dead=dead))
    return capsys.readouterr().out.splitlines()


def test_retry_does_not_touch_dead_trailers_unless_asked(results, capsys):
    assert run_retry(results, capsys, dead=False) == ["There is nothing to try again."]
    assert attempts(results) == set()
    assert run_retry(results, capsys, dead=True) == ["1 dead in download", "Rerun snakemake to try them again."]
    assert attempts(results) == {"download/s0000"}
    assert not results.receipt("gone").exists()
    assert results.receipt("one").exists()


def test_retry_names_the_target_that_tries_again(tmp_path, capsys):
    layout = Layout(tmp_path / "results")
    write_ledger(layout.ledger("search", "t0"), [LedgerRow("m0", "failed", error="x")])
    retry.run(argparse.Namespace(results=layout.root, dead=False))
    assert capsys.readouterr().out == "1 failed in search\nRerun snakemake search to try them again.\n"
    write_ledger(layout.ledger("shots", "s0"), [LedgerRow("m0", "failed", error="x")])
    retry.run(argparse.Namespace(results=layout.root, dead=False))
    assert "Rerun snakemake search and snakemake to try them again." in capsys.readouterr().out


def test_retry_counts_an_attempt_for_shards_with_failures(results, capsys):
    rows = [
        LedgerRow("one", "ok", fingerprint="s"),
        LedgerRow("two", "failed", error="shots: x"),
        LedgerRow("gone", "skipped"),
    ]
    write_ledger(results.ledger("shots", SHARD), rows)
    assert run_retry(results, capsys, dead=False)[0] == "1 failed in shots"
    assert attempts(results) == {"shots/s0000"}


def test_retry_keeps_the_receipt_of_a_video_that_was_downloaded_since(results, capsys):
    rows = read_ledger(results.ledger("download", SHARD))
    rows["one"] = LedgerRow("one", "dead", error="download: removed")
    write_ledger(results.ledger("download", SHARD), rows.values())
    run_retry(results, capsys, dead=True)
    assert results.receipt("one").exists()


@pytest.fixture
def posters(results):
    """The first trailer's poster is embedded; the second has none, and the third's was not found."""
    image = results.poster_folder() / "one.png"
    image.parent.mkdir()
    image.write_bytes(b"a poster")
    receipt = Receipt("one", "ok", image.name, sha256_of(image), "p", {"bytes": 8})
    write_receipt(results.poster_receipt("one"), receipt)
    write_receipt(results.poster_receipt("gone"), Receipt("gone", "dead", fingerprint="d", error="not found: it"))
    write_poster(results.poster("tiny", "one"), np.ones((1, 3), np.float32), {"trailer": "one", "fingerprint": "v"})
    rest = [
        LedgerRow("two", "skipped", error="the manifest gives none"),
        LedgerRow("gone", "dead", error="poster download: not found: it"),
    ]
    write_ledger(results.ledger("posters", SHARD), [LedgerRow("one", "ok", fingerprint="p"), *rest])
    write_ledger(results.ledger("posters", SHARD, "tiny"), [LedgerRow("one", "ok", fingerprint="v"), *rest[:1]])
    return results


def test_posters_and_their_embeddings_are_checked(posters, capsys):
    assert run(posters, capsys, deep=True)[0] == 0
    cut(posters.poster_folder() / "one.png")
    cut(posters.poster("tiny", "one"))
    _, lines = run(posters, capsys, repair=True)
    assert lines[0] == "posters/one.png: has 5 bytes, but its receipt says 8"
    assert lines[1].startswith("posters/tiny/one.h5: is damaged")
    assert sorted(path for path in files(posters) if path.startswith("posters/")) == [
        "posters/gone.json",
        "posters/one.json",
    ]
    assert attempts(posters) == {"posters/s0000", "posters/tiny/s0000"}


def test_retry_requests_a_missing_poster_again(posters, capsys):
    assert "1 dead in posters" in run_retry(posters, capsys, dead=True)
    assert attempts(posters) == {"download/s0000", "posters/s0000"}
    assert not posters.poster_receipt("gone").exists()
    assert posters.poster_receipt("one").exists()


def test_every_ledger_that_lists_a_product_is_compared_with_it(results, capsys):
    rows = read_ledger(results.ledger("clips", "s0000", "shot24"))
    stale = {trailer: replace(row, fingerprint="of other settings") for trailer, row in rows.items()}
    # Names before and after that of the right ledger: none of them may hide another.
    for shard in ("r0000", "t0000"):
        write_ledger(results.ledger("clips", shard, "shot24"), stale.values())
    status, lines = run(results, capsys)
    assert status == 1
    assert [line for line in lines if "r0000.tsv" in line]
    assert [line for line in lines if "t0000.tsv" in line]
    run(results, capsys, repair=True)
    assert [path.name for path in results.ledger("clips", "x", "shot24").parent.glob("*.tsv")] == ["s0000.tsv"]
    assert (results.root / "attempts/clips/shot24/t0000").read_text() == "1\n"
