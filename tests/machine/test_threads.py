"""Threads that keep torch to themselves."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from trailers.machine.threads import single_threads


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
def test_each_keeps_to_one_and_the_process_to_what_it_had() -> None:
    together = threading.Barrier(2)

    def seen() -> tuple[int, int]:
        together.wait(60)
        first = torch.get_num_threads()
        torch.ones(100_000).add_(1)  # large enough to be shared out
        return first, torch.get_num_threads()

    with single_threads(2) as pool:
        found = [future.result() for future in [pool.submit(seen) for _ in range(2)]]
        assert torch.get_num_threads() == 3
    assert found == [(1, 1), (1, 1)]
