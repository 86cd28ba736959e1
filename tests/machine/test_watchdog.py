import os
import signal
import subprocess
import sys
import time

from trailers.machine.watchdog import take_note

WORKER = """
import pathlib, subprocess, sys, time
from trailers.machine.watchdog import Watchdog
dog = Watchdog(pathlib.Path(sys.argv[1]), timeout_s=1.0)
for trailer in ("a", "b", "c"):
    dog.starts(trailer)
    if trailer == sys.argv[2]:
        child = subprocess.Popen(["sleep", "600"])
        print(child.pid, flush=True)
        time.sleep(600)
    time.sleep(0.05)
dog.close()
print("done")
"""


def work(note, hang):
    return subprocess.run(
        [sys.executable, "-c", WORKER, str(note), hang], capture_output=True, text=True, check=False, timeout=60
    )


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A killed child whose parent is gone may wait for its new parent to take note of it.
    return "zombie" not in open(f"/proc/{pid}/status").read()


def test_a_worker_that_hangs_is_killed_with_its_children_and_the_trailer_is_noted(tmp_path):
    done = work(tmp_path / "hung" / "s0", "b")
    assert done.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 5
    while is_alive(int(done.stdout)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(int(done.stdout))
    assert take_note(tmp_path / "hung" / "s0") == "b"
    assert take_note(tmp_path / "hung" / "s0") == ""


def test_a_worker_that_goes_on_is_left_alone(tmp_path):
    done = work(tmp_path / "s0", "none")
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert take_note(tmp_path / "s0") == ""
