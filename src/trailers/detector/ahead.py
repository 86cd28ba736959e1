"""Reads items in one thread while another thread computes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import Any, TypeVar

T = TypeVar("T")

END = object()


def ahead(items: Iterable[T], *, depth: int) -> Generator[T, None, None]:
    """The same items, which another thread reads up to ``depth`` items ahead.

    An exception of ``items`` is raised here at its place. Close the iterator to stop the thread early.
    """
    ready: queue.Queue[Any] = queue.Queue(depth)
    unwanted = threading.Event()
    raised: list[BaseException] = []

    def put(item: object) -> None:
        while not unwanted.is_set():
            try:
                return ready.put(item, timeout=0.1)
            except queue.Full:
                continue

    def walk() -> None:
        try:
            for item in items:
                put(item)
                if unwanted.is_set():
                    return
        except BaseException as problem:  # noqa: BLE001  raised below, in the other thread
            raised.append(problem)
        put(END)

    thread = threading.Thread(target=walk, name="ahead", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not END:
            yield item
    finally:
        unwanted.set()
        thread.join()
    if raised:
        raise raised[0]
