import argparse
import errno
import signal
import subprocess
import sys

import pytest

from trailers.errors import SystemicError, TrailerError, VideoError
from trailers.stages import shard
from trailers.store.ledger import OK, LedgerRow, read_ledger, write_ledger


def make_run(tmp_path, *words):
    parser = argparse.ArgumentParser()
    shard.add_flags(parser)
    return shard.ShardRun.from_flags("shots", parser.parse_args([*words, "--results", str(tmp_path / "results")]))


@pytest.fixture
def run(tmp_path):
    (tmp_path / "list.txt").write_text("a\nb\nc\nd\n")
    return lambda *more: make_run(
        tmp_path, "--shard", str(tmp_path / "list.txt"), "--ledger", str(ledger_of(tmp_path)), *more
    )


def ledger_of(tmp_path):
    return tmp_path / "results/ledger/shots/s0000.tsv"


def ok(trailer):
    return LedgerRow(trailer, OK, fingerprint="f" * 16, facts={"shots": 3})


def test_up_to_date_trailers_are_not_made_again_and_the_ledger_keeps_the_order(run, tmp_path):
    work = run()
    todo = work.to_make(lambda trailer: ok(trailer) if trailer in "bd" else None)
    assert todo == ["a", "c"]
    for trailer in reversed(todo):
        work.attempt(trailer, ok)
    work.finish()
    assert list(read_ledger(ledger_of(tmp_path)).values()) == [ok("a"), ok("b"), ok("c"), ok("d")]


def test_a_damaged_product_counts_as_missing(run):
    def up_to_date(trailer):
        raise TrailerError("cut off")

    assert run().to_make(up_to_date) == ["a", "b", "c", "d"]


def test_one_trailer_never_stops_the_others(run, tmp_path):
    def make(trailer):
        if trailer == "a":
            raise VideoError("no frames")
        if trailer == "b":
            raise KeyError("bug")
        return ok(trailer)

    work = run()
    for trailer in work.to_make(lambda trailer: None):
        work.attempt(trailer, make)
    work.finish()
    rows = read_ledger(ledger_of(tmp_path))
    assert [row.status for row in rows.values()] == ["dead", "failed", "ok", "ok"]
    assert rows["a"].error == "shots: no frames"
    assert rows["b"].error == "shots: unexpected KeyError: 'bug'"


def test_a_trailer_that_failed_in_an_earlier_stage_is_skipped_with_its_first_reason(run, tmp_path):
    before = [
        LedgerRow("a", "dead", error="download: removed"),
        ok("b"),
        LedgerRow("c", "skipped", error="download: private"),
        ok("d"),
    ]
    write_ledger(tmp_path / "before.tsv", before)
    work = run("--upstream", str(tmp_path / "before.tsv"))
    assert work.to_make(lambda trailer: None) == ["b", "d"]
    work.attempt("b", ok)
    work.attempt("d", ok)
    work.finish()
    rows = read_ledger(ledger_of(tmp_path))
    assert [(row.status, row.error) for row in rows.values()] == [
        ("skipped", "download: removed"),
        ("ok", ""),
        ("skipped", "download: private"),
        ("ok", ""),
    ]


def test_too_many_failures_stop_the_job_and_write_no_ledger(run, tmp_path):
    def make(trailer):
        if trailer != "d":
            raise TrailerError("no route to host")
        return ok(trailer)

    work = run()
    for trailer in work.to_make(lambda trailer: None):
        work.attempt(trailer, make)
    with pytest.raises(SystemicError, match=r"3 of 4 trailers failed.*no route to host"):
        work.finish()
    assert not ledger_of(tmp_path).exists()


def test_one_failure_in_a_shard_of_one_is_recorded_and_tried_again(run, tmp_path):
    (tmp_path / "list.txt").write_text("a\n")
    work = run()
    work.attempt("a", fail)
    work.finish()
    assert read_ledger(ledger_of(tmp_path))["a"].status == "failed"
    assert shard.read_attempts(tmp_path / "results/attempts/shots/s0000") == 1


def test_with_a_limit_of_0_one_failure_stops_the_job(run, tmp_path):
    (tmp_path / "list.txt").write_text("a\nb\n")
    work = run("--max-failed-fraction", "0")
    work.attempt("a", fail)
    work.attempt("b", ok)
    with pytest.raises(SystemicError, match="1 of 2 trailers failed, more than max_failed_fraction 0 allows"):
        work.finish()
    assert not ledger_of(tmp_path).exists()


def fail(trailer):
    raise TrailerError("no route to host")


def test_a_full_disk_stops_the_job_at_once(run):
    def make(trailer):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(SystemicError, match="the disk of this folder is full"):
        run().attempt("a", make)


def test_temporary_failures_are_tried_again_by_the_next_run_and_permanent_ones_are_not(run, tmp_path):
    attempts = tmp_path / "results/attempts/shots/s0000"

    def once(problem):
        def make(trailer):
            if trailer == "a":
                raise problem
            return ok(trailer)

        work = run()
        for trailer in work.to_make(lambda trailer: None):
            work.attempt(trailer, make)
        work.finish()
        return shard.read_attempts(attempts)

    assert once(VideoError("never a video")) == 0
    assert once(TrailerError("timed out")) == 1
    assert once(TrailerError("timed out")) == 2
    assert once(VideoError("never a video")) == 2


def test_making_one_trailer_by_name_raises_its_own_error_and_writes_no_ledger(tmp_path):
    work = make_run(tmp_path, "--trailer", "a")

    def make(trailer):
        raise VideoError("no frames")

    with pytest.raises(VideoError, match="no frames"):
        work.attempt("a", make)
    work.finish()
    assert not (tmp_path / "results").exists()


def test_an_unsafe_id_is_refused(tmp_path):
    with pytest.raises(TrailerError, match="is not a trailer id"):
        make_run(tmp_path, "--trailer", "../a")


def test_an_upstream_ledger_of_another_shard_is_refused(run, tmp_path):
    write_ledger(tmp_path / "before.tsv", [ok("a")])
    with pytest.raises(TrailerError, match="has no row for b of"):
        run("--upstream", str(tmp_path / "before.tsv"))


HANGS = """
import argparse, sys, time
from trailers.stages import shard
from trailers.store.ledger import OK, LedgerRow
parser = argparse.ArgumentParser()
shard.add_flags(parser)
work = shard.ShardRun.from_flags("shots", parser.parse_args())
def make(trailer):
    time.sleep(600 if trailer == "b" else 0)
    return LedgerRow(trailer, OK)
for trailer in work.to_make(lambda trailer: None):
    work.attempt(trailer, make)
work.finish()
"""


def test_a_trailer_that_hangs_is_recorded_by_the_next_run_and_does_not_stop_the_others(tmp_path):
    (tmp_path / "list.txt").write_text("a\nb\nc\n")
    words = ["--shard", str(tmp_path / "list.txt"), "--ledger", str(ledger_of(tmp_path)), "--trailer-timeout-s", "1"]
    command = [sys.executable, "-c", HANGS, *words, "--results", str(tmp_path / "results")]
    assert subprocess.run(command, check=False, timeout=60).returncode == -signal.SIGALRM
    assert not ledger_of(tmp_path).exists()
    assert subprocess.run(command, check=False, timeout=60).returncode == 0
    rows = read_ledger(ledger_of(tmp_path))
    assert [row.status for row in rows.values()] == ["ok", "failed", "ok"]
    assert rows["b"].error == "shots: showed no sign of life for 1 s. The next run will try it again."
