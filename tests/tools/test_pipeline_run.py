"""``trailers run``: everything after it is Snakemake's."""

import os

import pytest

from trailers.__main__ import main


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--cores", "16", "--resources", "gpu=4"],
        ["-n"],
        ["demo", "--cores", "all"],
        ["--cores", "2", "--config", "study=x.yaml", "--", "demo"],
        ["--version"],
    ],
)
def test_every_word_reaches_snakemake_as_it_is(monkeypatch, words):
    pytest.importorskip("snakemake")
    called = []
    monkeypatch.setattr(os, "execv", lambda program, arguments: called.append(arguments))
    assert main(["run", *words]) == 0
    (command,) = called
    assert command[1:4] == ["-m", "snakemake", "--snakefile"]
    assert command[5:] == words


def test_help_is_of_the_command_itself(capsys):
    with pytest.raises(SystemExit) as left:
        main(["run", "--help"])
    assert left.value.code == 0
    assert "Snakefile" in capsys.readouterr().out
