"""Cores are divided among the jobs of a run, the workers of a job, and threads that each use torch on one core."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import torch

from trailers.machine.threads import (
    decoding_workers,
    job_cores,
    single_threads,
    threads_per_gpu,
    threads_per_shard,
    threads_per_training,
)


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
def test_each_thread_uses_one_core_and_the_process_keeps_its_number_of_threads() -> None:
    together = threading.Barrier(2)

    def seen() -> tuple[int, int]:
        together.wait(60)
        first = torch.get_num_threads()
        torch.ones(100_000).add_(1)  # large enough for several threads
        return first, torch.get_num_threads()

    with single_threads(2) as pool:
        found = [future.result() for future in [pool.submit(seen) for _ in range(2)]]
        assert torch.get_num_threads() == 3
    assert found == [(1, 1), (1, 1)]


@pytest.mark.parametrize(
    ("cores", "gpus", "threads"),
    [(16, 4, 4), (16, 2, 8), (16, 1, 8), (16, 8, 2), (4, 8, 1), (2, 1, 2), (64, 4, 8), (96, 8, 8), (5, 2, 2),
     (16, None, 8), (None, 4, 8), (None, None, 8), (4, 0, 4)],
)  # fmt: skip
def test_as_many_gpu_jobs_run_at_once_as_there_are_gpus(cores, gpus, threads):
    assert threads_per_gpu(cores, gpus) == threads


@pytest.mark.parametrize(
    ("given", "allowed", "cores"),
    [("4", 16, 4), ("8", 2, 2), ("", 6, 6), ("4,2", 16, 4), (" 3 ", 16, 3), ("0", 5, 1), ("many", 5, 5), ("-2", 5, 5)],
)
def test_a_jobs_cores_are_those_snakemake_gave_it(monkeypatch, given, allowed, cores):
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(allowed)))
    assert job_cores() == cores


@pytest.mark.parametrize(
    ("cores", "trainings", "threads"),
    # Ninety trainings are fastest with one thread each; a single one takes the cores that it can use.
    [(2, 90, 1), (2, 3, 1), (2, 1, 2), (16, 3, 2), (16, 1, 2), (1, 1, 1), (None, 1, 1)],
)
def test_trainings_take_the_cores_of_a_run_together(cores, trainings, threads):
    assert threads_per_training(cores, trainings) == threads


@pytest.mark.parametrize(("threads", "workers"), [("1", 1), ("2", 1), ("4", 3), ("8", 7), ("64", 7)])
def test_decoding_workers_leave_one_core_to_the_network_and_count_only_the_cores_of_the_job(
    monkeypatch, threads, workers
):
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(128)))
    monkeypatch.setattr(os, "cpu_count", lambda: 128)
    assert decoding_workers() == workers


@pytest.mark.parametrize("first", ["import torch", "pass"])
def test_a_worker_uses_one_thread_whether_torch_is_loaded_or_not(first):
    code = f"""if True:
        {first}
        from trailers.machine.threads import keep_to_one_thread
        keep_to_one_thread()
        import torch
        print(torch.get_num_threads())"""
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


@pytest.mark.parametrize(("given", "policy"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")])
def test_threads_of_a_command_sleep_while_they_wait_unless_the_user_says_otherwise(given, policy):
    code = "import os; from trailers.__main__ import main; main(['backbones', '--plain']); "
    code += "print(os.environ['OMP_WAIT_POLICY'])"
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"} | given
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == policy


@pytest.mark.parametrize(
    ("cores", "shards", "trailers", "threads"),
    [
        (16, 1, 12, 16),  # eight videos at once
        (16, 1, 3, 6),
        (64, 1, 12, 24),
        (16, 3, 100, 5),
        (16, 120, 100, 2),
        (2, 1, 12, 2),
        (1, 1, 12, 2),  # Snakemake reduces it to the cores that exist
        (None, 1, 12, 2),
    ],
)
def test_few_shards_take_all_cores(cores: int | None, shards: int, trailers: int, threads: int) -> None:
    assert threads_per_shard(cores, shards, trailers) == threads
