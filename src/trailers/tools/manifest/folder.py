"""Trailers from a folder of videos."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from trailers.domain import Trailer
from trailers.errors import ManifestError
from trailers.store.table import SPREADSHEET_ERROR
from trailers.tools.manifest.ids import make_unique, one_line, safe_id
from trailers.tools.manifest.source import Source, UnwritableError, local_url

log = logging.getLogger(__name__)

SHOWN = 5  # suffixes in a message
VIDEOS = frozenset(
    f".{suffix}"
    for suffix in "3gp avi divx flv gif m2ts m4v mkv mov mp4 mpeg mpg mts mxf ogm ogv ts vob webm wmv".split()  # noqa: SIM905
)


def from_folder(folder: Path, output: Path) -> Source:
    """Every video in ``folder`` and below it, except hidden ones; paths are relative to the manifest."""
    if not folder.is_dir():
        raise ManifestError("is not a directory", where=folder, remedy="Choose a folder of videos.")
    files = sorted(walk(folder))
    videos = [path for path in files if path.suffix.lower() in VIDEOS]
    if not videos:
        raise ManifestError("contains no video", where=folder, remedy=f"Known suffixes: {', '.join(sorted(VIDEOS))}.")
    log_other_files([path for path in files if path.suffix.lower() not in VIDEOS])
    named = list(with_urls(distinct(videos), output.parent))
    if not named:
        raise ManifestError(
            "contains no video whose name a manifest can hold", where=folder, remedy="Rename the files."
        )
    ids = make_unique(safe_id(path.stem) for path, _ in named)
    return Source([Trailer(name, (url,), title=title_of(path)) for name, (path, url) in zip(ids, named, strict=True)])


def walk(folder: Path) -> Iterator[Path]:
    def log_problem(problem: OSError) -> None:
        log.warning("%s: cannot be read: %s; left out", problem.filename, problem.strerror)

    for parent, folders, files in os.walk(folder, onerror=log_problem):
        for name in folders:
            if Path(parent, name).is_symlink():
                log.warning("%s: is a link to a directory; left out", Path(parent, name))
        folders[:] = [name for name in folders if not name.startswith(".")]
        hidden = [name for name in files if name.startswith(".") and Path(name).suffix.lower() in VIDEOS]
        if hidden:
            log.info("%s: hidden videos are left out: %s", parent, ascii(", ".join(sorted(hidden)))[1:-1])
        yield from (Path(parent, name) for name in files if not name.startswith("."))


def distinct(videos: Sequence[Path]) -> list[Path]:
    """Each file once; links to a file that is also in the folder are logged and left out."""
    owners: dict[str, Path] = {}
    for path in sorted(videos, key=Path.is_symlink):  # stable, so files come before links, in their order
        owner = owners.setdefault(os.path.realpath(path), path)
        if owner is not path:
            log.warning("%s: the same file as %s; left out", path, owner)
    kept = set(owners.values())
    return [path for path in videos if path in kept]


def log_other_files(files: Sequence[Path]) -> None:
    if files:
        suffixes = Counter(path.suffix.lower() or "no suffix" for path in files)
        most = sorted(suffixes.items(), key=lambda item: (-item[1], item[0]))[:SHOWN]
        kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in most)
        log.info(
            "%s files do not have the suffix of a video and are left out: %s", f"{len(files):,}", ascii(kinds)[1:-1]
        )


def with_urls(videos: Sequence[Path], base: Path) -> Iterator[tuple[Path, str]]:
    """Every video with its path in a manifest in ``base``; logs the videos that a manifest cannot name."""
    for path in videos:
        try:
            yield path, local_url(path, base)
        except UnwritableError as problem:
            log.warning("%s; left out", str(problem).rstrip("."))


def title_of(path: Path) -> str:
    title = one_line(path.stem)
    return one_line(path.name) if SPREADSHEET_ERROR.fullmatch(title) else title  # a manifest refuses #NAME? as a title
