"""`trailers review` on the command line: errors before the page is served, and how far reviewers agree."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import threading

import pytest

from trailers.__main__ import main
from trailers.store.candidates import Candidate, Found, write_found
from trailers.store.decisions import Decision, Journal
from trailers.store.layout import Layout

A, B = "https://example.com/a", "https://example.com/b"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "titles.csv").write_text("id,title,year\ntt1,Alien,1979\ntt2,Up,2009\n")
    layout = Layout(tmp_path / "results")
    write_found(layout.candidates("tt1"), Found("tt1", "x", "y", "Alien", (Candidate(A, "Alien Trailer"),)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def press(folder, who: str, title: str, action: str, url: str = "", *, review: int = 1, rank: str = "") -> None:
    decision = Decision("2026-11-26T12:00:00Z", who, review, title, action, url, rank)
    Journal(folder / "decisions.csv").append(decision)


def test_agreement_names_each_pair_of_reviewers_and_every_disagreement(folder, capsys):
    for title in ("tt1", "tt2", "tt3"):
        press(folder, "ann", title, "accept", A, rank="1")
    press(folder, "ann", "tt4", "reject")
    for title in ("tt1", "tt2"):
        press(folder, "ann", title, "accept", A, rank="1", review=2)
    for title in ("tt3", "tt4"):
        press(folder, "ann", title, "reject", review=2)
    assert main(["review", "--agreement"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "4 titles are decided by 2 reviewers",
        "ann and ann (second pass): 3 of 4 titles the same, Cohen's kappa 0.500",
        f"tt3: ann accept {A}; ann (second pass) reject",
    ]


def test_a_disagreement_that_a_third_reviewer_decided_is_marked(folder, capsys):
    press(folder, "ann", "tt1", "accept", A)
    press(folder, "bob", "tt1", "accept", B)
    press(folder, "cleo", "tt1", "accept", B)
    assert main(["review", "--agreement"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith(f"cleo accept {B} (decided by the majority)")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--as", "=cmd()"], "error: --as: '=cmd()' is not a name"),
        (["--second-pass", "5"], "error: --second-pass: 0 titles are decided, but 5 are requested"),
        (["--titles", "none.csv"], "error: none.csv: no such list of titles"),
        (["--results", "nothing"], "error: nothing/search/tt1.json: does not exist. Run `snakemake search` first."),
        (["--port", "1000000"], "error: --port"),
    ],
)
def test_errors_are_reported_before_the_page_is_served(folder, capsys, words, sentence):
    assert main(["review", "--no-open", "--as", "ann", *words]) == 1
    assert sentence in capsys.readouterr().err


def test_a_damaged_file_of_decisions_is_reported_before_the_page_is_served(folder, capsys):
    (folder / "decisions.csv").write_text("a,b\n")
    assert main(["review", "--no-open", "--as", "ann"]) == 1
    assert "decisions.csv: row 1: expected the columns" in capsys.readouterr().err


def test_the_missing_package_is_reported_with_the_command_that_installs_it(folder, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["review", "--no-open"]) == 1
    assert 'pip install "trailers[review]"' in capsys.readouterr().err


def test_kill_9_of_the_program_loses_no_decision(folder):
    pytest.importorskip("uvicorn", reason="the extra review is not installed")
    words = [sys.executable, "-m", "trailers", "review", "--no-open", "--as", "ann"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    watch = threading.Timer(60, process.kill)
    watch.start()
    assert process.stdout is not None
    port, token = re.search(r"http://127\.0\.0\.1:(\d+)/([\w-]{20,})/", process.stdout.readline()).groups()
    connection = http.client.HTTPConnection("127.0.0.1", int(port))
    body = f'{{"trailer": "tt1", "action": "accept", "url": "{A}"}}'
    connection.request("POST", f"/{token}/api/decide", body, {"Content-Type": "application/json"})
    assert connection.getresponse().status == 200
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    watch.cancel()
    (decision,) = Journal(folder / "decisions.csv").refresh()
    assert (decision.who, decision.trailer, decision.url, decision.candidate) == ("ann", "tt1", A, "1")
