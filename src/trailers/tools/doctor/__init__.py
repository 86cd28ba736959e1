"""Check that this machine has everything a run needs: one line per check, marked ok, warn or bad.

in   config.yaml, its manifest, the weights, the programs and libraries of the environment
out  lines on the screen; exit status 1 if a check is bad

warn: a run works without it, or may stop later. bad: a run cannot work.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from trailers.errors import TrailerError
from trailers.plan.studies import plan_here
from trailers.tools.doctor.disk import check_disk, check_folders, check_manifest, check_results
from trailers.tools.doctor.findings import BAD, OK, WARN, Finding, Place
from trailers.tools.doctor.gpus import check_gpus, try_gpu
from trailers.tools.doctor.programs import check_decoder, check_downloader, check_ffmpeg, check_python
from trailers.tools.doctor.weights import check_pixels, check_weights

CHECKS: tuple[Callable[[Place], Iterator[Finding]], ...] = (
    check_python, check_ffmpeg, check_decoder, check_weights, check_pixels, check_manifest, check_disk, check_results,
    check_folders, check_gpus, check_downloader,
)  # fmt: skip


def examine(place: Place, *, gpu: bool = False) -> Iterator[Finding]:
    """All findings; a check that raises an error is a finding too."""
    for check in (*CHECKS, try_gpu) if gpu else CHECKS:
        try:
            yield from check(place)
        except TrailerError as problem:
            yield Finding(BAD, subject_of(check), str(problem))
        except Exception as problem:  # noqa: BLE001  the user wants to know everything that is broken
            yield Finding(BAD, subject_of(check), f"{type(problem).__name__}: {problem}")


def subject_of(check: Callable[[Place], Iterator[Finding]]) -> str:
    return check.__name__.removeprefix("check_").replace("_", " ")


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--manifest",
        type=Path,
        metavar="CSV",
        help="trailers for which disk space is estimated (config.yaml: manifest)",
    )
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="FOLDER", help="folder of all products"
    )
    parser.add_argument(
        "--gpu", action="store_true", help="also test exactness and leases on the GPU; takes about a minute"
    )


def totals(levels: Sequence[str]) -> str:
    counts = {"warning": levels.count(WARN), "error": levels.count(BAD)}
    named = [f"{count} {word}" if count == 1 else f"{count} {word}s" for word, count in counts.items()]
    return f"{levels.count(OK)} ok, {', '.join(named)}"


def run(arguments: argparse.Namespace) -> int:
    plan = plan_here()
    manifest = arguments.manifest or plan.users.manifest
    place = Place(
        plan.users.pairs,
        plan.weights_dir,
        manifest,
        arguments.results,
        plan.config["normalise"]["short_side"],
        plan.has_random_weights,
    )
    levels = []
    for finding in examine(place, gpu=arguments.gpu):
        print(finding, flush=True)
        levels.append(finding.level)
    print(totals(levels))
    return 1 if BAD in levels else 0
