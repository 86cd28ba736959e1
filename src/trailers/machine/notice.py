"""Prints a line about steps that are usually fast and silent, if one of them takes long."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator

AFTER_S = 2.0


@contextlib.contextmanager
def notice_if_slow(words: str, *, after_s: float = AFTER_S) -> Iterator[None]:
    """Print "still ``words`` ..." to stderr, once, if the block takes longer than ``after_s``.

    Args:
        words: what the block does, such as "reading manifest.csv".
        after_s: seconds without a message.
    """
    timer = threading.Timer(after_s, show_notice, [words])
    timer.daemon = True  # so that it does not keep an interrupted command alive
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def show_notice(words: str) -> None:
    print(f"still {words} ...", file=sys.stderr, flush=True)
