"""A GPU that is late: in place of ``torch.cuda``, on the processor.

Whatever is computed or copied without a wait is put into the queue of its stream, and done only when
the host waits for it. So whoever reads a result too early, fills memory whose copy has not been made, or
lets one stream read what another has not yet written, gets wrong numbers here every time, where on
a GPU it happens now and then. Copies between host and device that make the host wait are listed.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

import trailers

PACKAGE = Path(trailers.__file__).parent  # a checkout may be in a folder called trailers too
GARBAGE = 0x5A  # the content of memory that nothing has been written to
aten = torch.ops.aten


class Stream:
    """Work in order, and how much of it is done."""

    def __init__(self, *_: object) -> None:
        self.work: list[Callable[[], None]] = []
        self.done = 0

    def run(self, until: int) -> None:
        while self.done < until:
            self.done += 1
            with torch.inference_mode():
                self.work[self.done - 1]()

    def wait_event(self, event: Event) -> None:
        stream, until = event.stream, event.until
        self.work.append(lambda: stream.run(until))

    def wait_stream(self, other: Stream) -> None:
        event = Event()
        event.record(other)
        self.wait_event(event)

    def synchronize(self) -> None:
        self.run(len(self.work))


class Event:
    """A point in a stream's work."""

    def __init__(self, *_: object) -> None:
        self.stream, self.until = Stream(), 0

    def record(self, stream: Stream) -> None:
        self.stream, self.until = stream, len(stream.work)

    def synchronize(self) -> None:
        self.stream.run(self.until)


class Late(torch.Tensor):
    """A tensor on the GPU: its shape is known at once, its numbers when they have been computed."""

    meta: torch.Tensor
    held: torch.Tensor | None
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, meta: torch.Tensor) -> Late:
        made = torch.Tensor._make_wrapper_subclass(
            cls, meta.shape, meta.stride(), meta.storage_offset(), dtype=meta.dtype, device=torch.device("cuda", 0)
        )
        made.meta, made.held = meta, None
        return made

    def numbers(self) -> torch.Tensor:
        if self.held is None:  # nothing was waited for: whatever lay there
            return torch.empty(self.meta.shape, dtype=self.meta.dtype).fill_(GARBAGE)
        return self.held

    def record_stream(self, stream: Stream) -> None:
        pass

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise AssertionError(f"{func} outside the late GPU")


class Waits(TorchDispatchMode):
    """Lists what makes the host wait for the device "cuda"."""

    def __init__(self) -> None:
        super().__init__()
        self.current = Stream()
        self.pinned: list[torch.Tensor] = []
        self.blocking: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if is_composite(func):
            with self:  # made of others, which inference mode hides
                return func.decompose(*args, **kwargs)
        if kwargs.pop("pin_memory", False):
            self.pinned.append(func(*args, **kwargs))
            return self.pinned[-1]
        if func in (aten._local_scalar_dense.default, aten.nonzero.default) and is_cuda(args[0].device):
            self.note()
        if func in (aten._to_copy.default, aten.copy_.default):
            *into, source = args[:2] if func is aten.copy_.default else args[:1]
            other = into[0].device if into else kwargs.get("device") or source.device
            late = kwargs.get("non_blocking") or (into and len(args) > 2 and args[2])
            host = source if is_cuda(other) else (into[0] if into else None)
            if is_cuda(other) != is_cuda(source.device) and not (late and host is not None and self.is_pinned(host)):
                self.note()
        return func(*args, **kwargs)

    def note(self) -> None:
        frames = [f for f in traceback.extract_stack() if Path(f.filename).is_relative_to(PACKAGE)]
        self.blocking.append(f"{frames[-1].filename.rpartition('/')[2]}: {frames[-1].line}" if frames else "a test")

    def is_pinned(self, tensor: torch.Tensor) -> bool:
        place = tensor.untyped_storage()._cdata
        return any(place == one.untyped_storage()._cdata for one in self.pinned)

    @contextlib.contextmanager
    def stream(self, stream: Stream) -> Iterator[None]:
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before


