"""Copies have the same bytes as their source, on file systems with and without reflinks."""

from __future__ import annotations

import pytest

from trailers.store import share
from trailers.store.share import share as share_file


def cannot_clone(source, target):
    raise OSError(95, "Operation not supported")


def clone_in_memory(source, target):
    """Stands in for a file system with reflinks."""
    target.write_bytes(source.read_bytes())


@pytest.fixture(params=[share.clone, clone_in_memory, cannot_clone], ids=["as here", "reflink", "no reflink"])
def file_system(request, monkeypatch):
    monkeypatch.setattr(share, "clone", request.param)


def test_the_bytes_are_the_same_and_the_source_stays(file_system, tmp_path):
    (tmp_path / "a").write_bytes(b"cat")
    share_file(tmp_path / "a", tmp_path / "below" / "b")
    assert (tmp_path / "below" / "b").read_bytes() == b"cat"
    (tmp_path / "below" / "b").unlink()
    assert (tmp_path / "a").read_bytes() == b"cat"


def test_an_existing_file_is_replaced_and_not_written_into(file_system, tmp_path):
    (tmp_path / "a").write_bytes(b"cat")
    (tmp_path / "b").write_bytes(b"dog")
    (tmp_path / "c").hardlink_to(tmp_path / "b")
    share_file(tmp_path / "a", tmp_path / "b")
    assert [(tmp_path / name).read_bytes() for name in "abc"] == [b"cat", b"cat", b"dog"]


def test_a_link_is_followed(file_system, tmp_path):
    (tmp_path / "a").write_bytes(b"cat")
    (tmp_path / "link").symlink_to("a")
    share_file(tmp_path / "link", tmp_path / "b")
    assert not (tmp_path / "b").is_symlink()
    assert (tmp_path / "b").read_bytes() == b"cat"


def test_sharing_again_leaves_nothing_behind(file_system, tmp_path):
    (tmp_path / "a").write_bytes(b"cat")
    for _ in range(2):
        share_file(tmp_path / "a", tmp_path / "b")
    share_file(tmp_path / "a", tmp_path / "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_writing_one_never_changes_the_other(file_system, tmp_path):
    (tmp_path / "a").write_bytes(b"cat")
    share_file(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a").stat().st_ino != (tmp_path / "b").stat().st_ino
    with (tmp_path / "b").open("r+b") as file:
        file.write(b"D")
    assert (tmp_path / "a").read_bytes() == b"cat"
    with (tmp_path / "a").open("r+b") as file:
        file.write(b"r")
    assert (tmp_path / "b").read_bytes() == b"Dat"


def test_a_source_that_is_not_there_is_an_error(file_system, tmp_path):
    with pytest.raises(FileNotFoundError):
        share_file(tmp_path / "a", tmp_path / "b")
    assert list(tmp_path.iterdir()) == []
