"""verify: what it checks, what --repair removes, and what both leave alone."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from results_lab import (
    FRAMES,
    SHARD,
    SHOTS,
    attempts,
    cut,
    files,
    flip,
    run_verify,
)
from trailers.domain import Shot
from trailers.errors import ConfigError
from trailers.stages import clips, embed, normalise, shots
from trailers.store.ledger import read_ledger, write_ledger
from trailers.store.spans import SHOTS_SCHEMA, write_spans
from trailers.tools import verify


def test_verify_finds_no_problem_in_finished_results(results, capsys):
    before = files(results)
    status, lines = run_verify(results, capsys, deep=True, repair=True)
    assert (status, lines[0]) == (0, "No problems found.")
    assert files(results) == before


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
    status, lines = run_verify(results, capsys, repair=True, older_s=0.0)
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
    lines = run_verify(results, capsys, repair=True)[1]
    assert lines[0].startswith("embed/shot24/tiny/one.h5: is damaged")
    assert not results.embedding("shot24", "tiny", "one").is_symlink()
    assert users.read_bytes() == b"mine"


def test_nothing_is_removed_through_a_linked_folder(results, capsys, tmp_path):
    folder = results.embedding("shot24", "tiny", "one").parent
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    cut(tmp_path / "elsewhere" / "one.h5")
    cut(results.shots("two"))
    status, lines = run_verify(results, capsys, repair=True)
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
    lines = run_verify(results, capsys)[1]
    messages = [line for line in lines if line.split(": ")[0].endswith((".h5", ".csv", ".mp4"))]
    assert len(messages) == 2
    assert "one" in messages[0]
    assert messages[0].endswith("is damaged: reading it ends the process: segmentation fault")
    assert messages[1].startswith("embed/shot24/tiny/two.h5: is damaged")
    run_verify(results, capsys, repair=True)
    assert not bad.exists()
    assert results.embedding("shot24", "tiny", "two").parent.exists()


def test_shots_made_from_other_frames_are_reported(results, capsys):
    header = {"trailer": "one", "frames": FRAMES, "fingerprint": "s", "frames_fingerprint": "older"}
    write_spans(results.shots("one"), SHOTS, kind=Shot, header=header, schema=SHOTS_SCHEMA)
    assert (
        run_verify(results, capsys)[1][0]
        == "shots/one.csv: was made from frames with fingerprint older, which is now n"
    )


def test_only_verify_with_deep_reads_whole_videos(results, capsys):
    flip(results.download_folder() / "one.webm", 3)
    assert run_verify(results, capsys)[0] == 0
    status, lines = run_verify(results, capsys, deep=True)
    assert status == 1
    assert lines[0] == "download/one.webm: its sha256 is not the one in its receipt"


def test_only_the_named_stages_are_checked(results, capsys):
    cut(results.video("one"))
    assert run_verify(results, capsys, stages=["shots", "clips"])[0] == 0


def test_a_repaired_trailer_counts_one_attempt_more_each_time(results, capsys):
    for count in ("1\n", "2\n"):
        results.embedding("shot24", "tiny", "one").unlink(missing_ok=True)
        run_verify(results, capsys, repair=True)
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
    status, lines = run_verify(results, capsys)
    assert status == 1
    assert lines[0] == f"normalise/{dead.name}: was left by a process that has ended, 60 min ago"
    assert len(lines) == 3
    run_verify(results, capsys, repair=True)
    assert [path.exists() for path in (dead, living, young)] == [False, True, True]
    run_verify(results, capsys, repair=True, older_s=0.0)
    assert [path.exists() for path in (dead, living, young)] == [False, True, False]


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="is not a directory"):
        verify.run(argparse.Namespace(results=tmp_path / "none", stages=[], deep=False, repair=False, older_s=0))


def test_posters_and_their_embeddings_are_checked(posters, capsys):
    assert run_verify(posters, capsys, deep=True)[0] == 0
    cut(posters.poster_folder() / "one.png")
    cut(posters.poster("tiny", "one"))
    _, lines = run_verify(posters, capsys, repair=True)
    assert lines[0] == "posters/one.png: has 5 bytes, but its receipt says 8"
    assert lines[1].startswith("posters/tiny/one.h5: is damaged")
    assert sorted(path for path in files(posters) if path.startswith("posters/")) == [
        "posters/gone.json",
        "posters/one.json",
    ]
    assert attempts(posters) == {"posters/s0000", "posters/tiny/s0000"}


def test_every_ledger_that_lists_a_product_is_compared_with_it(results, capsys):
    rows = read_ledger(results.ledger("clips", "s0000", "shot24"))
    stale = {trailer: replace(row, fingerprint="of other settings") for trailer, row in rows.items()}
    # Names before and after that of the right ledger: none of them may hide another.
    for shard in ("r0000", "t0000"):
        write_ledger(results.ledger("clips", shard, "shot24"), stale.values())
    status, lines = run_verify(results, capsys)
    assert status == 1
    assert [line for line in lines if "r0000.tsv" in line]
    assert [line for line in lines if "t0000.tsv" in line]
    run_verify(results, capsys, repair=True)
    assert [path.name for path in results.ledger("clips", "x", "shot24").parent.glob("*.tsv")] == ["s0000.tsv"]
    assert (results.root / "attempts/clips/shot24/t0000").read_text() == "1\n"
