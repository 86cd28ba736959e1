"""Fixtures of the tests of the backbones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from trailers.machine.memory import keep_freed_memory


@pytest.fixture(scope="module", autouse=True)
def memory_is_kept() -> Iterator[None]:
    """Freed memory is kept as in a job, without which large networks take 50 % longer."""
    keep_freed_memory()
    yield
    keep_freed_memory(False)
