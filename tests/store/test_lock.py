"""One process at a time holds a lock; the lock of a killed process is released."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

from trailers.store.lock import hold

HOLDER = """
import sys, time
from pathlib import Path
from trailers.store.lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
    print("released", time.monotonic(), flush=True)
"""


def start(folder, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, str(folder), str(seconds)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_an_empty_folder_is_removed_and_a_full_one_stays(tmp_path):
    with hold(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").is_dir()
    assert not (tmp_path / "a" / "b").exists()
    with hold(tmp_path / "c"):
        (tmp_path / "c" / "kept").touch()
    assert (tmp_path / "c" / "kept").exists()


def test_the_second_waits_for_the_first(tmp_path):
    holder = start(tmp_path / "a", 0.5)
    with hold(tmp_path / "a"):
        held = time.monotonic()
    words, released = holder.communicate(timeout=20)[0].split()
    assert words == "released"
    assert held >= float(released)  # the clock of time.monotonic is the machine's


def test_two_never_hold_one_folder_together(tmp_path):
    """Each adds one to a count that it reads, keeps for a moment, and writes; none is lost."""
    counter = tmp_path / "count"
    counter.write_text("0")
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom trailers.store.lock import hold\n"
        "folder, counter = map(Path, sys.argv[1:])\n"
        "for _ in range(20):\n"
        "    with hold(folder):\n"
        "        count = int(counter.read_text())\n"
        "        time.sleep(0.001)\n"
        "        counter.write_text(str(count + 1))\n"
    )
    jobs = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "a"), str(counter)]) for _ in range(4)]
    assert [job.wait(timeout=60) for job in jobs] == [0, 0, 0, 0]
    assert counter.read_text() == "80"


def test_a_killed_process_releases_its_lock(tmp_path):
    holder = start(tmp_path / "a", 3600)
    holder.send_signal(signal.SIGKILL)
    holder.wait(timeout=20)
    started = time.monotonic()
    with hold(tmp_path / "a"):
        assert time.monotonic() - started < 10
