"""Dropout with random numbers from a given generator, so that parts of a batch can be computed in any order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def kept(shape: Sequence[int], dropped: float, random: np.random.Generator) -> Tensor:
    """Float32 of ``shape``: 0 for the share ``dropped``, a multiple of 1/256, and 1 / (1 - dropped) elsewhere."""
    # One random byte per value is enough. numpy compares bytes ten times as fast as torch.
    drawn = np.frombuffer(random.bytes(int(np.prod(shape))), np.uint8) >= round(dropped * 256)
    return torch.from_numpy(drawn.astype(np.float32)).mul_(1 / (1 - dropped)).view(*shape)
