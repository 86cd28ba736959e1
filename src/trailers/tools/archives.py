"""Fetch the published labels and embeddings of Trailers12k (Zenodo record 5716410), and check their MD5.

in   the record; files that are already in the folder are only checked, without a network
out  {folder}/mtgc.csv, {folder}/*.zarr.tar.gz

An interrupted download continues where it stopped. A wrong file is named, and all others are fetched and kept.
`trailers manifest --trailers12k` and `trailers import` read these files; `snakemake replicate` does all of it.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from trailers.errors import ConfigError, StoreError, TrailerError
from trailers.store.atomic import write_text
from trailers.store.published_files import LABELS, RECORD, STORES, PublishedFile, PublishedStore, other_digests
from trailers.store.text import size_text
from trailers.web.files import fetch, md5_of, size_of

log = logging.getLogger(__name__)

CLIPS = 1_800_000  # approximate number of clips of all published trailers
EVERY_S = 30.0  # between two lines of progress


def add_flags(parser: argparse.ArgumentParser) -> None:
    names = ["mtgc", *(store.stem for store in STORES)]
    parser.add_argument("--folder", type=Path, required=True, help="folder of the files")
    parser.add_argument(
        "--only", nargs="+", choices=names, default=names, metavar="NAME", help=f"of {', '.join(names)} (default: all)"
    )
    parser.add_argument("--record", default=RECORD, metavar="URL", help="address of a file, with {name} in it")
    parser.add_argument("--md5s", type=Path, metavar="FILE", help="lines of md5sum, for another version of the record")
    parser.add_argument("--no-fetch", action="store_true", help="only check the folder; use no network")
    parser.add_argument(
        "--checked", type=Path, metavar="FILE", help="finally write name and MD5 of every file to this file"
    )


def run(arguments: argparse.Namespace) -> None:
    """Tries every file, then raises the error of the first one that failed."""
    if "{name}" not in arguments.record:
        raise ConfigError("must contain {name} in place of the file name", where="--record")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    files: list[PublishedFile] = [LABELS] if "mtgc" in arguments.only else []
    files += [store for store in STORES if store.stem in arguments.only]
    if arguments.md5s:
        digests = other_digests(arguments.md5s)
        files = [dataclasses.replace(file, md5=digests.get(file.name, file.md5)) for file in files]
    absent = [file for file in files if not (arguments.folder / file.name).exists()]
    log_requirements(files, absent, arguments)
    problems: list[TrailerError] = []
    for number, file in enumerate(files, start=1):
        try:
            words = fetch_if_needed(file, arguments)
        except TrailerError as problem:
            problems.append(problem)
            words = str(problem)
        log.info("archives: %d/%d %s: %s", number, len(files), file.name, words)
    if problems:
        raise problems[0]
    if arguments.checked:
        write_text(arguments.checked, "".join(f"{file.md5}  {file.name}\n" for file in files))


def log_requirements(
    files: Sequence[PublishedFile], absent: Sequence[PublishedFile], arguments: argparse.Namespace
) -> None:
    """Logs bytes, disk space and time; raises StoreError if the disk is too small, or files are missing offline."""
    if absent and arguments.no_fetch:
        what = f"lacks {absent[0].name}" + (f" and {len(absent) - 1} more" if absent[1:] else "")
        raise StoreError(what, where=arguments.folder, remedy="Put them there, or omit --no-fetch.")
    sizes = [size_of(arguments.record.format(name=file.name)) for file in absent]
    to_fetch = sum(size or 0 for size in sizes)
    widths = [file.features for file in files if isinstance(file, PublishedStore)]
    room = 4 * CLIPS * (sum(widths) + max(widths, default=0))
    log.info(
        "archives: %d of %d files are in %s; to fetch: %s%s. Packs and the largest store unpacked take about "
        "%s of results/; training Table 6 takes about 3 hours on 2 cores (python -m trailers.bench classify)",
        len(files) - len(absent), len(files), arguments.folder, size_text(to_fetch),
        f", and {sizes.count(None)} files of unknown size" if None in sizes else "", size_text(room),
    )  # fmt: skip
    free = shutil.disk_usage(arguments.folder).free
    if to_fetch > free:
        what = f"has {size_text(free)} free, but {size_text(to_fetch)} must be fetched"
        raise StoreError(what, where=arguments.folder, remedy="Free some space, or choose another --folder.")


def fetch_if_needed(file: PublishedFile, arguments: argparse.Namespace) -> str:
    """Fetches ``file`` if it is missing, and checks its MD5; returns a description of what was done."""
    path = arguments.folder / file.name
    if path.exists():
        found = md5_of(path)
        if found != file.md5:
            remedy = "Remove it and rerun this command, or put the published file there."
            raise StoreError(f"has MD5 {found}, expected {file.md5}", where=path, remedy=remedy)
        return "exists, MD5 correct"
    fetch(arguments.record.format(name=file.name), path, md5=file.md5, report=Reporter(file.name))
    return f"fetched, {size_text(path.stat().st_size)}, MD5 correct"


class Reporter:
    """Logs the progress of a download every ``EVERY_S`` seconds."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.started = self.logged = time.monotonic()
        self.first: int | None = None  # bytes that existed when this run began

    def __call__(self, done: int, size: int) -> None:
        now = time.monotonic()
        self.first = done if self.first is None else self.first
        if now - self.logged < EVERY_S:
            return
        self.logged = now
        rate = (done - self.first) / (now - self.started)
        left = f", {(size - done) / rate:.0f} s left" if size and rate else ""
        of_all = f" of {size_text(size)}" if size else ""
        log.info("archives: %s: %s%s (%s/s%s)", self.name, size_text(done), of_all, size_text(rate), left)
