"""What a GPU needs to be told: to give the same numbers in every run, and in words why it failed."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from trailers.errors import SystemicError
from trailers.machine.lease import set_aside

if TYPE_CHECKING:
    import torch

Given = ParamSpec("Given")
Found = TypeVar("Found")

# Read by the libraries when they start: none may round float32, whatever the user's shell says.
STRICT = {"NVIDIA_TF32_OVERRIDE": "0", "ONEDNN_DEFAULT_FPMATH_MODE": "STRICT"}

# torch has one class of error for most failures of NVIDIA's libraries, RuntimeError, and tells them apart in words.
# Words with "cuda:0" or "torch.cuda" in them are a program's own mistakes.
GPU_WORDS = re.compile(
    r"\bCUDA\b|(?i:\bcu(blas|dnn|sparse|solver|fft|rand)|\bnvrtc|\bnvml|\bnvidia driver)|unable to find an engine"
    r"|no valid execution plan|device-side assert|no kernel image"
)
FULL_WORDS = re.compile(r"out of memory|_ALLOC_FAILED|cudaErrorMemoryAllocation")
DEVICE_WORDS = re.compile(r"CUDA (driver )?error|GPU is lost|ECC|no CUDA-capable device|No CUDA GPUs are available")

# What torch can be told to round: a library's operations on float32.
OPERATIONS = [(library, operation) for library in ("cuda", "mkldnn") for operation in ("matmul", "conv", "rnn")]


def use_strict_environment() -> None:
    """Keep the libraries from rounding float32 on the environment's word; before the first product is computed.

    An environment that says nothing stays as it is: left alone, they round no more than torch lets them.
    """
    os.environ.update({name: value for name, value in STRICT.items() if name in os.environ})


@contextlib.contextmanager
def gpu_failures(who: str, *, halving: bool = True) -> Iterator[None]:
    """Inside, a GPU that is lost or gives an error is told of in one sentence. Imports torch.

    Args:
        who: the stage or the backbone at work.
        halving: whether less at a time can be tried when the GPU's memory is full.

    Raises:
        SystemicError: it failed.
        torch.OutOfMemoryError: its memory is full, however that was said, and ``halving``.
    """
    import torch

    try:
        yield
    except (RuntimeError, AssertionError, torch.cuda.DeferredCudaCallError) as problem:
        words = first_line(problem)
        if memory_is_full(problem):
            if not halving:
                raise SystemicError(
                    f"the memory of the GPU is full: {words}",
                    where=who,
                    remedy="Check with nvidia-smi what else uses it, or set the device to cpu.",
                ) from problem
            if isinstance(problem, torch.OutOfMemoryError):
                raise
            raise torch.OutOfMemoryError(words) from problem
        if not is_of_gpu(problem):
            raise
        if isinstance(problem, torch.AcceleratorError) or DEVICE_WORDS.search(words):
            set_aside(words)
        raise SystemicError(
            f"the GPU failed: {words}",
            where=who,
            remedy="Finished products are kept; check nvidia-smi and rerun.",
        ) from problem


def unless_full(work: Callable[Given, Found], *given: Given.args, **named: Given.kwargs) -> Found | None:
    """What ``work`` gives; None when the device's memory is full.

    By then the attempt's tensors are gone: the error holds them through its traceback, and is left behind here.
    """
    import torch

    try:
        return work(*given, **named)
    except torch.OutOfMemoryError:
        return None


def is_of_gpu(problem: BaseException) -> bool:
    """Whether the GPU, its driver or one of NVIDIA's libraries says so, and not the program."""
    import torch

    known = (torch.AcceleratorError, torch.OutOfMemoryError, torch.cuda.DeferredCudaCallError)
    return isinstance(problem, known) or GPU_WORDS.search(str(problem)) is not None


def memory_is_full(problem: BaseException) -> bool:
    """Whether the GPU's memory was too small; torch has a class for it, NVIDIA's libraries have words."""
    import torch

    if isinstance(problem, torch.OutOfMemoryError):
        return True
    return is_of_gpu(problem) and FULL_WORDS.search(first_line(problem)) is not None


def first_line(problem: BaseException) -> str:
    lines = str(problem).strip().splitlines()
    return lines[0].strip().removesuffix(".") if lines else type(problem).__name__


@contextlib.contextmanager
def exact_float32() -> Iterator[None]:
    """Inside, float32 is float32 on every device, and convolutions are the same in every run. Imports torch.

    By default cuDNN rounds float32 to the 10 bits of TF32; with TORCH_ALLOW_TF32_CUBLAS_OVERRIDE, or flags
    that a network of the user's own has set, matrix products do too. The flags are the whole process's:
    the first thread to come sets them, the last to go restores them.
    """
    with Inside.lock:
        if Inside.threads == 0:
            Inside.before = Flags.now()
            Flags.exact().set()
        Inside.threads += 1
    try:
        yield
    finally:
        with Inside.lock:
            Inside.threads -= 1
            if Inside.threads == 0:
                Inside.before.set()


class Inside:
    """The threads that are inside ``exact_float32``, and the flags as the first of them found them."""

    lock = threading.Lock()
    threads = 0
    before: Flags


@dataclass(frozen=True)
class Flags:
    """How torch treats float32. It has an older and a newer set of flags, and fails where they contradict."""

    precisions: dict[tuple[str, str], str]  # of each operation: ieee, tf32, bf16, or none for what a wider flag says
    convolutions_tf32: bool | None  # the older flags; None where they contradict the newer ones
    products: str | None
    cudnn: tuple[bool, bool, bool]  # enabled, benchmark, deterministic

    @classmethod
    def exact(cls) -> Flags:
        return cls(dict.fromkeys(OPERATIONS, "ieee"), False, "highest", (True, False, True))

    @classmethod
    def now(cls) -> Flags:
        import torch

        cudnn = torch.backends.cudnn
        precisions = {one: torch._C._get_fp32_precision_getter(*one) for one in OPERATIONS}
        older: list[Any] = [None, None]
        for number, read in enumerate((torch._C._get_cudnn_allow_tf32, torch.get_float32_matmul_precision)):
            with contextlib.suppress(RuntimeError):
                older[number] = read()
        return cls(precisions, older[0], older[1], (cudnn.enabled, cudnn.benchmark, cudnn.deterministic))

    def set(self) -> None:
        import torch

        cudnn = torch.backends.cudnn
        cudnn.enabled, cudnn.benchmark, cudnn.deterministic = self.cudnn
        # The older ones first: they write the newer ones too.
        torch._C._set_cudnn_allow_tf32(self.convolutions_tf32 is not False)
        if self.products is not None:
            torch.set_float32_matmul_precision(self.products)
        for operation, precision in self.precisions.items():
            torch._C._set_fp32_precision_setter(*operation, precision)


def is_exact_float32(device: torch.device | str) -> bool:
    """Whether products and convolutions of float32 keep the bits that TF32 and bfloat16 would lose."""
    import torch

    # 1 + 2^-12 needs 13 binary digits: float32 has 24, TF32 has 11, bfloat16 has 8. Times one it must come back.
    value = 1 + 2.0**-12
    with torch.inference_mode(), exact_float32():
        vectors = torch.full((256, 256), value, device=device)
        products = vectors @ torch.eye(256, device=device)
        images = torch.full((2, 64, 16, 16), value, device=device)
        convolved = torch.nn.functional.conv2d(images, torch.eye(64, device=device)[:, :, None, None])
        return bool((products == vectors).all()) and bool((convolved == images).all())
