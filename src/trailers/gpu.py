"""A GPU that fails, in words."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from trailers.errors import SystemicError


@contextlib.contextmanager
def gpu_failures(who: str) -> Iterator[None]:
    """Inside, a GPU that is lost or gives an error is told of in one sentence. Imports torch.

    Raises:
        SystemicError: it failed. Memory that is full is another matter: less of it may do.
    """
    import torch

    try:
        yield
    except torch.AcceleratorError as problem:
        words = str(problem).strip().splitlines()[0]
        raise SystemicError(
            f"{who}: the GPU failed: {words}. What is made stays; look at nvidia-smi and run again."
        ) from problem
