"""decisions.csv: a decision that was confirmed is never lost, and invalid rows are refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trailers.errors import StoreError
from trailers.store.decisions import FLAGS, HEADER, Decision, Journal, as_line, from_cells

ONE = Decision("2026-11-26T12:00:00Z", "ann", 1, "tt1", "accept", "https://example.com/a", "1", ("teaser",), 'a "b", c')
TWO = replace(ONE, who="bob", action="reject", url="", candidate="", flags=(), note="")


def journal(tmp_path) -> Journal:
    return Journal(tmp_path / "decisions.csv")


def test_appended_decisions_are_read_in_order_by_every_reader(tmp_path):
    journal(tmp_path).append(ONE)
    reader = journal(tmp_path)
    assert reader.refresh() == [ONE]
    journal(tmp_path).append(TWO)
    assert reader.refresh() == [ONE, TWO]
    assert (tmp_path / "decisions.csv").read_text() == (
        "when,who,pass,trailer,action,url,candidate,flags,note,end\n"
        '2026-11-26T12:00:00Z,ann,1,tt1,accept,https://example.com/a,1,teaser,"a ""b"", c",.\n'
        "2026-11-26T12:00:00Z,bob,1,tt1,reject,,,,,.\n"
    )


def test_a_missing_file_has_no_decisions(tmp_path):
    assert journal(tmp_path).refresh() == []


def test_a_row_that_a_crash_cut_off_at_any_byte_is_ignored_and_the_next_row_is_complete(tmp_path):
    path = tmp_path / "decisions.csv"
    kept, torn = HEADER.encode() + as_line(ONE).encode(), as_line(TWO).encode()
    for length in range(len(torn)):
        path.write_bytes(kept + torn[:length])
        is_whole = length == len(torn) - 1  # only the line break is missing
        assert journal(tmp_path).refresh() == ([ONE, TWO] if is_whole else [ONE]), length
        journal(tmp_path).append(TWO)
        assert path.read_bytes() == kept + torn * (1 + is_whole)


def test_a_truncated_header_is_written_again(tmp_path):
    path = tmp_path / "decisions.csv"
    path.write_bytes(HEADER.encode()[:20])
    assert journal(tmp_path).refresh() == []
    journal(tmp_path).append(ONE)
    assert journal(tmp_path).refresh() == [ONE]


WRITER = """
import sys
from trailers.store.decisions import Decision, Journal
for n in range(int(sys.argv[3])):
    Journal(__import__("pathlib").Path(sys.argv[1])).append(
        Decision("2026-11-26T12:00:00Z", sys.argv[2], 1, f"t{n}", "reject", note="x" * 200)
    )
    print(n, flush=True)
"""


def writer(tmp_path, who: str, count: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", WRITER, str(tmp_path / "decisions.csv"), who, str(count)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def test_two_reviewers_at_once_lose_no_row_of_either(tmp_path):
    writers = [writer(tmp_path, who, 40) for who in ("ann", "bob")]
    for process in writers:
        process.communicate(timeout=60)
    found = journal(tmp_path).refresh()
    for who in ("ann", "bob"):
        assert [decision.trailer for decision in found if decision.who == who] == [f"t{n}" for n in range(40)]


def test_kill_9_loses_no_decision_that_was_confirmed(tmp_path):
    process = writer(tmp_path, "ann", 100_000)
    assert process.stdout is not None
    for _ in range(5):
        process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    confirmed = 5 + len(process.stdout.readlines())
    process.wait()
    found = journal(tmp_path).refresh()
    assert confirmed <= len(found) <= confirmed + 1
    journal(tmp_path).append(ONE)
    assert journal(tmp_path).refresh() == [*found, ONE]


def test_a_file_that_was_replaced_is_read_again(tmp_path):
    reader = journal(tmp_path)
    reader.append(ONE)
    reader.append(TWO)
    assert len(reader.refresh()) == 2
    (tmp_path / "other.csv").write_text(HEADER + as_line(TWO))
    (tmp_path / "other.csv").rename(tmp_path / "decisions.csv")
    assert reader.refresh() == [TWO]


def test_the_line_ends_and_byte_order_mark_of_a_spreadsheet_are_accepted(tmp_path):
    text = HEADER + as_line(ONE) + as_line(TWO)
    (tmp_path / "decisions.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert journal(tmp_path).refresh() == [ONE, TWO]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (",accept,", ",maybe,", "row 2: an action is one of accept, reject"),
        ("https://example.com/a", "javascript:alert(1)", "row 2: 'javascript:alert.1.' is not an http or https link"),
        ("ann", "=cmd()", "row 2: '=cmd..' is not a name"),
        ("tt1", "../x", "row 2: '../x' is not an id"),
        ("teaser", "ugly", "row 2: a flag is one of"),
        (",1,tt1", ",3,tt1", "row 2: a pass is 1 or 2"),
        ("2026-11-26T12:00:00Z", "26.11.26 12:00", "row 2: '26.11.26 12:00' is not a time"),
        ("https://example.com/a", "", "row 2: accept needs a link"),
        (",.\n", "\n", "row 2: has 9 cells"),
        ("when,who", "who,when", "row 1: expected the columns when, who"),
    ],
)
def test_a_damaged_row_is_reported_with_its_line(tmp_path, before, after, words):
    (tmp_path / "decisions.csv").write_text((HEADER + as_line(ONE)).replace(before, after))
    with pytest.raises(StoreError, match=words):
        journal(tmp_path).refresh()


LINES = st.text(st.characters(blacklist_categories=["Cc", "Cf", "Cs", "Zl", "Zp", "Zs"]), max_size=300)


@given(LINES, st.sampled_from([(), FLAGS[:2], FLAGS]), st.text("abcXYZ09_-", min_size=1, max_size=64))
def test_any_decision_is_read_as_it_was_written(note, flags, title):
    try:
        decision = Decision(
            "2026-11-26T12:00:00.123Z", "Jörg K.", 2, title, "flag", "https://a.org/?x=1,2", "", flags, note
        )
    except ValueError:
        return  # an id that begins with a dash
    import csv

    assert from_cells(next(csv.reader([as_line(decision)]))) == decision
