"""Chooses the device and the precision of a job, for all stages.

A job that leased or requested a GPU and cannot use it stops with the cause; it never computes on the CPU without a
message.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from dataclasses import dataclass

from trailers.errors import ConfigError, SystemicError
from trailers.machine.gpu import first_line, is_exact_float32, use_strict_environment
from trailers.machine.lease import LEASED, set_aside
from trailers.machine.nvidia import driver_version
from trailers.machine.processor import has_bfloat16

log = logging.getLogger(__name__)

PRECISIONS = ("auto", "float32")
# CUDA's major version -> the oldest driver that runs it (NVIDIA, CUDA Compatibility, Table 1).
OLDEST_DRIVER = {11: 450, 12: 525, 13: 580}
CPU_REMEDY = "Set it to cpu to compute without a GPU."


@dataclass(frozen=True)
class Trouble:
    """Why torch cannot use a GPU."""

    words: str
    card: bool = False  # whether only this card is affected, so that another may work
    lasting: bool = False  # whether the problem will stay


def choose_device(wanted: str, *, setting: str) -> str:
    """cpu, cuda or cuda:N for the value of a setting; for auto, a GPU if there is one. Imports torch.

    Raises:
        ConfigError: the device does not exist, or was requested and cannot be used.
        SystemicError: the job leased a GPU that torch cannot use.
    """
    use_strict_environment()
    if wanted == "cpu":
        return wanted
    if not re.fullmatch(r"auto|cuda(:\d+)?", wanted):
        raise ConfigError(f"'{wanted}' is not a device", where=setting, remedy="Use auto, cpu or cuda.")
    promised = os.environ.get(LEASED)
    device = "cuda" if wanted == "auto" else wanted
    trouble = trouble_with(device)
    if trouble is None:
        return device
    if trouble.card:
        set_aside(trouble.words, lasting=trouble.lasting)
    if wanted == "auto" and not promised:
        if driver_version():
            log.warning("%s: computing on the CPU, because torch cannot use the GPU: %s", setting, trouble.words)
        return "cpu"
    if promised:
        raise SystemicError(
            f"torch cannot use GPU {promised}, which this job leased: {trouble.words}", where=setting, remedy=CPU_REMEDY
        )
    raise ConfigError(f"'{wanted}' is requested, but {trouble.words}", where=setting, remedy="Use auto or cpu.")


def trouble_with(device: str) -> Trouble | None:
    """Why torch cannot compute on ``device``, cuda or cuda:N; None if it can."""
    import torch

    if torch.version.cuda is None:
        return Trouble(f"torch {torch.__version__} was built without CUDA")
    if not torch.cuda.is_available():
        return Trouble(why_unavailable())
    number = int(device.partition(":")[2] or 0)
    if number >= torch.cuda.device_count():
        return Trouble(f"torch finds {torch.cuda.device_count()} GPUs")
    capability = torch.cuda.get_device_capability(number)
    if not runs_on(torch.cuda.get_arch_list(), capability):
        return Trouble(
            f"{torch.cuda.get_device_name(number)} has compute capability {capability[0]}.{capability[1]}, but "
            f"torch {torch.__version__} was built for {capabilities_text(torch.cuda.get_arch_list())}",
            card=True,
            lasting=True,
        )
    return try_out(device)


def why_unavailable() -> str:
    """Why torch finds no GPU: its own message, or a driver that is too old."""
    import torch

    driver = driver_version()
    if driver and (older := driver_is_too_old(driver, torch.version.cuda)):
        return older
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.cuda.init()  # type: ignore[no-untyped-call]
    except Exception as problem:  # noqa: BLE001  any exception is the cause that is wanted
        return f"torch finds no GPU: {first_line(problem)}" + (f" (driver {driver})" if driver else "")
    return "torch finds no GPU"


def oldest_driver(cuda: str | None) -> int | None:
    """The oldest driver that works for torch built with ``cuda``; None if it is not known."""
    return OLDEST_DRIVER.get(int(cuda.partition(".")[0])) if cuda else None


def driver_is_too_old(driver: str, cuda: str | None) -> str:
    """A sentence if torch built with ``cuda`` needs a newer driver than ``driver``, otherwise ""."""
    oldest = oldest_driver(cuda)
    if oldest is None or int(driver.partition(".")[0]) >= oldest:
        return ""
    return f"driver {driver} is too old for torch's CUDA {cuda}, which needs {oldest} or newer"


def runs_on(architectures: list[str], capability: tuple[int, int]) -> bool:
    """Whether code for ``architectures``, such as sm_90, runs on a card of ``capability``."""
    for architecture in architectures:
        found = re.fullmatch(r"(sm|compute)_(\d+)(\d)[a-z]?", architecture)
        if not found:
            continue
        built = int(found[2]), int(found[3])
        # Compiled code runs on later cards of its generation; code that is compiled later (compute_) on all later ones.
        if built <= capability and (found[1] == "compute" or built[0] == capability[0]):
            return True
    return False


def capabilities_text(architectures: list[str]) -> str:
    """The compute capabilities of ``architectures``, such as "7.5, 8.0 and 9.0"."""
    numbers = [re.sub(r"\D*(\d+)(\d)\D*", r"\1.\2", architecture) for architecture in architectures]
    return " and ".join(filter(None, [", ".join(numbers[:-1]), *numbers[-1:]]))


def try_out(device: str) -> Trouble | None:
    """Compute something small on ``device``, because a GPU may be broken or may round float32; None if it works."""
    import torch

    try:
        exact = is_exact_float32(device)
    except (RuntimeError, AssertionError, torch.cuda.DeferredCudaCallError) as problem:
        return Trouble(first_line(problem), card=True)
    if not exact:
        return Trouble(f"{device} rounds float32 although rounding is switched off", card=True)
    return None


def check_precision(wanted: str, *, setting: str) -> None:
    """Raise ConfigError if ``wanted`` is neither auto nor float32."""
    if wanted not in PRECISIONS:
        raise ConfigError(f"'{wanted}' is not a precision", where=setting, remedy=f"Use {' or '.join(PRECISIONS)}.")


def reduced_precisions(device: str) -> tuple[str, ...]:
    """The 16-bit precisions in which ``device`` is faster than in float32; on GPUs, both are equally fast.

    Imports torch.
    """
    import torch

    if device.startswith("cuda"):
        # Cards before compute capability 8.0 only emulate bfloat16.
        return ("bfloat16", "float16") if torch.cuda.is_bf16_supported(including_emulation=False) else ("float16",)
    return ("bfloat16",) if device == "cpu" and has_bfloat16() else ()
