"""Progress lines at the bottom of a terminal: counts are right, and no output of other programs is lost."""

from __future__ import annotations

import io
import os
import pty
import re
import time

import pytest

from trailers.machine import live
from trailers.machine.progress import Progress
from trailers.machine.terminal import CLEAR, PROGRESS


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "40")
    monkeypatch.setenv(PROGRESS, str(tmp_path))
    return live.Live(tmp_path, {"shots": 200, "embed shot24 resnet50": 200, "clips shot24": 200}, io.StringIO())


def screen(text: str) -> list[str]:
    """The lines that a terminal shows after ``text``; only the control codes that are used."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[\d*[AJ]|\r|\n|[^\x1b\r\n]+", text):
        if part == "\r":
            column = 0
        elif part == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif part == "\x1b[J":
            lines = [*lines[:row], lines[row][:column]]
        elif part.endswith("A"):
            row -= int(part[2:-1])
        else:
            lines[row] = lines[row][:column].ljust(column) + part + lines[row][column + len(part) :]
            column += len(part)
    return [line for line in lines if line]


def test_a_job_reports_how_many_trailers_are_up_to_date_and_made(tmp_path, monkeypatch):
    monkeypatch.setenv(PROGRESS, str(tmp_path))
    progress = Progress("shots", 3, up_to_date=97, note=("shots", "s0000-aa"))
    assert (tmp_path / "shots+s0000-aa").read_text() == "97 0"
    progress.step("t0", "")
    progress.step("t1", "")
    progress.close()
    assert (tmp_path / "shots+s0000-aa").read_text() == "97 2"


def test_without_a_run_that_reads_notes_none_are_written(tmp_path, monkeypatch):
    monkeypatch.delenv(PROGRESS, raising=False)
    monkeypatch.chdir(tmp_path)
    Progress("shots", 3, note=("shots", "s0000-aa")).close()
    monkeypatch.setenv(PROGRESS, str(tmp_path / "gone"))
    Progress("shots", 3, note=("shots", "s0000-aa")).close()
    assert not list(tmp_path.iterdir())


def test_a_stage_has_one_line_over_all_its_shards(drawn, tmp_path, monkeypatch):
    now_s = iter([100.0, 160.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(now_s))
    (tmp_path / "shots+s0000-aa").write_text("40 0")
    drawn.read()
    (tmp_path / "shots+s0000-aa").write_text("40 20")
    (tmp_path / "shots+s0001-bb").write_text("0 10")
    drawn.read()
    # 30 in a minute, and 130 to come.
    assert drawn.lines() == ["shots  70 of 200 trailers  30.0 per minute  4 min left"]


def test_a_finished_stage_or_one_that_has_not_begun_has_no_line(drawn, tmp_path):
    (tmp_path / "shots+s0000-aa").write_text("100 100")
    drawn.read()
    drawn.draw()
    assert drawn.terminal.getvalue() == ""


def test_an_invalid_note_is_ignored(drawn, tmp_path):
    for name, text in (("shots+s0", "rubbish"), (".shots+s1", "1 1"), ("clips+shot24+s0", "3 4")):
        (tmp_path / name).write_text(text)
    drawn.read()
    assert drawn.lines() == ["clips shot24  7 of 200 trailers  -  ? left"]


def test_output_of_other_programs_stays_and_the_lines_are_drawn_below_it(drawn, tmp_path):
    (tmp_path / "shots+s0000-aa").write_text("0 10")
    (tmp_path / "embed+shot24+resnet50+s0000-aa").write_text("0 1")
    drawn.read()
    drawn.draw()
    above = live.Above(drawn)
    for text in ("rule ", "shots:\n", "    jobid: 4\n"):  # in pieces, as Snakemake writes
        above.write(text)
        drawn.draw()
    drawn.terminal.write(
        f"{CLEAR}error: of a job\n"
    )  # a job at its own descriptor (machine.terminal.write_to_terminal)
    drawn.draw()
    assert screen(drawn.terminal.getvalue()) == [
        "rule shots:", "    jobid: 4", "error: of a job",
        "shots                  10 of 200 trailers  -  ? left",
        "embed shot24 resnet50  1 of 200 trailers   -  ? left",
    ]  # fmt: skip
    drawn.start()
    drawn.stop()
    assert screen(drawn.terminal.getvalue()) == ["rule shots:", "    jobid: 4", "error: of a job"]
    assert not tmp_path.exists()


def test_a_narrow_terminal_gets_lines_that_fit(drawn, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    (tmp_path / "shots+s0000-aa").write_text("0 10")
    drawn.read()
    drawn.draw()
    assert screen(drawn.terminal.getvalue()) == ["shots  10 of 200 tr"]


def test_a_file_and_a_dumb_terminal_get_no_lines(tmp_path, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    with (tmp_path / "log").open("w") as file:
        assert not live.is_terminal(file)
    terminal = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    assert live.is_terminal(terminal)
    monkeypatch.setenv("TERM", "dumb")
    assert not live.is_terminal(terminal)


def test_lines_are_drawn_on_a_pseudo_terminal_and_gone_at_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "EVERY_S", 0.01)
    monkeypatch.setenv("TERM", "xterm")
    folder = tmp_path / "notes"
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        assert live.is_terminal(terminal)
        drawn = live.start(folder, {"shots": 20}, terminal)
        Progress("shots", 5, up_to_date=7, note=("shots", "s0000-aa"))
        seen = b""
        while b"shots  7 of 20 trailers" not in seen:
            seen += os.read(ours, 4096)
        live.Above(drawn).write("rule clips:\n")
        drawn.stop()
        while b"rule clips" not in seen:
            seen += os.read(ours, 4096)
    os.close(ours)
    text = seen.decode().replace("\r\n", "\n")
    assert screen(text[: text.index("rule clips")] + "rule clips:\n") == ["rule clips:"]
    assert PROGRESS not in os.environ
    assert not folder.exists()
