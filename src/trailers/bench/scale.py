"""The workflow itself at the size of the real set: what Snakemake costs, apart from the science.

Every rule, ledger and shard is the real one; in the place of a stage's science stands a small file
a trailer (trailers.bench.standin), with 300 dead and 50 failing links in 12,000. For each size:

    dry_run_s, dry_run_mb   planning everything, and the scheduler's peak memory
    run_s, run_mb           running everything
    noop_s                  running again with nothing to do
    overhead_ms             (run_s - sum of work / cores) a trailer and stage
    files, mbytes           what lies on disk afterwards

`exponent` is the growth of run_s between the smallest and the largest size: 1 is linear.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from trailers.bench.harness import PROJECT, Usage, process_usage
from trailers.domain import GENRES, Trailer
from trailers.store.manifest import write_manifest

STAGES = ("download", "normalise", "shots", "clips", "embed")
SHIM = '#!/bin/sh\nexec "{python}" -m trailers.bench.standin "$@"\n'


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trailers", type=int, nargs="+", default=[1000, 3000, 12000], metavar="N", help="sizes")
    parser.add_argument("--cores", type=int, default=os.cpu_count(), metavar="N", help="as snakemake --cores")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    sizes = sorted(arguments.trailers)
    figures = {f"{size:,} trailers": measure(size, arguments.cores) for size in sizes}
    first, last = (figures[f"{size:,} trailers"] for size in (sizes[0], sizes[-1]))
    ratios = {name: last[name] for name in ("dry_run_s", "dry_run_mb", "noop_s", "overhead_ms")}
    if sizes[0] != sizes[-1]:
        ratios["exponent"] = math.log(last["run_s"] / first["run_s"]) / math.log(sizes[-1] / sizes[0])
    return {"figures": figures, "ratios": ratios}


def measure(size: int, cores: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="trailers-scale-") as name:
        folder = Path(name)
        prepare(folder, size)
        dry = snakemake(folder, "--dry-run", "--quiet")
        whole = snakemake(folder, "--cores", str(cores), "--quiet")
        noop = snakemake(folder, "--cores", str(cores), "--quiet")
        worked = sum(json.loads(path.read_text())["work_s"] for path in folder.glob("work/*/*.json"))
        files = [path for path in folder.rglob("*") if path.is_file()]
        return {
            "dry_run_s": dry.wall_s,
            "dry_run_mb": dry.peak_mb,
            "run_s": whole.wall_s,
            "run_mb": whole.peak_mb,
            "noop_s": noop.wall_s,
            "overhead_ms": 1000 * (whole.wall_s - worked / cores) / (size * len(STAGES)),
            "files": len(files),
            "mbytes": sum(path.stat().st_size for path in files) / 1e6,
        }


def prepare(folder: Path, size: int) -> None:
    """A manifest of ``size`` trailers, and a `python` that stands in for the stages."""
    rows = (
        Trailer(f"tt{n:07d}", (f"https://example.org/{n}",), genres=(GENRES[n % 10],), splits=(n % 3, n % 3, n % 3))
        for n in range(size)
    )
    write_manifest(folder / "manifest.csv", rows)
    shim = folder / "bin" / "python"
    shim.parent.mkdir()
    shim.write_text(SHIM.format(python=sys.executable))
    shim.chmod(0o755)


def snakemake(folder: Path, *words: str) -> Usage:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(PROJECT / "Snakefile"), "--directory", str(folder)]
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{folder / 'bin'}{os.pathsep}{before}"
    try:
        return process_usage([*command, *words])
    finally:
        os.environ["PATH"] = before
