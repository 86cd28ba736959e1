"""Memory that is used again instead of given back."""

from __future__ import annotations

import ctypes
import sys

# Parameters of mallopt, from glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8


def keep_freed_memory() -> bool:
    """Have the C library keep what is freed, for the rest of this process; whether it does.

    By default glibc gives large blocks back to the system as soon as they are freed, and every page
    of the next block must be mapped and cleared again: a sixth of the detector's time on a CPU. The
    most that was ever used at a time stays taken. For processes that do nothing but detection.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_ARENA_MAX, 1))
    return all(mallopt(name, value) == 1 for name, value in settings)
