import os
import signal
import subprocess
import sys
import time

import pytest

from trailers.machine.watchdog import Watched, take_note

# Arguments: the path of the note, and what happens to the worker.
WORKER = """
import os, pathlib, signal, subprocess, sys, time
from trailers.machine import watchdog
note, what = pathlib.Path(sys.argv[1]), sys.argv[2]
dog = watchdog.start(note, "shots", 1.2)
watchdog.OFTEN_S = 0.0
if what == "before":
    time.sleep(600)
for trailer in ("a", "b", "c"):
    dog.starts(trailer)
    if trailer != "b":
        continue
    if what == "hangs":
        child = subprocess.Popen(["sleep", "600"])
        print(child.pid, flush=True)
        time.sleep(600)
    if what == "is slow":
        for _ in range(5):
            time.sleep(0.3)
            watchdog.alive()
    if what == "crashes":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "is killed":
        os.kill(os.getpid(), signal.SIGKILL)
dog.close()
print("done")
"""


def work(note, what, **options):
    return subprocess.run(
        [sys.executable, "-c", WORKER, str(note), what],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        **options,
    )


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A killed child whose parent has ended stays a zombie until its new parent collects it.
    return "zombie" not in open(f"/proc/{pid}/status").read()


def wait_for(true):
    deadline = time.monotonic() + 20
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)
    return true()


def test_a_job_that_hangs_is_ended_with_its_children_says_why_and_notes_the_trailer(tmp_path):
    done = work(tmp_path / "hung" / "s0", "hangs")
    assert done.returncode == -signal.SIGALRM
    assert done.stderr.splitlines() == [
        "error: shots: b showed no sign of life for 1.2 s, so the job was ended (exit status 142). The next run will "
        "record this trailer as failed and continue with the others; if this machine is slow, raise trailer_timeout_s "
        "in config.yaml."
    ]
    assert wait_for(lambda: not is_alive(int(done.stdout)))
    assert take_note(tmp_path / "hung" / "s0") == (
        "b", "showed no sign of life for 1.2 s. The next run will try it again.",
    )  # fmt: skip
    assert take_note(tmp_path / "hung" / "s0") == ("", "")


def test_a_slow_trailer_that_advances_does_not_hang(tmp_path):
    done = work(tmp_path / "s0", "is slow")
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
    assert take_note(tmp_path / "s0") == ("", "")


def test_a_job_that_hangs_before_its_first_trailer_is_ended_without_a_note(tmp_path):
    done = work(tmp_path / "s0", "before")
    assert done.returncode == -signal.SIGALRM
    assert "shots: the job showed no sign of life for 1.2 s" in done.stderr
    assert "No trailer had been started" in done.stderr
    assert take_note(tmp_path / "s0") == ("", "")


def test_a_crash_is_noted_with_its_trailer_and_its_cause(tmp_path):
    done = work(tmp_path / "s0", "crashes")
    assert done.returncode == -signal.SIGSEGV
    assert wait_for((tmp_path / "s0").exists)
    assert take_note(tmp_path / "s0") == (
        "b", "crashed the job: segmentation fault. The next run will try it again.",
    )  # fmt: skip


def test_a_trailer_is_not_blamed_if_a_person_kills_the_job(tmp_path):
    done = work(tmp_path / "s0", "is killed")
    assert done.returncode == -signal.SIGKILL
    assert take_note(tmp_path / "s0") == ("", "")


def test_a_worker_that_makes_progress_is_not_ended(tmp_path):
    done = work(tmp_path / "s0", "nothing")
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert take_note(tmp_path / "s0") == ("", "")


def test_the_end_of_a_job_is_printed_to_the_terminal_and_not_only_to_the_log(tmp_path):
    with (tmp_path / "terminal").open("w") as terminal:
        number = terminal.fileno()
        work(tmp_path / "s0", "hangs", pass_fds=[number], env={**os.environ, "TRAILERS_TERMINAL": str(number)})
    assert "error: shots: b showed no sign of life" in (tmp_path / "terminal").read_text()


@pytest.mark.parametrize("text", ["b\n", "b"])
def test_a_note_of_an_earlier_version_is_understood(tmp_path, text):
    (tmp_path / "s0").write_text(text)
    assert take_note(tmp_path / "s0") == ("b", "hung in the previous run. The next run will try it again.")


def test_of_several_trailers_in_work_the_unfinished_one_is_recorded():
    watched = Watched(worker=1, stage="normalise", timeout_s=1)
    for line in ("starts a", "starts b", "starts c", "ends c", "alive", "ends a", "ends never started"):
        watched.hear(line)
    assert watched.trailer == "b"
    watched.hear("ends b")
    assert watched.trailer == ""
