"""How often and how long a link is tried, and the deadline."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from trailers.errors import ConfigError
from trailers.settings import setting
from trailers.web.reasons import LinkError

COPY, REFERENCE = "copy", "reference"


@dataclass(frozen=True)
class Effort:
    """access and retries (do not change the receipt)"""

    retries: int = setting("number of retries of a request")
    backoff_s: float = setting("seconds before the first retry, doubled before each further one")
    max_wait_s: float = setting("in seconds; if a site asks for a longer wait, its trailers are left for the next run")
    sleep_s: float = setting("seconds between requests")
    rate_limit_kbps: float | None = setting("maximum rate in KiB/s")
    timeout_s: float = setting("seconds without an answer after which a connection is closed")
    deadline_s: float = setting("maximum time per link in seconds, including waits")
    max_size_mb: int = setting("maximum size of a video in MB; larger files are not trailers")
    cookies: str | None = setting("cookies.txt exported from a browser that is logged in")
    proxy: str | None = setting("proxy, such as socks5://127.0.0.1:1080")
    local_files: str = setting("copy or reference: whether videos on this machine are copied, or only their paths kept")

    def __post_init__(self) -> None:
        if self.local_files not in (COPY, REFERENCE):
            raise ConfigError(
                f"is '{self.local_files}'",
                where="config.yaml, download.local_files",
                remedy=f"Write {COPY} or {REFERENCE}.",
            )


class OverdueError(BaseException):
    """The deadline has passed. Not an Exception, so that no `except Exception` catches it."""


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """End the block with LinkError after ``seconds``, even if bytes arrive just fast enough to avoid a time-out.

    Signals reach only the main thread; in other threads there is no deadline.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise OverdueError

    started = time.monotonic()
    handler = signal.signal(signal.SIGALRM, ring)
    # The alarm is repeated every second, in case some clean-up catches the first exception.
    left_s, every_s = signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except OverdueError:
        raise LinkError("network", f"took more than download.deadline_s of {seconds:g} s") from None
    finally:
        signal.signal(signal.SIGALRM, handler)
        if left_s:  # another alarm was set before, such as the time-out of a test
            signal.setitimer(signal.ITIMER_REAL, max(0.01, left_s - (time.monotonic() - started)), every_s)
