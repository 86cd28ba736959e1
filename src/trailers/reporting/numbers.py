"""The format of numbers in all pages and tables."""

from __future__ import annotations

from collections.abc import Sequence

NOT_REAL = ("synthetic", "random")  # names of weights that start so give vectors that say nothing about trailers


def spread(pair: Sequence[float | None] | None, missing: str = "–") -> str:
    """Mean and standard deviation, "70.51 ± 1.02"; only the mean if there is one split."""
    if not pair or pair[0] is None:
        return missing
    return f"{pair[0]:.2f}" if pair[1] is None else f"{pair[0]:.2f} ± {pair[1]:.2f}"
