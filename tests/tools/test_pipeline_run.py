"""``trailers run``: all further arguments go to Snakemake."""

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
def test_every_argument_reaches_snakemake_unchanged(monkeypatch, words):
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


@pytest.mark.parametrize(
    "flags", [["--configfile", "{}"], ["--configfiles={}"], ["-n", "--configfile", "ok.yaml", "{}"]]
)
def test_a_file_that_snakemake_cannot_read_is_reported_before_it_starts(monkeypatch, tmp_path, capsys, flags):
    pytest.importorskip("snakemake")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "execv", lambda *_: pytest.fail("snakemake was started"))
    (tmp_path / "ok.yaml").write_text("shard_size: 3\n")
    (tmp_path / "latin1.yaml").write_bytes(b"# one\nmanifest: caf\xe9.csv\n")
    assert main(["run", *(flag.format("latin1.yaml") for flag in flags)]) == 1
    assert capsys.readouterr().err == "error: latin1.yaml, line 2: byte 0xe9 is not UTF-8. Save the file as UTF-8.\n"
