"""Finds trailers that share a video, which is downloaded twice and may be both trained on and tested on."""

from __future__ import annotations

import functools
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from trailers.domain import SPLITS, SUBSETS, Trailer
from trailers.store.cells import path_exists
from trailers.store.text import first_few
from trailers.web.links import identity


def video_key(url: str, base: Path) -> str:
    """A name that is the same for all links to one video, and for all paths (and symbolic links) to one file."""
    return identity(url) or real_path(Path.cwd() / base / url)


def real_path(path: Path) -> str:
    """An absolute path without links. Its folder is looked up once, since a manifest names thousands of files."""
    file = real_folder(path.parent) / path.name
    return os.path.realpath(file) if file.is_symlink() else str(file)


@functools.lru_cache
def real_folder(path: Path) -> Path:
    return path.resolve()


def shared_videos(trailers: Iterable[Trailer], base: Path) -> list[tuple[Trailer, ...]]:
    """Groups of trailers that share a video, which is then downloaded twice and can be in train and test.

    Args:
        trailers: their links may be paths relative to ``base``; paths that do not exist are ignored.
        base: the manifest's folder.
    """
    found: dict[str, dict[str, Trailer]] = defaultdict(dict)
    for trailer in trailers:
        for url in trailer.urls:
            found[video_key(url, base)][trailer.trailer] = trailer
    several = {Path(video): tuple(group.values()) for video, group in found.items() if len(group) > 1}
    return list(
        dict.fromkeys(group for video, group in several.items() if not video.is_absolute() or path_exists(video))
    )


def split_apart(group: Iterable[Trailer]) -> list[int]:
    """The splits that have trailers of ``group`` in different subsets."""
    members = list(group)
    return [n for n in SPLITS if len({trailer.splits[n] for trailer in members} - {None}) > 1]


def describe_shared(group: Sequence[Trailer], split: int | None = None) -> str:
    """One sentence on trailers that share a video, with their subsets in ``split`` or the first that separates them."""
    names = first_few([trailer.trailer for trailer in group])
    apart = split_apart(group)
    if not apart:
        return f"{names} have the same video"
    shown = apart[0] if split is None else split
    subsets = [
        f"{trailer.trailer} in {SUBSETS[code]}" for trailer in group if (code := trailer.splits[shown]) is not None
    ]
    return f"{names} have the same video, but split{shown} has {first_few(subsets)}"
