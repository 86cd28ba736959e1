"""Videos on this machine are only read."""

from __future__ import annotations

import argparse
import json
import os
from hashlib import sha256

import pytest

from server import Page, Server
from trailers.errors import ConfigError, ManifestError, StoreError
from trailers.store import share
from trailers.store.receipt import check_reference, source_of
from trailers.web import collect, download_folder


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


@pytest.mark.parametrize("can_clone", [True, False])
def test_writing_the_product_leaves_the_users_file_alone(work, video, tmp_path, monkeypatch, can_clone):
    if not can_clone:
        monkeypatch.setattr(share, "clone", lambda *_: missing())
    source = tmp_path / "cat.mp4"
    source.write_bytes(video)
    work.one("cat.mp4")
    with (work.results / "download" / "a.mp4").open("r+b") as file:
        file.write(b"else")
    assert source.read_bytes() == video


@pytest.mark.parametrize("way", ["copy", "reference"])
@pytest.mark.parametrize("moment", ["before it is copied", "while it is copied"])
def test_a_file_that_is_changed_while_it_is_read_is_read_again_by_the_next_run(
    work, video, tmp_path, monkeypatch, way, moment
):
    source, product = tmp_path / "cat.mp4", work.results / "download" / "a.mp4"
    source.write_bytes(video)
    if moment == "before it is copied" or way == "reference":
        real = collect.sha256_of

        def edited(path):
            digest = real(path)
            source.write_bytes(video + b"more")
            return digest

        monkeypatch.setattr(collect, "sha256_of", edited)
    else:
        copy = download_folder.share
        monkeypatch.setattr(
            download_folder, "share", lambda *paths: (source.write_bytes(video + b"more"), copy(*paths))
        )
    row = work.one("cat.mp4", local_files=way)
    assert row.status == "failed"
    assert "cat.mp4 was changed or removed while it was read" in row.error
    assert not product.exists()
    monkeypatch.undo()
    assert work.one("cat.mp4", local_files=way).status == "ok"
    assert work.receipt().sha256 == sha256(video + b"more").hexdigest()


@pytest.mark.parametrize("name", ["loop.mp4", "x" * 300 + ".mp4"])
def test_a_path_that_can_lead_to_no_file_is_dead_until_one_is_there(work, video, tmp_path, name):
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    row = work.one(f"./{name}")
    assert (row.status, row.reason) == ("dead", "not found")
    assert "cannot be opened: " in row.error
    assert work.one(f"./{name}") == row
    if name == "loop.mp4":
        (tmp_path / "loop.mp4").unlink()
        (tmp_path / "loop.mp4").write_bytes(video)
        assert work.one(f"./{name}").status == "ok"


def missing():
    raise OSError(95, "Operation not supported")


def test_a_hard_link_of_an_earlier_version_becomes_a_copy(work, video, tmp_path):
    source, product = tmp_path / "cat.mp4", work.results / "download" / "a.mp4"
    source.write_bytes(video)
    first = work.one("cat.mp4")
    product.unlink()
    product.hardlink_to(source)
    assert work.one("cat.mp4") == first
    assert (product.samefile(source), product.read_bytes() == video) == (False, True)


def test_a_reference_takes_no_space_and_names_the_file(work, video, tmp_path):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "cat.mp4").write_bytes(video)
    row = work.one("videos/cat.mp4", local_files="reference")
    assert (row.status, row.path, row.facts["reference"]) == ("ok", "download/a.json", "../../videos/cat.mp4")
    assert work.files() == ["download/a.json"]
    receipt = work.receipt()
    assert (receipt.file, receipt.reference, receipt.sha256) == ("", "../../videos/cat.mp4", sha256(video).hexdigest())
    path = work.results / "download" / "a.json"
    assert source_of(path, receipt).read_bytes() == video
    check_reference(path, receipt)
    assert work.one("videos/cat.mp4", local_files="reference") == row


def test_a_reference_to_an_absolute_path_stays_absolute(work, video, tmp_path):
    (tmp_path / "cat.mp4").write_bytes(video)
    assert work.one(str(tmp_path / "cat.mp4"), local_files="reference").status == "ok"
    assert work.receipt().reference == str(tmp_path / "cat.mp4")


