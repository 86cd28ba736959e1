"""Makes the C library reuse freed memory instead of returning it to the system."""

from __future__ import annotations

import ctypes
import sys

# Parameters of mallopt, from glibc's malloc.h, and their defaults.
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
KEEP = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1, M_ARENA_MAX: 1}
GIVE_BACK = {M_MMAP_MAX: 65536, M_TRIM_THRESHOLD: 128 * 1024, M_ARENA_MAX: 0}


def keep_freed_memory(keep: bool = True) -> bool:
    """Make the C library keep freed memory for the rest of this process. Returns whether it does.

    By default, glibc returns large blocks to the system as soon as they are freed, and every page of the next block is
    mapped and cleared again. On a CPU this takes a sixth of the time of the detector or of a convolution, a third of
    that of Swin3D, and a quarter of that of training a classifier. The process keeps the largest amount of memory that
    it has used. For processes that do one kind of work; the memory of GPUs is not affected.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform.startswith("linux") else None
    if mallopt is None:
        return False
    return all(mallopt(name, value) == 1 for name, value in (KEEP if keep else GIVE_BACK).items())
