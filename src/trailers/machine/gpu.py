"""Makes GPUs give the same numbers in every run, and turns their failures into sentences."""

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

# Environment variables that libraries read when they start; with these values, they do not round float32.
STRICT = {"NVIDIA_TF32_OVERRIDE": "0", "ONEDNN_DEFAULT_FPMATH_MODE": "STRICT"}

# torch raises RuntimeError for most failures of NVIDIA's libraries; only their messages differ. Messages with "cuda:0"
# or "torch.cuda" are about mistakes of the program.
GPU_WORDS = re.compile(
    r"\bCUDA\b|(?i:\bcu(blas|dnn|sparse|solver|fft|rand)|\bnvrtc|\bnvml|\bnvidia driver)|unable to find an engine"
    r"|no valid execution plan|device-side assert|no kernel image"
)
FULL_WORDS = re.compile(r"out of memory|_ALLOC_FAILED|cudaErrorMemoryAllocation")
DEVICE_WORDS = re.compile(r"CUDA (driver )?error|GPU is lost|ECC|no CUDA-capable device|No CUDA GPUs are available")

# The operations on float32, by library, for which torch has a setting of precision.
OPERATIONS = [(library, operation) for library in ("cuda", "mkldnn") for operation in ("matmul", "conv", "rnn")]


def use_strict_environment() -> None:
    """Override environment variables that make libraries round float32; call it before the first product is computed.

    Variables that are not set stay so: by default, the libraries round only what torch allows.
    """
    os.environ.update({name: value for name, value in STRICT.items() if name in os.environ})


@contextlib.contextmanager
def gpu_failures(who: str, *, halving: bool = True) -> Iterator[None]:
    """Turn errors of the GPU in the block into one sentence. Imports torch.

    Args:
        who: the stage or the backbone that computes.
        halving: whether the caller can try a smaller batch if the memory of the GPU is full.

    Raises:
        SystemicError: the GPU failed, or its memory is full and not ``halving``.
        torch.OutOfMemoryError: its memory is full and ``halving``; also for other exceptions that say so.
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
    """The result of ``work``; None if the memory of the device is full.

    When this returns, the tensors of the attempt are freed, because the error that holds them is not kept.
    """
    import torch

    try:
        return work(*given, **named)
    except torch.OutOfMemoryError:
        return None


def is_of_gpu(problem: BaseException) -> bool:
    """Whether ``problem`` comes from the GPU, its driver or a library of NVIDIA, and not from the program."""
    import torch

    known = (torch.AcceleratorError, torch.OutOfMemoryError, torch.cuda.DeferredCudaCallError)
    return isinstance(problem, known) or GPU_WORDS.search(str(problem)) is not None


def memory_is_full(problem: BaseException) -> bool:
    """Whether the memory of the GPU is full: by torch's exception, or by messages of NVIDIA's libraries."""
    import torch

    if isinstance(problem, torch.OutOfMemoryError):
        return True
    return is_of_gpu(problem) and FULL_WORDS.search(first_line(problem)) is not None


def first_line(problem: BaseException) -> str:
    lines = str(problem).strip().splitlines()
    return lines[0].strip().removesuffix(".") if lines else type(problem).__name__


@contextlib.contextmanager
def exact_float32() -> Iterator[None]:
    """In the block, float32 is not rounded on any device, and convolutions are the same in every run. Imports torch.

    By default, cuDNN rounds float32 to the 10 bits of TF32. With TORCH_ALLOW_TF32_CUBLAS_OVERRIDE, or flags that the
    user's own network has set, matrix products are rounded too. The flags belong to the whole process: the first thread
    that enters sets them, the last one that leaves restores them.
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
    """The number of threads inside ``exact_float32``, and the flags before the first of them entered."""

    lock = threading.Lock()
    threads = 0
    before: Flags


@dataclass(frozen=True)
class Flags:
    """How torch treats float32. It has an older and a newer set of flags, and fails if they contradict each other."""

    precisions: dict[tuple[str, str], str]  # operation -> ieee, tf32, bf16, or none for the value of a wider flag
    convolutions_tf32: bool | None  # the older flags; None if they contradict the newer ones
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
        # The older flags first, because setting them changes the newer ones too.
        torch._C._set_cudnn_allow_tf32(self.convolutions_tf32 is not False)
        if self.products is not None:
            torch.set_float32_matmul_precision(self.products)
        for operation, precision in self.precisions.items():
            torch._C._set_fp32_precision_setter(*operation, precision)


def is_exact_float32(device: torch.device | str) -> bool:
    """Whether products and convolutions in float32 keep the bits that TF32 and bfloat16 would lose."""
    import torch

    # 1 + 2^-12 needs 13 binary digits: float32 has 24, TF32 has 11, bfloat16 has 8. Multiplying it by one must keep it.
    value = 1 + 2.0**-12
    with torch.inference_mode(), exact_float32():
        vectors = torch.full((256, 256), value, device=device)
        products = vectors @ torch.eye(256, device=device)
        images = torch.full((2, 64, 16, 16), value, device=device)
        convolved = torch.nn.functional.conv2d(images, torch.eye(64, device=device)[:, :, None, None])
        return bool((products == vectors).all()) and bool((convolved == images).all())