@pytest.mark.parametrize("change", ["other bytes of the same length and time", "longer", "gone"])
def test_a_reference_that_was_changed_is_refused(work, video, tmp_path, change):
    source = tmp_path / "cat.mp4"
    source.write_bytes(video)
    work.one("cat.mp4", local_files="reference")
    before = source.stat()
    if change == "gone":
        source.unlink()
    else:
        source.write_bytes(video + b"x" if change == "longer" else video[:-1] + bytes([video[-1] ^ 1]))
        os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(StoreError, match="was removed or changed after the download stage read it"):
        check_reference(work.results / "download" / "a.json", work.receipt())


def test_a_removed_reference_is_dead_and_a_changed_one_is_read_again(work, video, other_video, tmp_path):
    source = tmp_path / "cat.mp4"
    source.write_bytes(video)
    work.one("cat.mp4", local_files="reference")
    source.write_bytes(other_video)
    assert work.one("cat.mp4", local_files="reference").status == "ok"
    assert work.receipt().sha256 == sha256(other_video).hexdigest()
    source.unlink()
    row = work.one("cat.mp4", local_files="reference")
    assert (row.status, row.facts["reason"]) == ("dead", "not found")


def test_copies_and_references_replace_each_other(work, video, tmp_path):
    (tmp_path / "cat.mp4").write_bytes(video)
    work.one("cat.mp4", local_files="reference")
    assert work.one("cat.mp4").path == "download/a.mp4"
    assert work.files() == ["download/a.json", "download/a.mp4"]
    # A copy is kept until the trailer is made again.
    assert work.one("cat.mp4", local_files="reference").path == "download/a.mp4"
    os.utime(tmp_path / "cat.mp4", ns=(1, 1))
    assert work.one("cat.mp4", local_files="reference").path == "download/a.json"
    assert work.files() == ["download/a.json"]
    assert (tmp_path / "cat.mp4").read_bytes() == video


def test_an_unknown_value_of_local_files_is_refused(work):
    with pytest.raises(ConfigError, match=r"download\.local_files: is 'link'\. Write copy or reference"):
        work.one("cat.mp4", local_files="link")


