"""Divides processor cores among the jobs of a run, the workers of a job, and threads that compute with torch."""

from __future__ import annotations

import os
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

MOST_THREADS = 8  # per GPU job: seven decoding workers keep the largest GPU busy with most backbones

CORES_PER_VIDEO = 2  # re-encoding keeps two cores busy: one decodes, one encodes


def threads_per_gpu(cores: int | None, gpus: int | None) -> int:
    """Number of threads of a job with a GPU, so that all GPUs are used at the same time.

    Args:
        cores: cores of the whole run; None if unknown.
        gpus: GPUs of the whole run; None if unknown or not configured.
    """
    if not isinstance(cores, int) or not isinstance(gpus, int):
        return MOST_THREADS
    return max(1, min(MOST_THREADS, cores // max(1, gpus)))


MOST_TRAINING_THREADS = 2  # a batch of 32 trailers has two parts (classifier/parts.py); more threads only help testing


def threads_per_training(cores: int | None, trainings: int) -> int:
    """Number of threads of a training, so that all ``trainings`` of a run together use its ``cores``.

    Several trainings with one thread each are faster than one with several, so a training gets a second thread only if
    cores would be idle.
    """
    if not isinstance(cores, int):
        return 1
    return max(1, min(MOST_TRAINING_THREADS, cores // max(1, trainings)))


def threads_per_shard(cores: int | None, shards: int, trailers: int) -> int:
    """Number of threads of a job that works on several trailers at once, so that few shards also use all cores.

    Args:
        cores: cores of the whole run; None if unknown, or if they belong to several machines.
        shards: number of shards of the study.
        trailers: number of trailers of this shard.
    """
    if not isinstance(cores, int):
        return CORES_PER_VIDEO
    share = cores // max(1, shards)
    return max(CORES_PER_VIDEO, min(share, CORES_PER_VIDEO * trailers))


def job_cores() -> int:
    """Number of cores for this process: the threads that Snakemake gave to the job, up to the allowed cores."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    given = re.match(r"\s*(\d+)", os.environ.get("OMP_NUM_THREADS", ""))
    return max(1, min(allowed, int(given[1]))) if given else allowed


def decoding_workers() -> int:
    """Number of processes that decode for a network on a GPU, which itself needs one of the job's cores."""
    return max(1, min(MOST_THREADS - 1, job_cores() - 1))


def keep_to_one_thread() -> None:
    """Make this process compute with one thread, for example because it is one of many workers."""
    # Libraries read the variables when they are loaded; torch may be loaded already.
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def wait_without_spinning() -> None:
    """Make threads of OpenMP sleep while they wait for each other; call it before torch is loaded.

    By default, they keep their cores busy while they wait. If anything else needs these cores, a network then takes
    three to five times as long; if nothing does, it is faster by 5 to 15 %. A policy that the user has set is kept.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def single_threads(count: int) -> ThreadPoolExecutor:
    """``count`` threads in each of which torch uses a single thread; other threads are not affected.

    Results do not depend on ``count``. Imports torch.
    """
    import torch

    together = threading.Barrier(count)

    def keep_to_one() -> None:
        torch.get_num_threads()  # the first call in a thread sets the number of the process, so it must come first
        torch.set_num_threads(1)
        together.wait()

    pool = ThreadPoolExecutor(count, thread_name_prefix="single")
    before = torch.get_num_threads()
    for future in [pool.submit(keep_to_one) for _ in range(count)]:
        future.result()
    # The setting is per thread, but torch also uses the last one as the default for new threads.
    torch.set_num_threads(before)
    return pool
