"""Makes a process end when the process that started it ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # of prctl, from linux/prctl.h


def end_with(parent: int) -> None:
    """Make the kernel kill this process when ``parent``, which started it, has ended for any reason.

    A worker that waits for its next task does not notice that its parent was killed, because other workers keep the
    same pipe open. The kernel watches the thread that started this process, so this thread must live as long as
    ``parent``, like its main thread.
    """
    if sys.platform.startswith("linux") and ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError("prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:  # it ended before the call of prctl
        os._exit(1)
