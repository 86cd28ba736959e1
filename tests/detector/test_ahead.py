"""Items are read ahead by another thread."""

from __future__ import annotations

import threading

import pytest

from trailers.detector.ahead import ahead
from trailers.errors import StoreError


def test_items_read_ahead_come_in_order_from_another_thread():
    def items():
        for number in range(20):
            yield number, threading.get_ident()

    found = list(ahead(items(), depth=3))
    assert [number for number, _ in found] == list(range(20))
    assert {thread for _, thread in found}.isdisjoint({threading.get_ident()})


def test_an_exception_while_reading_ahead_is_raised_in_its_place():
    def items():
        yield 1
        raise StoreError("broken")

    found = ahead(items(), depth=3)
    assert next(found) == 1
    with pytest.raises(StoreError, match="broken"):
        next(found)


def test_reading_ahead_stops_when_nobody_wants_more():
    read = []

    def items():
        for number in range(1000):
            read.append(number)
            yield number

    found = ahead(items(), depth=2)
    next(found)
    found.close()
    assert len(read) < 10
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]
