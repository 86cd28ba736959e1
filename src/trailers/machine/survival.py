"""Runs a function that may crash the process on many items, in a child that is replaced when it dies.

A damaged HDF5 file or video can make the library that reads it crash, hang or use all memory, without an exception. The
child is forked, so that no module is loaded again and items need not be sent to it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import pickle
import resource
import select
import signal
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

Item = TypeVar("Item")
Answer = TypeVar("Answer")

LENGTH = struct.Struct("<Q")
PATIENCE_S = 600.0  # for one item; if it takes longer, it counts as hanging


@dataclass(frozen=True)
class Died:
    """How the child that worked on an item ended; ``words`` complete "reading it"."""

    words: str


def survive(
    function: Callable[[Item], Answer], items: Sequence[Item], *, patience_s: float = PATIENCE_S
) -> Iterator[tuple[Item, Answer | Died]]:
    """Each item with the result of ``function``, or with ``Died`` if the child ended; in order.

    Call it before threads are started and before a GPU is used, because neither works after a fork.

    Args:
        function: its results are pickled; its exceptions are raised here.
        items: any objects, because they are not sent to the child.
        patience_s: maximum time for one item.
    """
    done = 0
    while done < len(items):
        with child_on(function, items[done:]) as child:
            for item in items[done:]:
                answer = child.answer(patience_s)
                done += 1
                yield item, cast("Answer | Died", answer)
                if isinstance(answer, Died):
                    break


@dataclass
class Child:
    process: int
    pipe: int
    is_gone: bool = False  # then another process may have its number

    def answer(self, patience_s: float) -> object:
        """The result for the next item. Raises the exception of ``function``."""
        until_s = time.monotonic() + patience_s
        head = self.read(LENGTH.size, until_s)
        body = head and self.read(LENGTH.unpack(head)[0], until_s)
        if not body:
            if time.monotonic() >= until_s:
                return Died(f"takes more than {patience_s:g} s")
            _, status = os.waitpid(self.process, 0)
            self.is_gone = True
            return Died(words_of_status(status))
        answer = pickle.loads(body)  # noqa: S301  from our own child
        if isinstance(answer, Raised):
            raise answer.problem
        return answer

    def read(self, size: int, until_s: float) -> bytes:
        """``size`` bytes; b"" if the child has died or takes too long."""
        read = bytearray()
        while len(read) < size:
            ready, _, _ = select.select([self.pipe], [], [], max(0.0, until_s - time.monotonic()))
            some = os.read(self.pipe, min(size - len(read), 1 << 20)) if ready else b""
            if not some:
                return b""
            read += some
        return bytes(read)


@dataclass(frozen=True)
class Raised:
    problem: Exception


@contextlib.contextmanager
def child_on(function: Callable[[Item], Answer], items: Sequence[Item]) -> Iterator[Child]:
    read, write = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(read)
        work(function, items, write)  # does not return
    os.close(write)
    child = Child(process, read)
    try:
        yield child
    finally:
        os.close(read)
        if not child.is_gone:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


def work(function: Callable[[Item], Answer], items: Sequence[Item], pipe: int) -> None:
    """Write the result for each item into ``pipe``; runs in the child, and ends it."""
    code = 1
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # it is expected to crash
        faulthandler.disable()
        for item in items:
            try:
                answer: object = function(item)
            except Exception as problem:  # noqa: BLE001  raised by the parent
                answer = Raised(problem)
            body = pickle.dumps(answer)
            rest = memoryview(LENGTH.pack(len(body)) + body)
            while rest:
                rest = rest[os.write(pipe, rest) :]
        code = 0
    finally:
        os._exit(code)  # without the parent's clean-up, which must not run twice


def words_of_status(status: int) -> str:
    if not os.WIFSIGNALED(status):
        return f"ends the process with status {os.waitstatus_to_exitcode(status)}"
    number = signal.Signals(os.WTERMSIG(status))
    if number == signal.SIGKILL:
        return "ends the process (killed, possibly because memory ran out)"
    return f"ends the process: {(signal.strsignal(number) or number.name).lower()}"
