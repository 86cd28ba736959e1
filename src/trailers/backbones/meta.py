"""Networks that take no memory, for counting and describing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn


@contextlib.contextmanager
def without_memory() -> Iterator[None]:
    """Inside, the parameters of new networks are on the device "meta".

    ``torch.device("meta")`` puts every new tensor there, so libraries that compute a network's widths
    with tensors (RegNet) fail in it. Here only the functions that allocate parameters and buffers are redirected.
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


def on_meta(make: Callable[[], nn.Module]) -> nn.Module:
    """The network that ``make`` builds, on the device "meta"; some networks need memory while they are built."""
    import torch

    with torch.random.fork_rng(devices=[]):
        try:
            with without_memory():
                made = make()
        except (RuntimeError, NotImplementedError):  # some compute with tensors while they are built
            made = make()
        return made.to("meta")


def count(network: nn.Module, shape: Sequence[int]) -> tuple[int, int, torch.Tensor]:
    """Parameters of a network on the device "meta", its multiply-adds on pixels of ``shape``, and its output.

    The output has a shape but no values. Multiply-adds include the products of attention.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        output = network.requires_grad_(False)(torch.empty(tuple(shape), device="meta"))
    return sum(parameter.numel() for parameter in network.parameters()), counter.get_total_flops() // 2, output
