"""Manifests made by the command line, for tests of its sources."""

from __future__ import annotations

from pathlib import Path

from trailers.__main__ import main
from trailers.domain import Trailer
from trailers.store.manifest import read_manifest


def make_manifest(folder: Path, *flags: object) -> list[Trailer]:
    assert main(["manifest", *map(str, flags), "--output", str(folder / "out.csv")]) == 0
    return read_manifest(folder / "out.csv")


def refusal(folder: Path, capsys, *flags: object) -> str:
    assert main(["manifest", *map(str, flags), "--output", str(folder / "out.csv")]) == 1
    assert not (folder / "out.csv").exists()
    return capsys.readouterr().err.replace(f"{folder}/", "")


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path
