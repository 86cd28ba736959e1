"""The common parts of the benchmarks: running ways in turns, medians, peak memory, the machine's peak rate, tables.

A way is one method of doing the measured work: ours or a baseline. On a machine with other load only ratios are
meaningful, and only between ways that ran within the same minutes. So every round runs every way once, and a ratio
is the median of the ratios of the rounds.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trailers.project import PROJECT


@dataclass
class Timing:
    """The time of one way in each round."""

    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)  # of all threads of this process, and of its children
    results: list[Any] = field(default_factory=list)  # of the way, if they are kept

    @property
    def median_s(self) -> float:
        return statistics.median(self.wall_s)

    @property
    def median_cpu_s(self) -> float:
        return statistics.median(self.cpu_s)


@dataclass(frozen=True)
class Measured:
    """The time and result of one run; a way may return it if it measures itself."""

    wall_s: float
    cpu_s: float
    result: Any


class Apart:
    """A way in a separate process, so that settings and memory of its process do not affect other ways.

    Args:
        make: returns the way. It and its arguments are sent to the process, so it must be a function of a module.
    """

    def __init__(self, make: Callable[..., Callable[[], Any]], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, make, arguments), daemon=True)
        self.process.start()
        theirs.close()

    def __call__(self) -> Measured:
        """Run the way once in its process.

        Raises:
            RuntimeError: it failed; the process has printed the reason.
        """
        try:
            self.pipe.send(None)
            measured: Measured = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            raise RuntimeError(f"a way stopped with code {self.process.exitcode}; see above") from None
        return measured

    def close(self) -> None:
        self.pipe.close()
        self.process.join()


def serve(pipe: Any, make: Callable[..., Callable[[], Any]], arguments: Sequence[Any]) -> None:
    """The process of ``Apart``: runs the way at every request, until the pipe closes."""
    way = make(*arguments)
    while True:
        try:
            pipe.recv()
        except EOFError:
            return
        pipe.send(measure(way))


def measure(way: Callable[[], Any]) -> Measured:
    """Run ``way`` and measure it, unless it returns its own measurement."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    result = way()
    if isinstance(result, Measured):
        return result
    return Measured(time.perf_counter() - wall, cpu_seconds() - cpu, result)


def alternate(
    ways: Mapping[str, Callable[[], Any]], *, rounds: int, warm_up: bool = True, keep: bool = False
) -> dict[str, Timing]:
    """Run every way ``rounds`` times, in turns; every second round runs them in reverse order.

    Args:
        ways: name -> the function to run.
        warm_up: run each way once before, without measuring it.
        keep: keep the results of the ways in ``Timing.results``.
    """
    if rounds < 1:
        raise ValueError(f"a benchmark needs at least one round, got {rounds}")
    if warm_up:
        for way in ways.values():
            way()
    timings = {name: Timing() for name in ways}
    for number in range(rounds):
        for name in list(ways)[:: -1 if number % 2 else 1]:
            measured = measure(ways[name])
            timings[name].wall_s.append(measured.wall_s)
            timings[name].cpu_s.append(measured.cpu_s)
            if keep:
                timings[name].results.append(measured.result)
    return timings


def cpu_seconds() -> float:
    """CPU time of this process, of its finished children, and of its running children."""
    import psutil

    times = os.times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            total += sum(child.cpu_times()[:4])
    return total


def ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """The median of the ratios of the rounds: ``ratio(package.wall_s, ours.wall_s)`` is how much faster ours is."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


@dataclass(frozen=True)
class Usage:
    """The resources that a process and its finished children used."""

    wall_s: float
    cpu_s: float
    peak_mb: float  # of the largest process among them, in units of 1024 * 1024 bytes


# A child inherits the peak memory of the process from which it was forked, and this process contains torch and
# frames. So a small process starts the command and prints the resources that it used.
LAUNCHER = """
import json, resource, subprocess, sys, time
started = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
wall_s, used = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""


def process_usage(command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Usage:
    """Run ``command`` to its end, without showing its output.

    Raises:
        RuntimeError: its exit code is not 0; the end of its error output is quoted.
    """
    done = subprocess.run(
        [sys.executable, "-c", LAUNCHER, *command], capture_output=True, text=True, check=True, cwd=cwd, env=env
    )
    code, wall_s, cpu_s, peak = json.loads(done.stdout)
    if code:
        raise RuntimeError(f"'{' '.join(command)}' stopped with code {code}: {done.stderr.strip()[-500:]}")
    # Linux counts in KiB, macOS in bytes.
    return Usage(wall_s, cpu_s, peak / (1024 * 1024 if sys.platform == "darwin" else 1024))


def matrix_rate(
    device: str = "cpu", precision: str = "float32", *, seconds: float = 1.0, sizes: Sequence[int] = (1024, 2048, 4096)
) -> float:
    """The highest rate of matrix products on this machine, in multiply-adds per second.

    It multiplies square matrices of each of ``sizes`` for ``seconds`` after a warm-up; the fastest product counts.
    """
    import torch

    best = 0.0
    for size in sizes:
        left, right = (torch.rand(size, size, device=device).to(getattr(torch, precision)) for _ in range(2))
        torch.mm(left, right)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            synchronise(device)
            started = time.perf_counter()
            torch.mm(left, right)
            synchronise(device)
            best = max(best, size**3 / (time.perf_counter() - started))
    return best


def synchronise(device: str) -> None:
    """Wait for the GPU, so that the time read afterwards includes its work."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)


def machine() -> dict[str, Any]:
    """The machine on which the figures were measured."""
    import torch

    wanted = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
    words = cpu_words()
    return {
        "cpu": words.get("model name", platform.processor() or platform.machine()),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "features": [name for name in wanted if name in words.get("flags", "").split()],
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "load": round(os.getloadavg()[0], 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def cpu_words() -> dict[str, str]:
    """The fields of the first CPU in /proc/cpuinfo; empty on systems without it."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n\n")[0].splitlines()
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def commit() -> str | None:
    """The project's git commit, with -dirty if files differ from it; None without git."""
    command = ["git", "-C", str(PROJECT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def table(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """The figures as aligned text, one row per name.

    A row without a figure of the rows above it starts a new table.
    """
    blocks: list[dict[str, Mapping[str, Any]]] = []
    for name, row in figures.items():
        if not blocks or not any(set(row) & set(above) for above in blocks[-1].values()):
            blocks.append({})
        blocks[-1][name] = row
    return "\n\n".join(aligned(block) for block in blocks)


def aligned(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """One table; cells of missing figures are empty."""
    columns = list(dict.fromkeys(name for row in figures.values() for name in row))
    cells = [["", *columns]]
    cells += [
        [name, *(shown(row[column]) if column in row else "" for column in columns)] for name, row in figures.items()
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in cells]
    return "\n".join(line.rstrip() for line in lines)


def shown(figure: Any) -> str:
    if isinstance(figure, bool) or not isinstance(figure, int | float):
        return str(figure)
    if isinstance(figure, int):
        return f"{figure:,}"
    return f"{figure:,.0f}" if abs(figure) >= 1000 else f"{figure:.3g}"
