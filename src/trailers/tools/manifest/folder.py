"""Trailers from a folder of videos."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from trailers.domain import Trailer
from trailers.errors import ManifestError
from trailers.store.manifest import ALTERNATIVES
from trailers.tools.manifest.ids import make_unique, one_line, safe_id

VIDEOS = frozenset(
    f".{suffix}"
    for suffix in "3gp avi divx flv m2ts m4v mkv mov mp4 mpeg mpg mts mxf ogm ogv ts vob webm wmv".split()  # noqa: SIM905
)


def from_folder(folder: Path, output: Path) -> list[Trailer]:
    """Every video in ``folder`` and below it, hidden ones left out; paths relative to the manifest."""
    if not folder.is_dir():
        raise ManifestError(f"{folder}: is no folder. Name one that holds videos.")
    videos = sorted(path for path in walk(folder) if path.suffix.lower() in VIDEOS)
    if not videos:
        raise ManifestError(f"{folder}: holds no video. Known suffixes are {', '.join(sorted(VIDEOS))}.")
    ids = make_unique(safe_id(path.stem) for path in videos)
    return [
        Trailer(name, (local_url(path, output.parent),), title=one_line(path.stem))
        for name, path in zip(ids, videos, strict=True)
    ]


def walk(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(parent, name) for name in files if not name.startswith("."))


def local_url(path: Path, base: Path) -> str:
    """``path`` as a manifest in ``base`` names it."""
    # The real folders, since `..` of a linked one leads elsewhere; the file's own name, linked or not.
    url = os.path.relpath(path.parent.resolve() / path.name, base.resolve())
    if "/" not in url:
        url = f"./{url}"  # or a name such as a:b.mp4 would read as a link
    unwritable = ALTERNATIVES in url or url != url.strip() or any(ord(letter) < 32 for letter in url)
    if unwritable or not is_utf8(url):
        raise ManifestError(
            f"{path!s}: a manifest cannot name this file: it has ' | ', a control character, bytes that are not UTF-8, "
            "or a space at an end. Rename it."
        )
    return url


def is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
