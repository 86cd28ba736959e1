"""Videos on this machine: read, never altered."""

from __future__ import annotations

import os
from hashlib import sha256

import pytest

from trailers.errors import ManifestError
from trailers.store import share


def test_a_local_file_is_shared_and_never_altered(work, video, tmp_path):
    (tmp_path / "videos").mkdir()
    source = tmp_path / "videos" / "cat one.MP4"
    source.write_bytes(video)
    source.chmod(0o444)
    before = source.stat()
    row = work.one("videos/cat one.MP4")
    assert (row.status, row.path) == ("ok", "download/a.mp4")
    assert (work.results / "download" / "a.mp4").read_bytes() == video
    after = source.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_mode) == (before.st_size, before.st_mtime_ns, before.st_mode)
    facts = work.receipt().facts
    assert (facts["url"], facts["extractor"], facts["bytes"]) == ("videos/cat one.MP4", "file", len(video))
    (work.results / "download" / "a.mp4").unlink()
    assert source.read_bytes() == video


def test_a_file_where_no_link_can_be_made_is_copied(work, video, tmp_path, monkeypatch):
    (tmp_path / "cat.mp4").write_bytes(video)
    monkeypatch.setattr(share, "WAYS", ())
    work.one("cat.mp4")
    copy = work.results / "download" / "a.mp4"
    assert copy.read_bytes() == video
    assert copy.stat().st_ino != (tmp_path / "cat.mp4").stat().st_ino


def test_a_changed_file_is_noticed(work, video, other_video, tmp_path):
    source = tmp_path / "cat.mp4"
    source.write_bytes(video)
    work.one("cat.mp4")
    source.unlink()
    source.write_bytes(other_video)
    assert work.one("cat.mp4").status == "ok"
    assert work.receipt().sha256 == sha256(other_video).hexdigest()
    assert (work.results / "download" / "a.mp4").read_bytes() == other_video


def test_a_touched_file_keeps_its_digest(work, video, tmp_path):
    source = tmp_path / "cat.mp4"
    source.write_bytes(video)
    work.one("cat.mp4")
    before = work.receipt()
    os.utime(source, ns=(1, 1))
    work.one("cat.mp4")
    assert work.receipt().sha256 == before.sha256
    assert work.receipt().facts["source_mtime_ns"] == 1


def test_a_source_that_went_has_done_its_part(work, video, tmp_path):
    (tmp_path / "cat.mp4").write_bytes(video)
    first = work.one("cat.mp4")
    (tmp_path / "cat.mp4").unlink()
    assert work.one("cat.mp4") == first


def test_a_missing_file_is_dead_until_it_appears(work, video, tmp_path):
    row = work.one("cat.mp4")
    assert (row.status, row.error) == ("dead", f"download: not found: {tmp_path}/cat.mp4 does not exist")
    (tmp_path / "cat.mp4").write_bytes(video)
    assert work.one("cat.mp4").status == "ok"


@pytest.mark.parametrize("kind", ["text", "empty", "folder", "pipe", "cut"])
def test_what_is_no_video_is_dead(work, video, tmp_path, kind):
    source = tmp_path / "cat.mp4"
    if kind == "folder":
        source.mkdir()
    elif kind == "pipe":
        os.mkfifo(source)
    else:
        source.write_bytes(
            {"text": b"Once upon a time there was a cat.\n" * 99, "empty": b"", "cut": video[:500]}[kind]
        )
    row = work.one("cat.mp4")
    assert (row.status, row.facts["reason"]) == ("dead", "not found" if kind in ("folder", "pipe") else "not a video")
    assert work.files() == ["download/a.json"]


def test_no_local_file_is_reached_over_a_link(work, tmp_path, video):
    (tmp_path / "cat.mp4").write_bytes(video)
    with pytest.raises(ManifestError, match=r"row 2, column url: 'file:///.*' is no http or https link"):
        work.one(f"file://{tmp_path}/cat.mp4")
