"""A line that says what takes long, for steps that are usually quick and say nothing."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator

AFTER_S = 2.0


@contextlib.contextmanager
def notice_if_slow(words: str, *, after_s: float = AFTER_S) -> Iterator[None]:
    """Say on stderr that ``words`` are being done, once, if the block takes longer than ``after_s``.

    Args:
        words: such as "reading manifest.csv".
        after_s: seconds of silence that nobody minds.
    """
    timer = threading.Timer(after_s, say, [words])
    timer.daemon = True  # never keeps a command that was interrupted
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def say(words: str) -> None:
    print(f"still {words} ...", file=sys.stderr, flush=True)
