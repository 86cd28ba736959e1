"""The workflow at the size of the real set: whether every trailer is processed, and the overhead of Snakemake.

The links of a manifest of N trailers lead to a web site on loopback (trailers.bench.website) with a few
short generated videos, each under many links; of 12,000 links 300 are dead and 50 are busy at first. Up to
--real trailers the stages do their real work: download, normalise, shots, clips and a very small
backbone. At every size they also run with stand-in work (trailers.bench.standin), in which the product of a
trailer is a line of text, and all rules, shards and ledgers are the real ones. Snakemake is run until
no trailer is left that another run would try; every trailer must then have the outcome that its link names.

    dry_run_s, dry_run_mb   planning everything
    runs, run_s             running until nothing is left: number of runs, and their total time
    work_s                  the part of run_s in jobs: seconds x threads, summed over all jobs, divided by cores.
                            It includes the start of Python and torch, once per shard
    overhead_ms             (run_s - work_s) per trailer and stage: planning, scheduling, idle cores
    noop_s                  running again with nothing to do
    run_mb                  the peak memory of the scheduler, without jobs
    files, mbytes           the files on disk afterwards

For real work, a second table gives for each stage core_ms per trailer, its files, and bytes per trailer.
`exponent` is the growth of run_s from the smallest to the largest size of stand-in work; 1 is
linear. The other ratios are those of the largest size.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import random
import string
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trailers.bench.harness import Usage, process_usage
from trailers.bench.website import DEAD, fates, make_videos, serve
from trailers.domain import Trailer
from trailers.errors import ConfigError
from trailers.project import PROJECT
from trailers.stages import registry
from trailers.store import ledger
from trailers.store.manifest import write_manifest
from trailers.store.table import split_rows
from trailers.store.text import read_text

Figures = dict[str, Any]

STAGES = tuple(entry.ledgers for entry in registry.STAGES if entry.always)
MOST_RUNS = 5  # a trailer that still fails after so many runs is an error

# The `python` of the rules: it runs the command and records stage, threads, start and end in ns. A lease starts its
# command with this script too.
SHIM = """#!/bin/sh
if [ "$3" = lease ]; then exec "{python}" "$@"; fi
began=$(date +%s%N)
"{python}" {module} "$@"
code=$?
echo "$3 $OMP_NUM_THREADS $began $(date +%s%N)" >>jobs.txt
exit $code
"""

# Snakemake with a record of its own peak memory. The memory of its children would include the jobs.
SCHEDULER = """
import resource, sys
from pathlib import Path
from snakemake.cli import main
try:
    main(sys.argv[2:])
