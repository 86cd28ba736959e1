"""Checks of the GPUs: their driver, what torch's wheel needs, and which GPUs are free."""

from __future__ import annotations

import os
from collections.abc import Iterator

from trailers.errors import TrailerError
from trailers.machine.device import capabilities_text, driver_is_too_old, oldest_driver, runs_on, why_unavailable
from trailers.machine.lease import Obstacle, try_lease
from trailers.machine.lease_folder import host_folder
from trailers.machine.nvidia import Gpu, driver_version, list_gpus, visible_devices
from trailers.tools.doctor.findings import BAD, OK, WARN, Finding, Place


def check_gpus(_: Place) -> Iterator[Finding]:
    import torch

    try:
        gpus = list_gpus()
    except TrailerError as problem:
        yield Finding(BAD, "GPU", str(problem))
        return
    if gpus is None and not torch.cuda.is_available():
        yield Finding(
            WARN,
            "GPU",
            f"no GPU and no driver: shots and embed use the CPU, which is slower. For a GPU: {wheel_needs()}",
        )
        return
    yield check_driver()
    yield from check_cards(gpus or ())
    yield from check_leases()


def wheel_needs() -> str:
    """The driver and card that torch requires, as a clause."""
    import torch

    if torch.version.cuda is None:
        return f"torch {torch.__version__} was built without CUDA and cannot use a GPU"
    oldest = oldest_driver(torch.version.cuda)
    driver = f"driver {oldest} or newer and " if oldest else ""
    return (
        f"torch {torch.__version__} with CUDA {torch.version.cuda} needs {driver}a card of compute capability "
        f"{capabilities_text(torch.cuda.get_arch_list())}"
    )


def check_driver() -> Finding:
    """The driver against what torch's wheel needs."""
    import torch

    driver = driver_version()
    older = driver_is_too_old(driver, torch.version.cuda) if driver else ""
    if older or torch.version.cuda is None:
        remedy = "Update the driver, or set shots.device and embed.device to cpu."
        return Finding(BAD, "GPU driver", f"{older or wheel_needs()}. {remedy}")
    return Finding(OK, "GPU driver", f"{driver or 'of an unknown version'}; {wheel_needs()}")


def check_cards(gpus: tuple[Gpu, ...] | list[Gpu]) -> Iterator[Finding]:
    """Each card that torch sees, or the reason why it does not see any."""
    import torch

    if not torch.cuda.is_available():
        names = ", ".join(f"{gpu.index}: {gpu.name}" for gpu in gpus)
        yield Finding(BAD, "GPU", f"{names}, but {why_unavailable()}. Fix that, or set device to cpu.")
        return
    architectures = torch.cuda.get_arch_list()
    for number in range(torch.cuda.device_count()):
        found = torch.cuda.get_device_properties(number)
        words = (
            f"{number}: {found.name}, {found.total_memory / 2**30:.0f} GiB, compute capability "
            f"{found.major}.{found.minor}"
        )
        if runs_on(architectures, (found.major, found.minor)):
            yield Finding(OK, "GPU", words)
        else:
            yield Finding(
                BAD,
                "GPU",
                f"{words}, for which torch was not built ({capabilities_text(architectures)}). Hide it with "
                "CUDA_VISIBLE_DEVICES, or set device to cpu.",
            )


def check_leases() -> Iterator[Finding]:
    """Whether the devices can be leased, and which are in use."""
    try:
        names = visible_devices()
        folder = os.environ.get("TRAILERS_LEASE_DIR") or host_folder()
        taken = dict(filter(None, map(taken_device, names)))
    except TrailerError as problem:
        yield Finding(BAD, "GPU leases", str(problem))
        return
    yield Finding(OK, "GPU leases", f"{len(names) - len(taken)} of {len(names)} devices are free; locks in {folder}")
    for name, words in taken.items():
        yield Finding(WARN, "GPU leases", f"{name} is {words}")


def taken_device(name: str) -> tuple[str, str] | None:
    """The device and the reason why it cannot be leased now; None if it can."""
    got = try_lease([name])
    if isinstance(got, dict):
        for lock in got.values():
            os.close(lock)
        return None
    obstacle: Obstacle = got[0]
    return name, obstacle.words


def try_gpu(_: Place) -> Iterator[Finding]:
    """The short trials of the GPU that a job would use: `doctor --gpu`."""
    from trailers.machine.device import choose_device
    from trailers.tools.doctor.trial import trials

    device = choose_device("cuda", setting="--gpu")
    for name, outcome in trials(device):
        yield Finding(OK if outcome.passed else BAD, f"GPU {name}", outcome.words)
