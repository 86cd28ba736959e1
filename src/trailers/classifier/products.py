"""Matrix products by the faster of torch's two libraries, where both multiply in float32."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from trailers.machine.processor import is_intel


@contextlib.contextmanager
def fastest_products() -> Iterator[bool]:
    """Inside, the processor's float32 products use oneDNN if it is faster and exact here; yields whether they do.

    torch uses MKL by default. On processors that are not Intel's, MKL reaches half the speed of oneDNN; on Intel's,
    training with MKL is a sixth faster. The choice follows the maker, not a measurement, because the two libraries
    differ in the last digits: the same machine must always give the same numbers. The switch to oneDNN also permits
    bfloat16, which oneDNN uses only on processors that multiply whole tiles of it. So it is tested first: if
    products are rounded, MKL is used.
    """
    switch = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = switch.fp32_precision
    chosen = False
    if torch.backends.mkldnn.is_available() and not is_intel():  # type: ignore[no-untyped-call]
        switch.fp32_precision = "bf16"
        chosen = is_exact()
    if not chosen:
        switch.fp32_precision = before
    try:
        yield chosen
    finally:
        switch.fp32_precision = before


def is_exact() -> bool:
    """Whether a product of the size that occurs in training keeps digits that bfloat16 would lose."""
    # 1 + 2^-12 needs 13 binary digits: float32 has 24, bfloat16 has 8. Times the identity it must be unchanged.
    vectors = torch.full((960, 768), 1 + 2.0**-12)
    return bool((vectors @ torch.eye(768, 128) == vectors[:, :128]).all())