class LateCuda(Waits):
    """Everything on the device "cuda" while this is entered."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if is_composite(func):
            with self:  # made of others, which inference mode hides
                return func.decompose(*args, **kwargs)
        if kwargs.pop("pin_memory", False):
            self.pinned.append(func(*args, **kwargs).fill_(GARBAGE))
            return self.pinned[-1]
        if func is aten._local_scalar_dense.default and isinstance(args[0], Late):
            return self.waited_for(args[0]).item()
        if func in (aten._to_copy.default, aten.copy_.default):
            copied = self.copy(func, args, kwargs)
            if copied is not None:
                return copied
        on_device = any(isinstance(leaf, Late) for leaf in tree_leaves((args, kwargs)))
        return self.queue(func, args, kwargs) if on_device or is_cuda(kwargs.get("device")) else func(*args, **kwargs)

    def copy(self, func: Any, args: Any, kwargs: Any) -> torch.Tensor | None:
        """A copy between host and device; None for any other."""
        into = args[0] if func is aten.copy_.default else None
        source = args[0] if into is None else args[1]
        device = kwargs.get("device", source.device) if into is None else into.device
        late = kwargs.pop("non_blocking", False) or (into is not None and len(args) > 2 and args[2])
        if is_cuda(device) == isinstance(source, Late):
            return None
        if isinstance(source, Late):
            return self.to_host(into, source, late)
        if not (late and self.is_pinned(source)):
            self.note()
            source = source.clone()  # the host waits until it is read
        if into is not None:
            return self.queue(aten.copy_.default, (into, source), {})
        return self.queue(func, (source,), {**kwargs, "device": device})

    def to_host(self, into: torch.Tensor | None, source: Late, late: bool) -> torch.Tensor:
        if into is None or not (late and self.is_pinned(into)):
            found = self.waited_for(source)
            return found.clone() if into is None else into.copy_(found)
        self.current.work.append(lambda: into.copy_(source.numbers()))
        return into

    def waited_for(self, source: Late) -> torch.Tensor:
        self.note()
        self.current.synchronize()
        return source.numbers()

    def queue(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Begin ``func``: what it gives has a shape now and numbers later."""
        seen: dict[int, torch.Tensor] = {}

        def as_meta(tensor: torch.Tensor) -> torch.Tensor:
            meta = tensor.meta if isinstance(tensor, Late) else tensor.to("meta")
            seen[id(meta)] = tensor
            return meta

        where = {"device": "meta"} if "device" in kwargs else {}
        metas, meta_kwargs = tree_map_only(torch.Tensor, as_meta, (args, kwargs))
        shapes = func(*metas, **{**meta_kwargs, **where})
        found = tree_map_only(torch.Tensor, lambda meta: seen[id(meta)] if id(meta) in seen else Late(meta), shapes)

        def work() -> None:
            real_args, real_kwargs = tree_map_only(Late, Late.numbers, (args, kwargs))
            on_host = {"device": "cpu"} if "device" in kwargs else {}
            real = func(*real_args, **{**real_kwargs, **on_host})
            for late, numbers in zip(tree_leaves(found), tree_leaves(real), strict=True):
                if isinstance(late, Late):
                    late.held = numbers

        self.current.work.append(work)
        return found


def is_composite(func: Any) -> bool:
    """Whether ``func`` is made of other operations."""
    has = torch._C._dispatch_has_kernel_for_dispatch_key
    return func.namespace == "aten" and bool(has(func.name(), "CompositeImplicitAutograd"))


def is_cuda(device: Any) -> bool:
    return device is not None and torch.device(device).type == "cuda"


@contextlib.contextmanager
def late_cuda() -> Iterator[LateCuda]:
    """A late GPU in place of ``torch.cuda``, inside."""
    late = LateCuda()
    with in_place_of_cuda(late), late:
        before = torch._C._only_lift_cpu_tensors()
        torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device="cuda") is a copy that can be seen
        try:
            yield late
        finally:
            torch._C._set_only_lift_cpu_tensors(before)


@contextlib.contextmanager
def in_place_of_cuda(mode: Waits) -> Iterator[None]:
    """Streams and events of ``mode`` in place of those of ``torch.cuda``, inside."""
    torch._C._ensureCUDADeviceGuardSet()  # one that does nothing, where torch has none of its own
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "_lazy_init", lambda: None)
        patch.setattr(torch.cuda, "Stream", Stream)
        patch.setattr(torch.cuda, "Event", Event)
        patch.setattr(torch.cuda, "stream", mode.stream)
        patch.setattr(torch.cuda, "current_stream", lambda *_: mode.current)
        yield