finally:
    Path(sys.argv[1]).write_text(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
"""

BACKBONE = """
from trailers.backbones.row import Row, Transform, Weights

def build():
    import torch
    return torch.nn.Sequential(torch.nn.AvgPool2d(8), torch.nn.Flatten(), torch.nn.Linear(48, 48, bias=False))

tiny = Row(
    name="", library="own", model="tiny", dimensions=2, features=48,
    transform=Transform((32,), (32, 32), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    weights=Weights("none", "tiny.pt"), make=build,
)
"""

CONFIG = {
    "check_disk": False,  # the videos are of 2 s
    # A local site needs no pauses. Two attempts, so that some links remain for the next run.
    "download": {"sleep_s": 0, "backoff_s": 0.1, "retries": 1},
    "embed": {"backbones": ["tiny.py:tiny"], "random_weights": True},
    "experiments": {"default": {"backbones": ["tiny.py:tiny"]}},
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trailers", type=int, nargs="+", default=[1000, 3000, 12000], metavar="N", help="sizes")
    parser.add_argument(
        "--real", type=int, default=1000, metavar="N", help="maximum size with real work; 1,000 take minutes (1000)"
    )
    parser.add_argument(
        "--ids", type=Path, metavar="CSV", help="file with ids in its first column, such as mtgc.csv (random ids)"
    )
    parser.add_argument("--cores", type=int, default=os.cpu_count(), metavar="N", help="as snakemake --cores")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    sizes = sorted(arguments.trailers)
    if sizes[0] < 3:
        raise ConfigError(f"--trailers: {sizes[0]} are too few, because one is dead and one is busy. Give 3 or more.")
    trailers = read_ids(arguments.ids, sizes[-1]) if arguments.ids else draw_ids(sizes[-1])
    figures: dict[str, Figures] = {}
    stages: dict[str, Figures] = {}
    for size in sizes:
        if size <= arguments.real:
            row, by_stage = measure(trailers[:size], arguments.cores, is_real=True)
            figures[f"{size:,}, real work"] = row
            stages |= {f"{size:,}, {stage}": found for stage, found in by_stage.items()}
        figures[standing_in(size)], _ = measure(trailers[:size], arguments.cores, is_real=False)
    first, last = (figures[standing_in(size)] for size in (sizes[0], sizes[-1]))
    ratios = {name: last[name] for name in ("dry_run_s", "dry_run_mb", "noop_s", "overhead_ms", "run_mb")}
    if sizes[0] != sizes[-1]:
        ratios["exponent"] = math.log(last["run_s"] / first["run_s"]) / math.log(sizes[-1] / sizes[0])
    return {"figures": figures | stages, "ratios": ratios}


def standing_in(size: int) -> str:
    return f"{size:,}, stand-in work"


def read_ids(path: Path, count: int) -> list[str]:
    ids = [cells[0] for cells in list(split_rows(path, read_text(path)))[1:]]
    if len(ids) < count:
        raise ConfigError(f"{path}: has {len(ids):,} ids, but {count:,} are requested. Give a longer file.")
    return ids[:count]


def draw_ids(count: int) -> list[str]:
    """Random ids in the form of YouTube's: eleven letters and digits."""
    letters = random.Random(0)  # noqa: S311  not a secret
    return ["".join(letters.choices(string.ascii_letters + string.digits, k=11)) for _ in range(count)]


def measure(trailers: Sequence[str], cores: int, *, is_real: bool) -> tuple[Figures, dict[str, Figures]]:
    """The figures of one size, and those of each stage."""
    with contextlib.ExitStack() as stack:
        address = stack.enter_context(serve(make_videos())) if is_real else "http://127.0.0.1:9"
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="trailers-scale-")))
        fate = fates(trailers)
        prepare(folder, fate, address, module="" if is_real else "-m trailers.bench.standin")
        dry = snakemake(folder, "--dry-run")
        runs = run_to_the_end(folder, cores)
        noop = run_again(folder, cores)
        check(folder, fate)
        jobs = read_jobs(folder, cores)
        files = {path.relative_to(folder): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    run_s, work_s = sum(used.wall_s for used in runs), sum(job.core_s for job in jobs) / cores
    row = {
        "dry_run_s": dry.wall_s,
        "dry_run_mb": dry.peak_mb,
        "runs": len(runs),
        "run_s": run_s,
        "work_s": work_s,
        "overhead_ms": 1000 * (run_s - work_s) / (len(trailers) * len(STAGES)),
        "noop_s": noop.wall_s,
        "run_mb": max(used.peak_mb for used in (dry, *runs, noop)),
        "files": len(files),
        "mbytes": sum(files.values()) / 1e6,
    }
    return row, {stage: stage_figures(stage, len(trailers), jobs, files) for stage in STAGES}


def prepare(folder: Path, fate: Mapping[str, str], address: str, *, module: str) -> None:
    """Write the manifest, the settings, the backbone, and the `python` of the rules."""
    rows = (Trailer(trailer, (f"{address}/{word}/{trailer}.mp4",)) for trailer, word in fate.items())
    write_manifest(folder / "manifest.csv", rows)
    (folder / "config.yaml").write_text(json.dumps(CONFIG))  # JSON is YAML too
    (folder / "tiny.py").write_text(BACKBONE)
    shim = folder / "bin" / "python"
    shim.parent.mkdir()
    shim.write_text(SHIM.format(python=sys.executable, module=module))
    shim.chmod(0o755)


def snakemake(folder: Path, *words: str) -> Usage:
    """Run Snakemake in ``folder``; the peak memory is that of the scheduler."""
    peak = folder / "peak.txt"
    command = [sys.executable, "-c", SCHEDULER, str(peak), "--snakefile", str(PROJECT / "Snakefile")]
    env = {**os.environ, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}", "no_proxy": "127.0.0.1"}
    used = process_usage([*command, "--directory", str(folder), "--quiet", *words], env=env)
    # Linux counts in KiB, macOS in bytes.
    return Usage(used.wall_s, used.cpu_s, int(peak.read_text()) / (1024 * 1024 if sys.platform == "darwin" else 1024))


def run_to_the_end(folder: Path, cores: int) -> list[Usage]:
    """Run until no trailer fails temporarily.

    Raises:
        RuntimeError: some still fail after ``MOST_RUNS`` runs.
    """
    runs: list[Usage] = []
    while len(runs) < MOST_RUNS:
        runs.append(snakemake(folder, "--cores", str(cores)))
        failed = [row for stage in STAGES for row in rows_of(folder, stage).values() if row.status == ledger.FAILED]
        if not failed:
            return runs
    raise RuntimeError(f"after {len(runs)} runs {len(failed)} trailers still fail; the first: {failed[0].error}")


def run_again(folder: Path, cores: int) -> Usage:
    """Run with nothing to do.

    Raises:
        RuntimeError: a job ran.
    """
    before = ledger_times(folder)
    used = snakemake(folder, "--cores", str(cores))
    if ledger_times(folder) != before:
        raise RuntimeError("a further run should have nothing to do, but it wrote ledgers")
    return used


def ledger_times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.glob("results/ledger/**/*.tsv")}


