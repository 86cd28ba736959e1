"""What the tests of the backbones share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from trailers.machine.memory import keep_freed_memory


@pytest.fixture(scope="module", autouse=True)
def memory_is_kept() -> Iterator[None]:
    """As in a job: large networks take half as long again without."""
    keep_freed_memory()
    yield
    keep_freed_memory(False)
