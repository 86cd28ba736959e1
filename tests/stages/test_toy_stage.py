"""A stage from outside the package can be registered, run, checked, counted and reported without other changes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest

from trailers import __main__ as command_line
from trailers.reporting import report
from trailers.stages import registry, shard
from trailers.stages.outcome import troubles
from trailers.stages.registry import Entry
from trailers.store.layout import Layout
from trailers.store.ledger import OK, read_ledger
from trailers.tools import retry, status, verify

SHARD = "s0000"

# The complete stage: the mean number of letters of the words in a subtitle file.
TOY = '''
"""Count the letters of the words in subtitles.

in   results/subtitles/{trailer}.txt
out  results/letters/{trailer}.txt      a fingerprint, a number
"""
from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from trailers.errors import StoreError, TrailerError
from trailers.settings import setting
from trailers.stages import shard
from trailers.stages.stage import Stage
from trailers.store.atomic import write_text
from trailers.store.fingerprint import fingerprint, sha256_of
from trailers.store.layout import Layout


@dataclass(frozen=True)
class Settings:
    """options that change the letters"""

    digits: int = setting("digits after the point")


class Letters(Stage):
    name, folder, schema = "letters", "letters", "letters/1"
    settings: Settings

    def path(self, trailer: str) -> Path:
        return self.layout.root / "letters" / f"{trailer}.txt"

    def products(self, trailer: str) -> tuple[Path, ...]:
        return (self.path(trailer),)

    def inputs(self, trailer: str) -> tuple[Path, ...]:
        return (self.layout.root / "subtitles" / f"{trailer}.txt",)

    def fingerprint(self, trailer: str) -> str:
        (text,) = self.inputs(trailer)
        if not text.exists():
            raise StoreError("does not exist", where=text)
        return fingerprint(self.schema, self.settings, sha256_of(text))

    def read(self, trailer: str):
        words = self.path(trailer).read_text().split()
        if len(words) != 2:
            raise StoreError("is truncated", where=self.path(trailer), remedy="Remove it.")
        return self.row(trailer, words[0], {"letters": float(words[1])})

    def make(self, trailer: str):
        (text,) = self.inputs(trailer)
        wanted, words = self.fingerprint(trailer), text.read_text().split()
        if not words:
            raise TrailerError("contains no words", where=text)
        mean = round(sum(map(len, words)) / len(words), self.settings.digits)
        write_text(self.path(trailer), f"{wanted} {mean}\\n")
        return self.read(trailer)


def add_flags(parser: argparse.ArgumentParser) -> None:
    shard.add_flags(parser)
    parser.add_argument("--digits", type=int, default=1)


def run(arguments: argparse.Namespace) -> None:
    shard.run_stage(Letters(Layout(arguments.results), (), Settings(arguments.digits)), arguments)
'''


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A results folder with the subtitles of two trailers; the stage is registered."""
    (tmp_path / "letters_outside.py").write_text(TOY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "STAGES", list(registry.STAGES))
    registry.register(Entry("letters", "letters", "count letters", "letters_outside:Letters"))
    layout = Layout(tmp_path / "results")
    for trailer, text in (("one", "no"), ("two", "you are my father")):
        path = layout.root / "subtitles" / f"{trailer}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    layout.shard(SHARD).parent.mkdir()
    layout.shard(SHARD).write_text("one\ntwo\n")
    yield layout
    sys.modules.pop("letters_outside", None)


def run(layout: Layout, *more: str) -> int:
    ledger = layout.ledger("letters", SHARD)
    words = ["--shard", layout.shard(SHARD), "--ledger", ledger, "--results", layout.root, *more]
    return command_line.main(["letters", *map(str, words)])


def checked(layout: Layout, capsys: pytest.CaptureFixture[str], **options: object) -> list[str]:
    flags = {"results": layout.root, "stages": verify.folders(), "deep": False, "repair": False, "older_s": 600.0}
    verify.run(argparse.Namespace(**{**flags, **options}))
    return capsys.readouterr().out.splitlines()


def test_it_is_a_command_and_its_ledger_has_the_outcome_of_every_trailer(layout, capsys):
    assert run(layout) == 0
    rows = read_ledger(layout.ledger("letters", SHARD))
    assert [(row.status, row.path, row.facts) for row in rows.values()] == [
        (OK, "letters/one.txt", {"letters": 2.0}),
        (OK, "letters/two.txt", {"letters": 3.5}),
    ]
    with pytest.raises(SystemExit):
        command_line.main(["--help"])
    assert "count letters" in capsys.readouterr().out


def test_another_setting_or_input_redoes_only_what_depends_on_it(layout, caplog):
    caplog.set_level("INFO")
    run(layout)
    run(layout, "--digits", "2")
    assert "letters: 2 trailers: 0 up to date, 2 to make" in caplog.text
    (layout.root / "subtitles" / "one.txt").write_text("never")
    run(layout, "--digits", "2")
    assert "letters: 2 trailers: 1 up to date, 1 to make" in caplog.text


def test_verify_finds_and_repairs_its_damage(layout, capsys):
    run(layout)
    assert checked(layout, capsys)[0] == "No problems found."
    path = layout.root / "letters" / "two.txt"
    path.write_text("0123")
    assert checked(layout, capsys, repair=True)[0] == f"{path}: is truncated"
    assert not path.exists()
    assert shard.read_attempts(layout.attempts("letters", SHARD)) == 1


def test_status_counts_it(layout):
    run(layout)
    (layout.root / "subtitles" / "one.txt").write_text("")
    run(layout)
    lines = list(status.describe(layout, ["one", "two", "three"], [], 0.0))
    (line,) = [line for line in lines if line.startswith("letters")]
    assert line.split()[:6] == ["letters", "1", "0", "1", "0", "1"]
    assert any("failed in letters" in line for line in lines)


def test_retry_tries_it_again(layout, capsys):
    (layout.root / "subtitles" / "one.txt").write_text("")
    run(layout)
    assert retry.request_attempts(layout, dead=False) == {"failed in letters": 1}


def test_the_report_shows_it(layout, tmp_path):
    (tmp_path / "m.csv").write_text("trailer,url\none,a.mp4\ntwo,b.mp4\n")
    (layout.root / "subtitles" / "one.txt").write_text("")
    run(layout)
    stages = report.read_stages([layout.ledger("letters", SHARD)], layout)
    assert [(stage.name, stage.count(OK)) for stage in stages] == [("letters", 1)]
    (reason,) = troubles({stage.key: stage.rows for stage in stages})
    assert (reason.stage, reason.status) == ("letters", "failed")
    assert [trailer for trailer, _ in reason.trailers] == ["one"]
    parser = argparse.ArgumentParser()
    report.add_flags(parser)
    words = ["--manifest", tmp_path / "m.csv", "--ledgers", layout.ledger("letters", SHARD), "--results", layout.root]
    report.run(parser.parse_args([*map(str, words), "--output", str(tmp_path / "index.html")]))
    assert "letters" in (tmp_path / "index.html").read_text()


def test_two_stages_of_one_name_are_refused(layout):
    from trailers.errors import ConfigError

    with pytest.raises(ConfigError, match="a stage that is called 'letters' or writes the same ledgers is already"):
        registry.register(Entry("letters", "more-letters", "", "letters_outside:Letters"))
