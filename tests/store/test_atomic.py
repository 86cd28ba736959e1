import io
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from trailers.errors import StoreError
from trailers.store.atomic import TEMPORARY, atomic, deferring_errors, make_folder, remove, write_text


def test_a_file_appears_only_when_it_is_complete(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    with atomic(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
    assert path.read_text() == "half"
    assert os.listdir(path.parent) == ["file.txt"]


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def fail():
        with atomic(path) as temporary:
            temporary.write_text("new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_the_temporary_name_keeps_the_suffix_and_is_hidden(tmp_path):
    with atomic(tmp_path / "video.mp4") as temporary:
        temporary.touch()
        assert temporary.name.startswith(TEMPORARY)
        assert temporary.name.startswith(".")
        assert temporary.suffix == ".mp4"


def test_a_kill_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "old")
    code = (
        "import os, signal, pathlib\n"
        "from trailers.store.atomic import atomic\n"
        f"with atomic(pathlib.Path({str(path)!r})) as temporary:\n"
        "    temporary.write_text('new')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old"


def test_an_error_while_a_library_writes_is_raised_when_it_closes_the_file(tmp_path):
    """/dev/full behaves like a full disk."""
    path = tmp_path / "x"
    returned = []

    def write_as_a_library():
        with deferring_errors(path) as file:
            file.close()
            io.FileIO.__init__(file, "/dev/full", "wb")
            returned.append(file.write(b"abc"))
            raise RuntimeError("the library's own message")

    with pytest.raises(OSError, match="No space left on device"):
        write_as_a_library()
    assert returned == [3]
    assert list(tmp_path.iterdir()) == []


def test_a_file_written_by_a_library_is_renamed_into_place(tmp_path):
    with deferring_errors(tmp_path / "x") as file:
        assert file.write(np.arange(3, dtype="<u2")) == 6
        file.seek(2)
        file.write(b"!!")
    assert (tmp_path / "x").read_bytes() == b"\x00\x00!!\x02\x00"


# Nothing is written or deleted through a link


@pytest.fixture
def elsewhere(tmp_path):
    """A folder of the user with a file; beside it, the results folder."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine.txt").write_text("mine")
    (tmp_path / "results").mkdir()
    yield tmp_path / "elsewhere"
    assert [(path.name, path.read_text()) for path in (tmp_path / "elsewhere").iterdir()] == [("mine.txt", "mine")]


@pytest.mark.parametrize("link", ["stage", "stage/deep", "stage/deep/id"])
def test_no_folder_is_made_behind_a_link(elsewhere, tmp_path, link):
    results = tmp_path / "results"
    (results / link).parent.mkdir(parents=True, exist_ok=True)
    (results / link).symlink_to(elsewhere)
    with pytest.raises(StoreError) as problem:
        make_folder(results / "stage" / "deep" / "id", below=results)
    assert problem.value.where == str(results / link)
    assert (problem.value.what, problem.value.remedy) == (
        "is a symbolic link, and nothing is written or deleted through one",
        "Remove the link and rerun.",
    )


@pytest.mark.parametrize("link", ["stage", "stage/deep"])
def test_nothing_is_deleted_behind_a_link(elsewhere, tmp_path, link):
    results = tmp_path / "results"
    (results / link).parent.mkdir(parents=True, exist_ok=True)
    (results / link).symlink_to(elsewhere)
    with pytest.raises(StoreError, match="is a symbolic link"):
        remove(results / link / "mine.txt", below=results)


def test_only_the_link_is_deleted_and_not_its_target(elsewhere, tmp_path):
    link = tmp_path / "results" / "a.mp4"
    link.symlink_to(elsewhere / "mine.txt")
    assert remove(link, below=tmp_path / "results")
    assert not link.is_symlink()


def test_a_folder_is_not_deleted(elsewhere, tmp_path):
    assert not remove(elsewhere, below=tmp_path)


def test_deleting_a_missing_file_is_not_an_error(tmp_path):
    assert not remove(tmp_path / "a", below=tmp_path)


def test_the_results_folder_itself_may_be_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "results").symlink_to("disk")
    make_folder(tmp_path / "results" / "stage", below=tmp_path / "results")
    (tmp_path / "results" / "stage" / "a").touch()
    assert remove(tmp_path / "results" / "stage" / "a", below=tmp_path / "results")
    assert list((tmp_path / "disk" / "stage").iterdir()) == []


@pytest.mark.parametrize("path", ["../elsewhere/mine.txt", "deep/../../elsewhere/mine.txt"])
def test_nothing_outside_is_deleted(elsewhere, tmp_path, path):
    with pytest.raises(ValueError, match=r"contains '\.\.'"):
        remove(tmp_path / "results" / path, below=tmp_path / "results")
    with pytest.raises(ValueError, match="is not in the subpath"):
        remove(elsewhere / "mine.txt", below=tmp_path / "results")


def test_a_file_written_at_a_link_replaces_the_link(elsewhere, tmp_path):
    link = tmp_path / "results" / "a.txt"
    link.symlink_to(elsewhere / "mine.txt")
    write_text(link, "ours")
    assert (link.is_symlink(), link.read_text()) == (False, "ours")
