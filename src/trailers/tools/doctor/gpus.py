"""The GPUs: their driver, what torch's wheel needs of both, and which of them are free."""

from __future__ import annotations

from collections.abc import Iterator

from trailers.tools.doctor.findings import OK, WARN, Finding, Place


def check_gpus(_: Place) -> Iterator[Finding]:
    import torch

    if not torch.cuda.is_available():
        yield Finding(
            WARN, "GPU", f"none (torch {torch.__version__}): shots, embed and classify run on the processor, slower"
        )
        return
    for number in range(torch.cuda.device_count()):
        found = torch.cuda.get_device_properties(number)
        yield Finding(
            OK, "GPU", f"{number}: {found.name}, {found.total_memory / 2**30:.0f} GiB, torch {torch.__version__}"
        )
