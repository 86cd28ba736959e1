"""Writes important messages both to the log of a job and to the terminal.

A rule of the workflow redirects both outputs of a job to its log. It keeps the terminal as another file descriptor,
whose number is in TRAILERS_TERMINAL: ``exec 3>&2; export TRAILERS_TERMINAL=3``.
"""

from __future__ import annotations

import contextlib
import os
import sys

VARIABLE = "TRAILERS_TERMINAL"
PROGRESS = "TRAILERS_PROGRESS"  # environment variable with a folder, while lines of progress are drawn (live.py)
CLEAR = "\r\x1b[J"  # clears a terminal from the start of this line to the end of the screen


def write_to_terminal(words: str) -> None:
    """Write ``words`` to standard error, and to the terminal if that is another file."""
    sys.stdout.flush()
    sys.stderr.flush()
    if is_standard_error():
        write(2, words)
    else:
        print(words, file=sys.stderr, flush=True)
    number = os.environ.get(VARIABLE, "")
    if number.isdecimal() and is_elsewhere(int(number)):
        # Lines of progress may be drawn on it, with the cursor before them.
        is_drawn_on = PROGRESS in os.environ and os.isatty(int(number))
        write(int(number), f"{CLEAR}{words}" if is_drawn_on else words)


def write(number: int, words: str) -> None:
    with contextlib.suppress(OSError):  # the reader has closed it
        os.write(number, f"{words}\n".encode(errors="backslashreplace"))


def is_standard_error() -> bool:
    """Whether ``sys.stderr`` is file descriptor 2; a notebook or a test may have replaced it."""
    try:
        return sys.stderr.fileno() == 2
    except (OSError, ValueError):
        return False


def is_elsewhere(number: int) -> bool:
    """Whether the file descriptor ``number`` is open and is another file than standard error."""
    try:
        there, here = os.fstat(number), os.fstat(2)
    except OSError:
        return False
    return (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino)
