"""Threads that share out torch's work by whole batches instead of by single operations."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor


def single_threads(count: int) -> ThreadPoolExecutor:
    """Threads in each of which torch keeps to that one thread; elsewhere in the process nothing changes.

    What one of them computes does not depend on ``count``. Imports torch.
    """
    import torch

    together = threading.Barrier(count)

    def keep_to_one() -> None:
        torch.get_num_threads()  # a thread that is asked for the first time takes the process's number, whatever it has
        torch.set_num_threads(1)
        together.wait()

    pool = ThreadPoolExecutor(count, thread_name_prefix="single")
    before = torch.get_num_threads()
    for future in [pool.submit(keep_to_one) for _ in range(count)]:
        future.result()
    # The setting is a thread's own, but torch also keeps it as the start for threads to come.
    torch.set_num_threads(before)
    return pool
