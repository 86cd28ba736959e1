"""A full disk is named by its folder, not by the file that was being read."""

from __future__ import annotations

import errno
import os
import tempfile
from types import SimpleNamespace

import pytest

from trailers import __main__ as command
from trailers.machine import trouble
from trailers.store import atomic


@pytest.fixture
def disks(tmp_path, monkeypatch):
    """One folder on a full disk, one on a disk with space; both count files."""
    (tmp_path / "full").mkdir()
    (tmp_path / "roomy").mkdir()
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "roomy"))
    monkeypatch.setattr(
        trouble.shutil, "disk_usage", lambda path: SimpleNamespace(free=0 if path.name == "full" else 9)
    )
    monkeypatch.setattr(trouble.os, "statvfs", lambda path: SimpleNamespace(f_files=5, f_favail=5))
    return tmp_path


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "the disk of this folder is full. Free some space on it and rerun; finished products are kept."),
        (errno.EDQUOT, "your quota on the disk of this folder is used up. Remove some files or raise the "
         "quota and rerun; finished products are kept."),
        (errno.EROFS, "this folder is on a read-only disk. Mount it for writing or choose another folder and "
         "rerun; finished products are kept."),
        (errno.EFBIG, "a file in this folder became larger than the system allows. Check `ulimit -f` or use a file "
         "system for large files and rerun; finished products are kept."),
    ],
)  # fmt: skip
def test_the_folder_is_named_with_what_to_do(disks, number, sentence):
    problem = OSError(number, os.strerror(number), str(disks / "full" / "clips" / "a.csv"))
    assert str(trouble.systemic(problem, disks / "roomy")) == f"{disks / 'full'}: {sentence}"


def test_of_a_copy_the_target_is_named(disks):
    problem = OSError(errno.ENOSPC, "full", str(disks / "roomy" / "a.mp4"), None, str(disks / "full" / "a.mp4"))
    assert trouble.systemic(problem, disks).where == str(disks / "full")


def test_an_error_without_a_file_is_assigned_to_the_fullest_disk(disks):
    problem = OSError(errno.ENOSPC, "full")
    assert trouble.systemic(problem, disks / "roomy", disks / "full" / "not yet").where == str(disks / "full")


def test_a_disk_without_inodes_is_not_reported_as_full(disks, monkeypatch):
    monkeypatch.setattr(trouble.os, "statvfs", lambda path: SimpleNamespace(f_files=5, f_favail=0))
    found = trouble.systemic(OSError(errno.ENOSPC, "full", str(disks / "full" / "a")), disks)
    assert found.what == "the disk of this folder has free space but cannot hold more files (inodes)"


def test_too_many_open_files_are_not_reported_as_a_full_disk(disks):
    found = trouble.systemic(OSError(errno.EMFILE, "Too many open files", "/x/a.h5"), disks)
    assert str(found) == "too many files are open. Raise `ulimit -n` and rerun; finished products are kept."


def test_other_errors_are_not_reported_as_a_full_disk(disks):
    assert trouble.systemic(OSError(errno.ENOENT, "No such file"), disks) is None


# Every writer uses one of these three functions; errors must not name the temporary file.


def write_with_a_library(path):
    with atomic.deferring_errors(path) as file:
        file.write(b"all of it")


def write_in_a_block(path):
    with atomic.atomic(path) as temporary, temporary.open("wb") as file:
        file.write(b"all of it")
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    "write", [write_with_a_library, write_in_a_block, lambda path: atomic.write_text(path, "all of it")]
)
def test_a_writer_names_the_file_that_it_should_have_written(tmp_path, monkeypatch, write):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic, "sync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        write(tmp_path / "made" / "a.csv")
    assert caught.value.filename == str(tmp_path / "made" / "a.csv")
    assert list((tmp_path / "made").iterdir()) == []


def test_a_command_that_meets_a_full_disk_says_so_in_one_sentence(disks, monkeypatch, capsys):
    def run(arguments):
        raise OSError(errno.ENOSPC, "No space left on device", str(disks / "full" / "x.csv"))

    monkeypatch.setattr("trailers.tools.splits.run", run)
    assert command.main(["splits", "--manifest", "m.csv", "--output", str(disks / "full" / "out.csv")]) == 1
    assert f"error: {disks / 'full'}: the disk of this folder is full. Free some space" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["demo", "--output", "file"], "file: cannot be used: file exists."),
        (["demo", "--output", "file/videos"], "file/videos: cannot be used: not a directory."),
        (["archives", "--folder", "file"], "file: cannot be used: file exists."),
        (
            ["synthetic", "--packs", "shot24/a:4", "--trailers", "9", "--output", "taken"],
            "taken/shot24/a.h5: cannot be",
        ),
        (["retry", "--results", "x" * 300], f"{'x' * 300}: cannot be used: file name too long."),
    ],
)
def test_a_path_of_the_wrong_kind_is_reported_in_one_sentence(tmp_path, monkeypatch, capsys, words, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "taken/shot24/a.h5").mkdir(parents=True)
    assert command.main(words) == 1
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith(f"error: {sentence}")
    assert message.endswith(". Choose another path, or change the file or folder there.")


def test_a_folder_in_which_nothing_may_be_written_is_named_and_not_the_temporary_file():
    problem = PermissionError(errno.EACCES, "Permission denied", "/data/.tmp-12-abcd-x.h5")
    assert str(trouble.of_path(problem)) == (
        "/data: cannot be used: permission denied. Choose another path, or change the file or folder there."
    )
    assert trouble.of_path(FileNotFoundError(errno.ENOENT, "No such file or directory", "x")) is None
