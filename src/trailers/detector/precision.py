"""Finds the windows in which reduced precision could give other shots than float32.

Reduced precision can only change the result for probabilities near the threshold, so windows with such probabilities
are computed again in float32. The distance is measured in logits, in which the error is about the same everywhere.
"""

from __future__ import annotations

import numpy as np

from trailers.detector.windows import windows_with

# In logits: twice the largest error of any frame of either head in the videos of docs/exactness.md, or more.
MARGINS = {"float32": 0.0, "float16": 0.03, "bfloat16": 0.1}


def uncertain_windows(probabilities: np.ndarray, exact: np.ndarray, *, threshold: float, precision: str) -> np.ndarray:
    """The numbers of the windows to compute again in float32, ascending.

    Args:
        probabilities: float32 (frames,) of the head that gives the shots.
        exact: bool (windows,), true for windows that were computed in float32.
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
