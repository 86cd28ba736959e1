"""Many trailers, a tenth of them broken in ten ways: each is reported with its cause, and the others are made.

TRAILERS_FAULT_TRAILERS (100) is the number of trailers.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import workflow_lab as lab
from trailers.store.ledger import read_ledger
from trailers.video import ffmpeg_path

pytestmark = pytest.mark.slow

TRAILERS = int(os.environ.get("TRAILERS_FAULT_TRAILERS", "100"))


def tiny_video(path: Path, *options: str) -> Path:
    source = ["-f", "lavfi", "-i", "testsrc2=size=64x48:rate=24:duration=0.5"]
    encode = options or ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-preset", "ultrafast")
    subprocess.run([ffmpeg_path(), "-nostdin", "-loglevel", "error", "-y", *source, *encode, str(path)], check=True)
    return path


def break_in_ten_ways(folder: Path, good: Path) -> list[tuple[str, str, str]]:
    """(path in the manifest, stage that finds the fault, words of its message) for each kind of fault."""
    data = good.read_bytes()
    small = np.random.default_rng(0).bytes(5000)
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("this is not a video\n")
    (folder / "noise.mp4").write_bytes(small)
    (folder / "playlist.mp4").write_text("#EXTM3U\n/etc/passwd\n")
    (folder / "short.mp4").write_bytes(data[: len(data) // 2])
    (folder / "folder.mp4").mkdir()
    tiny_video(folder / "narrow.mp4", "-vf", "scale=8:8", "-c:v", "libx264", "-pix_fmt", "yuv420p")
    tone = ["-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac"]
    subprocess.run(
        [ffmpeg_path(), "-nostdin", "-loglevel", "error", "-y", *tone, str(folder / "sound.m4a")], check=True
    )
    start = data.index(b"mdat") + 4
    (folder / "holes.mp4").write_bytes(data[: start + 50] + bytes(len(data) - start - 50 - 2000) + data[-2000:])
    return [
        ("videos/none.mp4", "download", "not found"),
        ("videos/empty.mp4", "download", "is empty"),
        ("videos/text.mp4", "download", "is text, not a video"),
        ("videos/noise.mp4", "download", "cannot be read as a video"),
        ("videos/playlist.mp4", "download", "is a playlist"),
        ("videos/short.mp4", "download", "cannot be read as a video"),
        ("videos/folder.mp4", "download", "is not a file"),
        ("videos/holes.mp4", "normalise", "could be decoded"),
        ("videos/narrow.mp4", "download", "is too small to show anything"),
        ("videos/sound.m4a", "download", "has sound but no video"),
    ]


def test_of_many_trailers_a_tenth_is_broken_in_ten_ways_and_the_others_are_made(tmp_path):
    folder = tmp_path / "study"
    (folder / "videos").mkdir(parents=True)
    good = tiny_video(folder / "videos" / "good.mp4")
    broken = break_in_ten_ways(folder / "videos", good)
    rows, expected = [], {}
    for n in range(TRAILERS):
        url, stage, words = broken[n // 10 % 10] if n % 10 == 5 else (f"videos/v{n}.mp4", "", "")
        if not stage:
            os.link(good, folder / url)
        rows.append((f"t{n}", url))
        expected[f"t{n}"] = (stage, words)
    lab.write_manifest(folder, rows)
    words = ("--config", "shard_size=50", "download={sleep_s: 0}", "--until", "normalise")
    lab.snakemake(folder, *words)
    found = {}
    for stage in ("download", "normalise"):
        for path in sorted((folder / "results" / "ledger" / stage).glob("*.tsv")):
            found |= {(stage, trailer): row for trailer, row in read_ledger(path).items()}
    for trailer, (stage, words_found) in expected.items():
        statuses = [found[name, trailer].status for name in ("download", "normalise")]
        if not stage:
            assert statuses == ["ok", "ok"], found[("normalise", trailer)].error
        else:
            assert statuses == (["dead", "skipped"] if stage == "download" else ["ok", "dead"])
            assert words_found in found[stage, trailer].error
    made = {row.fingerprint for (stage, _), row in found.items() if stage == "normalise" and row.status == "ok"}
    assert len(made) == 1
    assert lab.planned(folder, *words) == {}
