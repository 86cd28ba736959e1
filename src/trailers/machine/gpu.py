"""What a GPU needs to be told: to give the same numbers in every run, and in words why it failed."""

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


@contextlib.contextmanager
def exact_convolutions() -> Iterator[None]:
    """Inside, a GPU's convolutions are float32 where they say so, and the same in every run. Imports torch.

    By default they round float32 to the 10 bits of TF32, which matrix products do not.
    """
    import torch

    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield
