"""Matrix products by the faster of torch's two libraries, where both multiply in float32."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def fastest_products() -> Iterator[bool]:
    """Inside, the processor's float32 products go through oneDNN if that is exact here; gives whether they do.

    By default torch takes MKL, which on processors that are not Intel's reaches half of what oneDNN does. The
    switch to oneDNN also permits it bfloat16, of which it makes use only where the processor multiplies whole
    tiles of it. So it is asked first: where products come out rounded, MKL stays.
    """
    switch = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = switch.fp32_precision
    switch.fp32_precision = "bf16"
    chosen = torch.backends.mkldnn.is_available() and is_exact()  # type: ignore[no-untyped-call]
    if not chosen:
        switch.fp32_precision = before
    try:
        yield chosen
    finally:
        switch.fp32_precision = before


def is_exact() -> bool:
    """Whether a product of the size that training has keeps what bfloat16 would lose."""
    # 1 + 2^-12 needs 13 binary digits: float32 has 24, bfloat16 has 8. Times the identity it must come back.
    vectors = torch.full((960, 768), 1 + 2.0**-12)
    return bool((vectors @ torch.eye(768, 128) == vectors[:, :128]).all())
