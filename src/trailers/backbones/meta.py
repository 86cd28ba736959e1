"""Networks that take no memory, to be counted and described."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def without_memory() -> Iterator[None]:
    """Inside, the parameters of new networks lie on the device "meta".

    ``torch.device("meta")`` puts every new tensor there, so libraries that compute a network's widths
    with tensors (RegNet) fail in it. Here only what parameters and buffers are allocated with is redirected.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    allocations = {torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn}

    class OnMeta(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = dict(kwargs or {})
            if function in allocations and kwargs.get("device") is None:
                kwargs["device"] = "meta"
            return function(*args, **kwargs)

    with OnMeta():
        yield
