"""Reads small JSON files; the message for a damaged one names the file and the remedy."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from trailers.errors import MACHINE, StoreError, TrailerError

LARGEST = 64 << 20  # bytes; files of this project have a few kilobytes, the index of a large store a few megabytes


def read_json(
    path: Path, *, kind: str = "a table", remedy: str, error: type[TrailerError] = StoreError, follow_links: bool = True
) -> dict[str, Any]:
    """The table that a JSON file holds.

    Args:
        kind: what it should be, for the message.
        remedy: what to do about a damaged file, as a sentence.
        error: the class of exception to raise.
        follow_links: whether ``path`` may be a symbolic link.

    Raises:
        FileNotFoundError: the file does not exist.
        TrailerError: of the class ``error``; the file cannot be read, or is not a JSON table.
    """
    try:
        values = json.loads(read_small_file(path, follow_links=follow_links))
    except FileNotFoundError:
        raise
    except OSError as problem:
        if problem.errno in MACHINE:
            raise
        raise error(f"cannot be read as {kind}: {problem.strerror or problem}", where=path, remedy=remedy) from None
    except (ValueError, RecursionError) as problem:
        what = f"cannot be read as {kind}: it is not JSON, or it is truncated: {problem}"
        raise error(what, where=path, remedy=remedy) from None
    if not isinstance(values, dict):
        raise error(f"expected a JSON object but found {type(values).__name__}", where=path, remedy=remedy)
    return values


def read_small_file(path: Path, *, follow_links: bool = True, largest: int = LARGEST) -> bytes:
    """The bytes of a regular file. Raises OSError, also for a pipe, a device, or a file above ``largest`` bytes."""
    flags = os.O_RDONLY | os.O_NONBLOCK | (0 if follow_links else os.O_NOFOLLOW)
    with os.fdopen(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError("it is not a file")
        if status.st_size > largest:
            raise OSError(f"it has {status.st_size:,} bytes, more than the limit of {largest:,} for such a file")
        return file.read(largest + 1)


def read_product(path: Path, *, kind: str, schema: str, command: str, remedy: str) -> dict[str, Any]:
    """The table of a product in JSON, without its schema.

    Args:
        path: the product.
        kind: what it should be, for the message.
        schema: the schema it must have.
        command: what makes it, such as "the quality stage".
        remedy: what to do about a damaged file, as a sentence.

    Raises:
        StoreError: it is missing, cannot be read as a table, or has another schema.
    """
    try:
        values = read_json(path, kind=kind, remedy=remedy)
    except FileNotFoundError:
        raise StoreError("does not exist", where=path, remedy=f"Run {command} first.") from None
    found = values.pop("schema", None)
    if found != schema:
        raise StoreError(f"expected schema {schema} but found {found}", where=path, remedy=remedy)
    return values
