"""Look whether this machine has all that a run needs: one line each, ok, warn or bad.

in   config.yaml, its manifest, the weights, the programs and libraries of the environment
out  lines on the screen; exit status 1 when something is bad

warn is what a run can do without or what may stop it later; bad is what stops it.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trailers.errors import StoreError, TrailerError
from trailers.plan.disk import MEAN_S, bytes_per_trailer, nearest_folder
from trailers.plan.studies import plan_here
from trailers.store.atomic import TEMPORARY
from trailers.store.hdf5 import create_hdf5, open_hdf5
from trailers.store.manifest import read_manifest

OK, WARN, BAD = "ok", "warn", "bad"

ENCODERS = ("libx264",)
DECODERS = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4")  # what trailers come in
FORMATS = ("mov", "matroska", "mpegts")
RUNTIMES = {"deno": "deno", "node": "node", "bun": "bun", "quickjs": "qjs"}  # yt-dlp's name, the program's
OLD_DAYS = 90  # YouTube changes about as often

SPARE = 1.2  # room for trailers that are longer


@dataclass(frozen=True)
class Finding:
    """What was found of one thing."""

    level: str
    subject: str
    words: str

    def __str__(self) -> str:
        return f"{self.level:5} {self.subject:12} {self.words}"


@dataclass(frozen=True)
class Place:
    """What is to be run where."""

    pairs: Sequence[tuple[str, str]]  # clip strategy, backbone
    weights: Path
    manifest: Path
    results: Path
    has_random_weights: bool = False  # in place of published ones (embed.random_weights)


def check_python(_: Place) -> Iterator[Finding]:
    # An older one cannot even start this: envs/run looks for a newer.
    yield Finding(OK, "python", f"{platform.python_version()}, {os.cpu_count()} cores")


def check_ffmpeg(_: Place) -> Iterator[Finding]:
    import imageio_ffmpeg

    try:
        program = imageio_ffmpeg.get_ffmpeg_exe()
        listed = {what: ask(program, f"-{what}") for what in ("version", "encoders", "decoders")}
    except (RuntimeError, OSError, subprocess.SubprocessError) as problem:
        yield Finding(BAD, "ffmpeg", f"cannot be run: {problem}. Install the package imageio-ffmpeg again.")
        return
    missing = [name for name in ENCODERS if not has_word(listed["encoders"], name)]
    missing += [name for name in DECODERS if not has_word(listed["decoders"], name)]
    number = listed["version"].split()[2]
    if missing:
        yield Finding(BAD, "ffmpeg", f"{number} at {program} lacks {', '.join(missing)}. Unset IMAGEIO_FFMPEG_EXE.")
    elif os.environ.get("IMAGEIO_FFMPEG_EXE"):
        yield Finding(WARN, "ffmpeg", f"{number} at {program}, not the pinned one: frames may differ a little")
    else:
        yield Finding(
            OK, "ffmpeg", f"{number}, the pinned one; writes {', '.join(ENCODERS)}; reads {', '.join(DECODERS)}"
        )


def ask(program: str, question: str) -> str:
    done = subprocess.run([program, "-hide_banner", question], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def has_word(listing: str, word: str) -> bool:
    return any(word in line.split()[:2] for line in listing.splitlines())


def check_decoder(_: Place) -> Iterator[Finding]:
    import av

    missing = [name for name in DECODERS if name not in av.codecs_available]
    missing += [name for name in FORMATS if not any(name in known.split(",") for known in av.formats_available)]
    if missing:
        yield Finding(BAD, "PyAV", f"{av.__version__} lacks {', '.join(missing)}. Install the pinned wheel of av.")
    else:
        yield Finding(OK, "PyAV", f"{av.__version__} reads {', '.join(DECODERS)}")


def check_weights(place: Place) -> Iterator[Finding]:
    from trailers.backbones.rows import find_row
    from trailers.backbones.weights import check_weights as read_whole
    from trailers.backbones.weights import weights_path
    from trailers.detector import WEIGHTS_SHA256
    from trailers.detector.network import load_weights, weights_file

    try:
        load_weights()  # compares the sha256
        yield Finding(
            OK, "weights", f"TransNet V2: {weights_file().name}, sha256 {WEIGHTS_SHA256[:16]}..., as expected"
        )
    except TrailerError as problem:
        yield Finding(BAD, "weights", str(problem))
    for backbone in dict.fromkeys(backbone for _, backbone in place.pairs):
        if place.has_random_weights:
            yield Finding(OK, "weights", f"{backbone}: random ones, as embed.random_weights says")
            continue
        try:
            row = find_row(backbone, place.weights)
            found = read_whole(row, place.weights)
        except TrailerError as problem:
            yield Finding(BAD, "weights", str(problem))
            continue
        words = f"{backbone}: {weights_path(row, place.weights).name}, {row.weights.name}, sha256 {found[:16]}..."
        if row.weights.sha256:
            yield Finding(OK, "weights", f"{words}, as published")
        else:
            yield Finding(OK, "weights", f"{words}; none is published to compare it with")


def check_manifest(place: Place) -> Iterator[Finding]:
    if not place.manifest.exists():
        yield Finding(WARN, "manifest", f"{place.manifest} is not there. Write one with `python -m trailers manifest`.")
        return
    trailers = read_manifest(place.manifest)
    labelled = sum(bool(trailer.genres) for trailer in trailers)
    yield Finding(OK, "manifest", f"{place.manifest}: {len(trailers):,} trailers, {labelled:,} of them with genres")


def bytes_a_trailer(place: Place) -> dict[str, int]:
    """Stage -> bytes on disk for a trailer of the usual length, as configured."""
    return bytes_per_trailer(place.pairs, place.weights)


def check_disk(place: Place) -> Iterator[Finding]:
    free = shutil.disk_usage(nearest_folder(place.results)).free
    needed = bytes_a_trailer(place)
    parts = ", ".join(f"{stage} {size / 1e6:.2f}" for stage, size in needed.items())
    each = f"{sum(needed.values()) / 1e6:.0f} MB a trailer of {MEAN_S:.0f} s ({parts})"
    if not place.manifest.exists():
        yield Finding(OK, "disk", f"{free / 1e9:,.0f} GB free; {each}")
        return
    done = {path.stem for path in (place.results / "normalise").glob("*.mp4")}
    wanted = sum(trailer.trailer not in done for trailer in read_manifest(place.manifest)) * sum(needed.values())
    level = OK if free > SPARE * wanted else WARN if free > wanted else BAD
    yield Finding(level, "disk", f"{free / 1e9:,.0f} GB free, about {wanted / 1e9:,.1f} GB still wanted: {each}")


def check_results(place: Place) -> Iterator[Finding]:
    folder = nearest_folder(place.results)
    try:
        with tempfile.TemporaryDirectory(prefix=f"{TEMPORARY}doctor-", dir=folder) as scratch:
            path = Path(scratch) / "x.h5"
            path.with_name("x").write_bytes(b"x")
            path.with_name("x").replace(path)
            yield Finding(OK, "results", f"{folder} can be written; files are renamed in place")
            yield check_hdf5(path)
    except OSError as problem:
        yield Finding(
            BAD, "results", f"{folder}: {problem.strerror}. Name a folder that can be written, with --results."
        )


def check_hdf5(path: Path) -> Finding:
    """Whether HDF5 can write and read ``path`` on this file system; it needs no locks."""
    import h5py

    try:
        with create_hdf5(path) as file:
            file["x"] = 1
            file.attrs["schema"] = "doctor"
        probe = functools.partial(open_hdf5, path, schema="doctor", stage="doctor")
        with probe() as first, probe() as second:
            first.read("x", int, ()), second.read("x", int, ())
    except (OSError, StoreError) as problem:
        return Finding(
            BAD, "HDF5", f"{str(problem).rstrip('.')}. Name a folder on another file system, with --results."
        )
    return Finding(OK, "HDF5", f"h5py {h5py.__version__} writes and reads on this file system, which needs no locks")


def check_gpus(_: Place) -> Iterator[Finding]:
    import torch

    if not torch.cuda.is_available():
        yield Finding(
            WARN, "GPU", f"none (torch {torch.__version__}): shots, embed and classify run on the processor, slower"
        )
        return
    for number in range(torch.cuda.device_count()):
        found = torch.cuda.get_device_properties(number)
        yield Finding(
            OK, "GPU", f"{number}: {found.name}, {found.total_memory / 2**30:.0f} GiB, torch {torch.__version__}"
        )


def check_downloader(_: Place) -> Iterator[Finding]:
    number = importlib.metadata.version("yt-dlp")
    year, month, day = (int(part) for part in number.split(".")[:3])
    age = (datetime.date.today() - datetime.date(year, month, day)).days
    if age > OLD_DAYS:
        yield Finding(
            WARN, "yt-dlp", f"{number} is {age} days old; sites change. Raise its pin in envs/requirements.txt."
        )
    else:
        yield Finding(OK, "yt-dlp", f"{number}, {age} days old")
    found = [name for name, program in RUNTIMES.items() if shutil.which(program)]
    scripts = importlib.util.find_spec("yt_dlp_ejs") is not None
    if found and scripts:
        yield Finding(OK, "JavaScript", f"{', '.join(found)}: YouTube's formats can be unlocked")
    elif found:
        yield Finding(
            WARN,
            "JavaScript",
            f"{', '.join(found)}, but the package yt-dlp-ejs is missing: YouTube may give few formats",
        )
    else:
        yield Finding(
            WARN,
            "JavaScript",
            "none of deno, node, bun, qjs is on PATH: YouTube may give few formats or none. Install deno.",
        )


CHECKS: tuple[Callable[[Place], Iterator[Finding]], ...] = (
    check_python, check_ffmpeg, check_decoder, check_weights, check_manifest, check_disk, check_results, check_gpus,
    check_downloader,
)  # fmt: skip


def examine(place: Place) -> Iterator[Finding]:
    """All findings; a check that breaks is a finding too."""
    for check in CHECKS:
        try:
            yield from check(place)
        except TrailerError as problem:
            yield Finding(BAD, subject_of(check), str(problem))
        except Exception as problem:  # noqa: BLE001  whatever is broken here is what the user wants to know
            yield Finding(BAD, subject_of(check), f"{type(problem).__name__}: {problem}")


def subject_of(check: Callable[[Place], Iterator[Finding]]) -> str:
    return check.__name__.removeprefix("check_")


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--manifest", type=Path, metavar="CSV", help="trailers to make room for (config.yaml: manifest)"
    )
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="FOLDER", help="where products will live"
    )


def run(arguments: argparse.Namespace) -> int:
    plan = plan_here()
    manifest = arguments.manifest or plan.users.manifest
    place = Place(plan.users.pairs, plan.weights_dir, manifest, arguments.results, plan.has_random_weights)
    levels = []
    for finding in examine(place):
        print(finding, flush=True)
        levels.append(finding.level)
    print(f"{levels.count(OK)} ok, {levels.count(WARN)} to note, {levels.count(BAD)} bad")
    return 1 if BAD in levels else 0
