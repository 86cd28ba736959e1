"""Reduced precision that leaves every shot where float32 puts it.

A probability near the threshold is the only one whose flag reduced precision can change. So the
windows that hold one are computed again in float32. Near is measured in logits, where the error is
about the same everywhere.
"""

from __future__ import annotations

import numpy as np

from trailers.detector.windows import windows_with

# Logits. At least twice the largest error seen in any frame of either head over the videos of the
# docs/exactness.md.
MARGINS = {"float32": 0.0, "float16": 0.03, "bfloat16": 0.1}


def uncertain_windows(probabilities: np.ndarray, exact: np.ndarray, *, threshold: float, precision: str) -> np.ndarray:
    """The numbers of the windows to compute again in float32, rising.

    Args:
        probabilities: float32 (frames,) of the head that counts.
        exact: bool (windows,), the windows that are float32 already.
        threshold: between 0 and 1.
        precision: of the other windows.
    """
    margin = MARGINS[precision]
    if margin == 0:
        return np.empty(0, np.int64)
    middle = np.log(threshold) - np.log1p(-threshold)
    low, high = (1 / (1 + np.exp(-(middle + offset))) for offset in (-margin, margin))
    near = windows_with((probabilities >= low) & (probabilities <= high))
    uncertain: np.ndarray = near[~exact[near]]
    return uncertain
