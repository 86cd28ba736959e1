"""retry requests another try of failed and dead trailers."""

from __future__ import annotations

import argparse

from results_lab import (
    SHARD,
    attempts,
)
from trailers.store.layout import Layout
from trailers.store.ledger import LedgerRow, read_ledger, write_ledger
from trailers.tools import retry


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


def test_retry_requests_a_missing_poster_again(posters, capsys):
    assert "1 dead in posters" in run_retry(posters, capsys, dead=True)
    assert attempts(posters) == {"download/s0000", "posters/s0000"}
    assert not posters.poster_receipt("gone").exists()
    assert posters.poster_receipt("one").exists()
