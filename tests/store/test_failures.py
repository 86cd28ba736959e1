"""Why a job failed is kept for its output until the job succeeds."""

import argparse
from pathlib import Path

import pytest

from trailers.__main__ import main
from trailers.store.failures import clear_failure, read_failures, record_failure


def arguments(results, **more):
    return argparse.Namespace(results=results, **more)


@pytest.mark.parametrize(
    ("output", "named"),
    [
        ({"ledger": ["ledger/shots/s0.tsv"]}, ["shots/s0"]),
        ({"ledger": ["ledger/embed/a/b/s0.tsv", "ledger/embed/a/c/s0.tsv"]}, ["embed/a/b/s0", "embed/a/c/s0"]),
        ({"ledger": None, "output": "classify/main/split0"}, ["classify/main/split0"]),
        ({"output": "report/index.html"}, ["report/index.html"]),
    ],
)
def test_the_failure_of_a_job_is_kept_for_its_output_until_the_job_succeeds(tmp_path, output, named):
    paths = {key: value and ([tmp_path / v for v in value] if isinstance(value, list) else tmp_path / value)
             for key, value in output.items()}  # fmt: skip
    record_failure(arguments(tmp_path, **paths), "3 of 4\ntrailers failed.")
    assert read_failures(tmp_path) == dict.fromkeys(named, "3 of 4 trailers failed.")
    clear_failure(arguments(tmp_path, **paths))
    assert read_failures(tmp_path) == {}


@pytest.mark.parametrize("made", [{}, {"ledger": None}, {"output": Path("/elsewhere/x")}])
def test_a_command_without_output_below_the_results_leaves_no_note(tmp_path, made):
    record_failure(arguments(tmp_path / "results", **made), "x")
    assert not (tmp_path / "results").exists()


def test_the_message_of_a_failing_job_is_the_last_line_of_its_log_and_is_kept(tmp_path, capfd):
    results = tmp_path / "results"
    (tmp_path / "s0.txt").write_text("a\nb\n")
    (tmp_path / "m.csv").write_text("trailer,url\na,no-such-file.mp4\n")
    words = ["download", "--results", results, "--shard", tmp_path / "s0.txt", "--manifest", tmp_path / "m.csv",
             "--ledger", results / "ledger" / "download" / "s0.tsv"]  # fmt: skip
    assert main(list(map(str, words))) == 1
    last = capfd.readouterr().err.splitlines()[-1]
    assert last == f"error: {tmp_path}/m.csv: has no row for 'b'. Add a row, or name another trailer."
    assert read_failures(results) == {"download/s0": last.removeprefix("error: ")}
    (tmp_path / "m.csv").write_text("trailer,url\na,no-such-file.mp4\nb,no-such-file.mp4\n")
    assert main(list(map(str, words))) == 0
    assert read_failures(results) == {}


def test_a_command_whose_output_is_the_results_folder_itself_leaves_no_note(tmp_path):
    record_failure(arguments(tmp_path, output=tmp_path), "is there already")
    assert list(tmp_path.iterdir()) == []


def test_notes_of_a_path_and_of_files_below_it_do_not_stop_a_command_that_succeeded(tmp_path):
    job, below = arguments(tmp_path, output=tmp_path / "a"), arguments(tmp_path, output=tmp_path / "a" / "b")
    for first, second in ((job, below), (below, job)):
        record_failure(first, "x")
        record_failure(second, "x")
        clear_failure(second)
        clear_failure(first)
        assert read_failures(tmp_path) == {}
