"""Shards: consecutive rows of the manifest, processed by one job and named by their trailers.

    s0003-9f2c41aa    the fourth shard; a digest of its members' ids

Rows appended to a manifest affect the last, partly filled shard and new ones; if the members change,
the name changes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from trailers.domain import is_safe_id
from trailers.errors import ConfigError, StoreError

NAME = re.compile(r"[a-z]\d{4,6}-([0-9a-f]{8})")
ALL = re.compile(r"([a-z])([1-9]\d{0,8})")  # s100: all shards of 100 trailers whose names begin with s


def digest(trailers: Sequence[str]) -> str:
    """Digest of these trailers in this order, eight hexadecimal digits."""
    return hashlib.sha256("\n".join(trailers).encode()).hexdigest()[:8]


def is_whole(path: Path, trailers: Sequence[str]) -> bool:
    """Whether ``trailers`` match the name of a shard's file; always true for any other name."""
    name = NAME.fullmatch(path.stem)
    return name is None or name[1] == digest(trailers)


def make_shards(trailers: Sequence[str], *, size: int, letter: str = "s") -> dict[str, tuple[str, ...]]:
    """Shard name -> its trailers, in the order of the manifest."""
    if size < 1:
        raise ValueError(f"a shard holds at least one trailer, got size {size}")
    shards = {}
    for number, first in enumerate(range(0, len(trailers), size)):
        members = tuple(trailers[first : first + size])
        shards[f"{letter}{number:04d}-{digest(members)}"] = members
    return shards


def shard_files(paths: Sequence[Path], shards: str | None, trailers: Sequence[str]) -> list[Path]:
    """``paths``, with each folder replaced by its files of all shards of ``trailers``.

    A command can name the folder, because the names of thousands of files would not fit into it.

    Args:
        paths: files, or folders of such files.
        shards: the letter and the size of the shards, such as ``s100``; None if ``paths`` has no folder.
        trailers: ids in the order of the manifest.

    Raises:
        ConfigError: ``shards`` is not a letter and a size, or it or the trailers are missing.
    """
    folders = {path for path in paths if path.is_dir()}
    if not folders:
        return list(paths)
    letter_and_size = ALL.fullmatch(shards or "")
    if letter_and_size is None or not trailers:
        raise ConfigError(
            f"--shards: got {shards!r} and {len(trailers)} trailers, but a folder of ledgers needs a manifest, and "
            "shards as a letter and a size. Give --manifest, and --shards such as s100."
        )
    names = make_shards(trailers, size=int(letter_and_size[2]), letter=letter_and_size[1])
    inside = {folder: [folder / f"{name}.tsv" for name in names] for folder in folders}
    return [file for path in paths for file in inside.get(path, [path])]


def read_shard(path: Path) -> list[str]:
    """The trailers of one shard list.

    Raises:
        StoreError: the file is missing or truncated, or contains something that is not a trailer id.
    """
    remedy = "Remove it and rerun snakemake."
    try:
        trailers = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as problem:
        raise StoreError(f"cannot be read as a shard list: {problem}", where=path, remedy=remedy) from None
    for trailer in trailers:
        if not is_safe_id(trailer):
            raise StoreError(f"'{trailer}' is not a trailer id", where=path, remedy=remedy)
    if not trailers:
        raise StoreError("is empty", where=path, remedy=remedy)
    if not is_whole(path, trailers):
        raise StoreError(f"its {len(trailers)} trailers do not match its name", where=path, remedy=remedy)
    return trailers