def rows_of(folder: Path, stage: str) -> dict[str, ledger.LedgerRow]:
    ledgers = folder.glob(f"results/ledger/{stage}/**/*.tsv")
    return {trailer: row for path in ledgers for trailer, row in ledger.read_ledger(path).items()}


def check(folder: Path, fate: Mapping[str, str]) -> None:
    """Check that every trailer has the outcome that its link names in every stage, and its product if it is ok.

    Raises:
        RuntimeError: a trailer has not.
    """
    for stage in STAGES:
        rows = rows_of(folder, stage)
        if rows.keys() != fate.keys():
            raise RuntimeError(f"{stage}: {len(rows):,} trailers in ledgers, {len(fate):,} in the manifest")
        lost = ledger.DEAD if stage == "download" else ledger.SKIPPED
        for trailer, word in fate.items():
            row, wanted = rows[trailer], lost if word == DEAD else ledger.OK
            if row.status != wanted:
                raise RuntimeError(f"{stage}: {trailer} is {row.status}, should be {wanted}: {row.error}")
            if wanted == ledger.OK and not (folder / "results" / row.path).is_file():
                raise RuntimeError(f"{stage}: {trailer} is ok, but {row.path} does not exist")


@dataclass(frozen=True)
class Job:
    stage: str
    core_s: float  # seconds x assigned threads


def read_jobs(folder: Path, cores: int) -> list[Job]:
    jobs = []
    for line in (folder / "jobs.txt").read_text().splitlines():
        stage, threads, began_ns, ended_ns = line.split()
        jobs.append(Job(stage, min(int(threads), cores) * (int(ended_ns) - int(began_ns)) / 1e9))
    return jobs


def stage_figures(stage: str, trailers: int, jobs: Sequence[Job], files: Mapping[Path, int]) -> Figures:
    sizes = [size for path, size in files.items() if path.parts[:2] == ("results", stage)]
    core_s = sum(job.core_s for job in jobs if job.stage == stage)
    return {
        "core_ms": 1000 * core_s / trailers,
        "stage_files": len(sizes),
        "bytes_per_trailer": sum(sizes) / trailers,
    }
