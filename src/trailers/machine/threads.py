"""Processor cores shared out: among the jobs of a run, a job's workers, and threads of one torch thread each."""

from __future__ import annotations

import os
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

MOST_THREADS = 8  # of a GPU job: seven decoding workers keep the largest GPU busy with most backbones

CORES_PER_VIDEO = 2  # a re-encoding keeps two busy: one decodes, one encodes


def threads_per_gpu(cores: int | None, gpus: int | None) -> int:
    """Threads of a job with a GPU, so that as many jobs run at once as there are GPUs.

    Args:
        cores: of the whole run; None where they are not known.
        gpus: of the whole run; None where they are not known or none were named.
    """
    if not isinstance(cores, int) or not isinstance(gpus, int):
        return MOST_THREADS
    return max(1, min(MOST_THREADS, cores // max(1, gpus)))


MOST_TRAINING_THREADS = 2  # a batch of 32 trailers has two parts (classifier/parts.py); more would help testing only


def threads_per_training(cores: int | None, trainings: int) -> int:
    """Threads of a training, so that all ``trainings`` of a run take its ``cores`` together.

    Several of one thread each do more than one of several threads, so a training gets a second one only where cores
    would be idle.
    """
    if not isinstance(cores, int):
        return 1
    return max(1, min(MOST_TRAINING_THREADS, cores // max(1, trainings)))


def threads_per_shard(cores: int | None, shards: int, trailers: int) -> int:
    """Threads of a job that works on several trailers at once, so that few shards fill a machine too.

    Args:
        cores: of the whole run; None where they are not known, or belong to several machines.
        shards: of the study.
        trailers: of this shard.
    """
    if not isinstance(cores, int):
        return CORES_PER_VIDEO
    share = cores // max(1, shards)
    return max(CORES_PER_VIDEO, min(share, CORES_PER_VIDEO * trailers))


def job_cores() -> int:
    """Processor cores this process should use: the job's threads, which Snakemake gives, but no more than it may."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    given = re.match(r"\s*(\d+)", os.environ.get("OMP_NUM_THREADS", ""))
    return max(1, min(allowed, int(given[1]))) if given else allowed


def decoding_workers() -> int:
    """Processes that decode beside a GPU's network, which keeps one of the job's cores for itself."""
    return max(1, min(MOST_THREADS - 1, job_cores() - 1))


def keep_to_one_thread() -> None:
    """Have this process compute with one thread, as each of many workers should."""
    # Read by the libraries when they are loaded; torch may be there already.
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def wait_without_spinning() -> None:
    """Have OpenMP's threads sleep while they wait for each other; call it before torch is loaded.

    By default they keep their cores busy while they wait. If anything else needs these cores, a network then takes
    three to five times as long; alone on a machine it is faster by 5 to 15 %. A policy that the user has set stays.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


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
