"""Work that may crash the process: the item that crashed it is reported, and the others are done."""

import os
import signal
import time

import pytest

from trailers.errors import StoreError
from trailers.machine.survival import Died, survive


def test_answers_come_in_order():
    assert list(survive(lambda n: n * n, [1, 2, 3])) == [(1, 1), (2, 4), (3, 9)]
    assert list(survive(str, [])) == []


def test_an_answer_larger_than_a_pipe_comes_whole():
    assert list(survive(lambda n: b"x" * n, [300_000])) == [(300_000, b"x" * 300_000)]


@pytest.mark.parametrize(
    ("end", "how"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), "ends the process: segmentation fault"),
        (lambda: os.kill(os.getpid(), signal.SIGABRT), "ends the process: aborted"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "ends the process (killed, possibly because memory ran out)"),
        (lambda: os._exit(3), "ends the process with status 3"),
    ],
)
def test_an_item_that_ends_the_process_is_reported_and_the_rest_is_done(end, how):
    def try_it(item):
        if item in (1, 3):
            end()
        return item

    assert list(survive(try_it, [0, 1, 2, 3])) == [(0, 0), (1, Died(how)), (2, 2), (3, Died(how))]


def test_an_item_that_hangs_is_given_up():
    def try_it(item):
        time.sleep(600 if item == 0 else 0)
        return item

    assert list(survive(try_it, [0, 1], patience_s=0.2)) == [(0, Died("takes more than 0.2 s")), (1, 1)]


def test_an_exception_is_raised_with_its_fields():
    def fail(item):
        raise StoreError("is damaged", where=item)

    with pytest.raises(StoreError) as raised:
        list(survive(fail, ["x.h5"]))
    assert (raised.value.what, raised.value.where) == ("is damaged", "x.h5")


def test_no_child_is_left_when_the_work_is_given_up():
    answers = survive(lambda item: os.getpid(), [0, 1])
    _, process = next(answers)
    answers.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
