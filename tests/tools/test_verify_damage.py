"""verify reports each kind of damage, and --repair removes exactly the damaged files."""

from __future__ import annotations

import os

import h5py
import numpy as np
import pytest

from results_lab import (
    CLIPS,
    SHARD,
    attempts,
    cut,
    files,
    flip,
    run_verify,
)
from trailers.domain import Clip
from trailers.store.embeddings import write_embedding
from trailers.store.spans import CLIPS_SCHEMA, write_spans

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
    status, lines = run_verify(results, capsys)
    assert status == 1
    assert lines[0].startswith(words)
    assert files(results) == before
    assert run_verify(results, capsys, repair=True)[0] == 0
    left = files(results)
    assert sorted(before - left) == removed
    assert sorted(attempts(results)) == sorted(again)
