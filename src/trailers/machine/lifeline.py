"""Processes that end with the one that started them."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # of prctl, from linux/prctl.h


def end_with(parent: int) -> None:
    """Have the kernel kill this process when ``parent``, which started it, has ended for whatever reason.

    A worker that waits for its next task never learns of a killed parent: its siblings hold the
    same pipe open. The kernel follows the thread that started this process, so that must be one
    that lives as long as ``parent``, such as its main thread.
    """
    if sys.platform.startswith("linux") and ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError("prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:  # it ended before the kernel was told
        os._exit(1)