@pytest.fixture
def elsewhere(tmp_path):
    """A folder of the user, which must not change."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "mine.mp4").write_bytes(b"mine")
    yield folder
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [("mine.mp4", b"mine")]


@pytest.mark.parametrize("place", [".partial", ".partial/a"])
@pytest.mark.parametrize("is_local", [True, False])
def test_a_link_in_place_of_the_folder_of_partial_bytes_is_refused(work, video, tmp_path, elsewhere, place, is_local):
    link = work.results / "download" / place
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    (tmp_path / "cat.mp4").write_bytes(video)
    with Server({"/cat.mp4": Page(video)}) as server:
        row = work.one("cat.mp4" if is_local else server.link("/cat.mp4"))
        assert server.requests == []
    assert row.status == "failed"
    assert row.error == (
        f"download: {link}: is a symbolic link, and nothing is written or deleted through one. Remove the link and "
        "rerun."
    )


def test_a_link_in_place_of_the_cache_is_refused(work, video, elsewhere):
    link = work.results / "download" / ".cache"
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    with Server({"/cat.mp4": Page(video)}) as server:
        row = work.one(server.link("/cat.mp4"))
    assert (row.status, f"{link}: is a symbolic link" in row.error) == ("failed", True)


def test_a_link_in_place_of_partial_bytes_is_not_written_through(work, big, elsewhere):
    with Server({"/cat.mp4": [Page(big), Page(big, cut=200_000)]}) as server:
        work.one(server.link("/cat.mp4"), retries="0")
        (partial,) = (work.results / "download" / ".partial" / "a").glob("*.part")
        partial.unlink()
        partial.symlink_to(elsewhere / "mine.mp4")
        server.pages["/cat.mp4"] = [Page(big)]
        assert work.one(server.link("/cat.mp4"), retries="0").status == "ok"
    assert work.receipt().sha256 == sha256(big).hexdigest()


def test_a_link_in_place_of_a_product_is_replaced(work, video, tmp_path, elsewhere):
    (tmp_path / "cat.mp4").write_bytes(video)
    product = work.results / "download" / "a.mp4"
    product.parent.mkdir(parents=True)
    product.symlink_to(elsewhere / "mine.mp4")
    assert work.one("cat.mp4").status == "ok"
    assert (product.is_symlink(), product.read_bytes() == video) == (False, True)


def test_the_folder_of_downloads_may_be_on_another_disk(work, video, tmp_path):
    (tmp_path / "disk").mkdir()
    work.results.mkdir()
    (work.results / "download").symlink_to(tmp_path / "disk")
    (tmp_path / "cat.mp4").write_bytes(video)
    assert work.one("cat.mp4").status == "ok"
    assert sorted(path.name for path in (tmp_path / "disk").rglob("*") if path.is_file()) == ["a.json", "a.mp4"]


@pytest.mark.parametrize("name", ["a.srt", "a.mp4.txt", "a.en.vtt", "a.mkv", "a.json.bak"])
def test_files_that_a_user_puts_beside_a_video_are_kept(work, video, other_video, tmp_path, name):
    (tmp_path / "cat.mp4").write_bytes(video)
    (tmp_path / "cat.webm").write_bytes(other_video)
    work.one("cat.mp4")
    mine = work.results / "download" / name
    mine.write_text("mine")
    note = work.results / "download" / ".partial" / "a" / "note.txt"
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text("mine")
    assert work.one("cat.webm").path == "download/a.webm"
    assert (mine.read_text(), note.read_text()) == ("mine", "mine")
    assert not (work.results / "download" / "a.mp4").exists()


@pytest.mark.parametrize("name", ["b.mp4", "../cat.mp4", "/etc/hostname", "a.json"])
def test_a_receipt_that_names_another_file_moves_and_removes_nothing(work, video, tmp_path, name):
    (tmp_path / "b.mp4").write_bytes(video)
    work.run({"b": "b.mp4"})
    with Server({"/cat.mp4": Page(video), "/new.mp4": Page(video)}) as server:
        work.one(server.link("/cat.mp4"), enforce_quality="true")
        path = work.results / "download" / "a.json"
        values = json.loads(path.read_text())
        values["facts"]["kept"]["file"] = name
        path.write_text(json.dumps(values))
        assert work.one(server.link("/new.mp4")).status == "ok"
    assert (work.results / "download" / "b.mp4").read_bytes() == video
    assert (tmp_path / "b.mp4").read_bytes() == video


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


def test_a_source_removed_after_its_copy_was_made_changes_nothing(work, video, tmp_path):
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
def test_a_file_that_is_not_a_video_is_dead(work, video, tmp_path, kind):
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


@pytest.mark.parametrize("links", ["cat.mp4", "cat.mp4 | dog.mp4"])
def test_a_file_that_was_not_a_video_is_tried_again_after_it_was_replaced(work, video, other_video, tmp_path, links):
    (tmp_path / "cat.mp4").write_bytes(b"Once upon a time there was a cat.\n")
    if "dog" in links:
        (tmp_path / "dog.mp4").write_bytes(other_video)
    assert work.one(links).status == ("ok" if "dog" in links else "dead")
    (tmp_path / "cat.mp4").write_bytes(video)
    assert work.one(links).status == "ok"
    assert work.receipt().sha256 == sha256(video).hexdigest()


def test_a_file_that_was_not_a_video_stays_dead_after_it_was_removed(work, tmp_path):
    (tmp_path / "cat.mp4").write_bytes(b"Once upon a time there was a cat.\n")
    row = work.one("cat.mp4")
    (tmp_path / "cat.mp4").unlink()
    assert work.one("cat.mp4") == row


def test_a_link_cannot_reach_a_local_file(work, tmp_path, video):
    (tmp_path / "cat.mp4").write_bytes(video)
    with pytest.raises(ManifestError, match=r"row 2, column url: 'file:///.*' is not an http or https link"):
        work.one(f"file://{tmp_path}/cat.mp4")


def test_verify_repairs_a_reference_without_touching_the_users_file(work, video, other_video, tmp_path, capsys):
    from trailers.tools import verify

    (tmp_path / "cat.mp4").write_bytes(video)
    work.one("cat.mp4", local_files="reference")
    (tmp_path / "cat.mp4").write_bytes(other_video)
    parser = argparse.ArgumentParser()
    verify.add_flags(parser)
    verify.run(parser.parse_args(["--results", str(work.results), "--repair"]))
    assert "bytes, but its receipt says" in capsys.readouterr().out
    assert (tmp_path / "cat.mp4").read_bytes() == other_video
    assert not (work.results / "download" / "a.json").exists()
