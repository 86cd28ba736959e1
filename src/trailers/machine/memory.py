"""Memory that is used again instead of given back."""

from __future__ import annotations

import ctypes
import sys

# Parameters of mallopt, from glibc's malloc.h, and their defaults.
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
KEEP = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1, M_ARENA_MAX: 1}
GIVE_BACK = {M_MMAP_MAX: 65536, M_TRIM_THRESHOLD: 128 * 1024, M_ARENA_MAX: 0}


def keep_freed_memory(keep: bool = True) -> bool:
    """Have the C library keep what is freed, for the rest of this process; whether it does.

    By default glibc gives large blocks back to the system as soon as they are freed, and every page of the next
    block is mapped and cleared again: on a processor a sixth of a detector's or a convolution's time, a third of
    Swin3D's, a quarter of a classifier's training. The most that was ever used at a time stays taken. For
    processes that do one kind of work; a GPU's memory is not concerned.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform.startswith("linux") else None
    if mallopt is None:
        return False
    return all(mallopt(name, value) == 1 for name, value in (KEEP if keep else GIVE_BACK).items())
