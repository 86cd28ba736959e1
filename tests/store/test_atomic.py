import io
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from trailers.store.atomic import TEMPORARY, atomic, unfailing, write_text


def test_a_file_appears_whole(tmp_path):
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


def test_what_a_library_could_not_write_is_raised_when_it_has_let_go(tmp_path):
    """/dev/full takes nothing, as a full disk does."""
    path = tmp_path / "x"
    told = []

    def write_as_a_library():
        with unfailing(path) as file:
            file.close()
            io.FileIO.__init__(file, "/dev/full", "wb")
            told.append(file.write(b"abc"))
            raise RuntimeError("the library's own words")

    with pytest.raises(OSError, match="No space left on device"):
        write_as_a_library()
    assert told == [3]
    assert list(tmp_path.iterdir()) == []


def test_what_a_library_wrote_is_there(tmp_path):
    with unfailing(tmp_path / "x") as file:
        assert file.write(np.arange(3, dtype="<u2")) == 6
        file.seek(2)
        file.write(b"!!")
    assert (tmp_path / "x").read_bytes() == b"\x00\x00!!\x02\x00"
