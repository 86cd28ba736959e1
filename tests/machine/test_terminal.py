import os
import subprocess
import sys


def written(tmp_path, number):
    code = "from trailers.machine.terminal import write_to_terminal; write_to_terminal('error: no')"
    with (tmp_path / "terminal").open("w") as terminal:
        environment = {**os.environ, "TRAILERS_TERMINAL": number or str(terminal.fileno())}
        done = subprocess.run([sys.executable, "-c", code], pass_fds=[terminal.fileno()], env=environment, check=True,
                              capture_output=True, text=True)  # fmt: skip
    return done.stderr, (tmp_path / "terminal").read_text()


def test_the_log_and_the_terminal_get_the_same_message(tmp_path):
    assert written(tmp_path, "") == ("error: no\n", "error: no\n")


def test_without_a_separate_terminal_the_message_is_written_once(tmp_path):
    assert written(tmp_path, "2") == ("error: no\n", "")
    assert written(tmp_path, "97") == ("error: no\n", "")
    assert written(tmp_path, "x") == ("error: no\n", "")
