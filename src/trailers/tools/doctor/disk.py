"""Checks of the manifest, and of the disk and file system that its products need."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from trailers.errors import StoreError
from trailers.plan.checks import check_folder
from trailers.plan.disk import MEAN_S, bytes_per_trailer, finished, nearest_folder
from trailers.store.atomic import TEMPORARY
from trailers.store.hdf5 import create_hdf5, open_hdf5
from trailers.store.manifest import read_manifest
from trailers.store.text import size_text
from trailers.store.videos import describe_shared, shared_videos
from trailers.tools.doctor.findings import BAD, OK, WARN, Finding, Place

SPARE = 1.2  # factor of free space, for trailers that are longer than the mean


def check_manifest(place: Place) -> Iterator[Finding]:
    if not place.manifest.exists():
        yield Finding(
            WARN, "manifest", f"{place.manifest} does not exist. Write one with `python -m trailers manifest`."
        )
        return
    trailers = read_manifest(place.manifest, genres=None)
    labelled = sum(bool(trailer.genres) for trailer in trailers)
    yield Finding(OK, "manifest", f"{place.manifest}: {len(trailers):,} trailers, {labelled:,} of them with genres")
    for group in shared_videos(trailers, place.manifest.parent):
        yield Finding(WARN, "manifest", f"{describe_shared(group)}.")


def needed_bytes(place: Place) -> dict[str, int]:
    """Stage -> bytes on disk per trailer of mean length, with this configuration."""
    return bytes_per_trailer(place.pairs, place.weights)


def check_disk(place: Place) -> Iterator[Finding]:
    free = shutil.disk_usage(nearest_folder(place.results)).free
    needed = needed_bytes(place)
    parts = ", ".join(f"{stage} {size_text(size)}" for stage, size in needed.items())
    each = f"{size_text(sum(needed.values()))} per trailer of {MEAN_S:.0f} s ({parts})"
    if not place.manifest.exists():
        yield Finding(OK, "disk", f"{size_text(free)} free; {each}")
        return
    done = finished(place.results)
    wanted = sum(trailer.trailer not in done for trailer in read_manifest(place.manifest, genres=None)) * sum(
        needed.values()
    )
    level = OK if free > SPARE * wanted else WARN if free > wanted else BAD
    yield Finding(level, "disk", f"{size_text(free)} free, about {size_text(wanted)} still needed: {each}")


def check_results(place: Place) -> Iterator[Finding]:
    folder = nearest_folder(place.results)
    try:
        with tempfile.TemporaryDirectory(prefix=f"{TEMPORARY}doctor-", dir=folder) as scratch:
            path = Path(scratch) / "x.h5"
            path.with_name("x").write_bytes(b"x")
            path.with_name("x").replace(path)
            yield Finding(OK, "results", f"{folder} is writable, and files can be renamed there")
            yield check_hdf5(path)
    except OSError as problem:
        yield Finding(BAD, "results", f"{folder}: {problem.strerror}. Choose a writable folder with --results.")


def check_folders(place: Place) -> Iterator[Finding]:
    """The other folders that a run writes to; gives only those that are not writable."""
    stages = sorted(place.results.iterdir()) if os.access(place.results, os.R_OK | os.X_OK) else []
    for folder in (Path(".snakemake"), Path("logs"), *(path for path in stages if path.is_dir() or path.is_symlink())):
        for problem in check_folder(folder):
            yield Finding(BAD, "folder", str(problem))


def check_hdf5(path: Path) -> Finding:
    """Whether HDF5 can write and read ``path`` on this file system, without locks."""
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
            BAD, "HDF5", f"{str(problem).rstrip('.')}. Choose a folder on another file system with --results."
        )
    return Finding(OK, "HDF5", f"h5py {h5py.__version__} writes and reads on this file system without locks")
