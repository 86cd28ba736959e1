"""The deadline of a link."""

from __future__ import annotations

import signal
import time

from trailers.web import patience


def test_the_deadline_does_not_change_an_alarm_that_was_set_before():
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(time.monotonic()))
    earlier = signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        started = time.monotonic()
        with patience.deadline(60):
            time.sleep(0.1)
        end = time.monotonic() + 20
        while not rung and time.monotonic() < end:
            time.sleep(0.01)
        assert 0.25 < rung[0] - started < 5
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *earlier)
