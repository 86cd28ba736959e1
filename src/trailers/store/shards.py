"""Many trailers a job: consecutive rows of the manifest, named by what they hold.

    s0003-9f2c41aa    the fourth shard; a digest of its members' ids

Rows appended to a manifest touch the last, partly filled shard and new ones; another membership
is another name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from trailers.domain import is_safe_id
from trailers.errors import StoreError


def make_shards(trailers: Sequence[str], *, size: int, letter: str = "s") -> dict[str, tuple[str, ...]]:
    """Shard name -> its trailers, in the order of the manifest."""
    if size < 1:
        raise ValueError(f"a shard holds at least one trailer, got size {size}")
    shards = {}
    for number, first in enumerate(range(0, len(trailers), size)):
        members = tuple(trailers[first : first + size])
        digest = hashlib.sha256("\n".join(members).encode()).hexdigest()[:8]
        shards[f"{letter}{number:04d}-{digest}"] = members
    return shards


def read_shard(path: Path) -> list[str]:
    """The trailers of one shard list.

    Raises:
        StoreError: the file is missing or holds something that is no trailer id.
    """
    try:
        trailers = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as problem:
        raise StoreError(
            f"{path}: cannot be read as a shard list: {problem}. Remove it and run snakemake again."
        ) from None
    for trailer in trailers:
        if not is_safe_id(trailer):
            raise StoreError(f"{path}: '{trailer}' is no trailer id. Remove the file and run snakemake again.")
    if not trailers:
        raise StoreError(f"{path}: is empty. Remove it and run snakemake again.")
    return trailers
