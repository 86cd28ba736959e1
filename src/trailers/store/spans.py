"""Shots and clips as CSV. The first line is a comment on how they were made:

    # shots/1 trailer=tt0133093 frames=2931 fingerprint=0123456789abcdef
    start,end
    0,34

pandas reads it with ``comment="#"``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from trailers.domain import Clip, Shot
from trailers.errors import StoreError
from trailers.store.atomic import write_text

SHOTS_SCHEMA = "shots/1"
CLIPS_SCHEMA = "clips/1"

Span = TypeVar("Span", Shot, Clip)


def write_spans(
    path: Path, spans: Sequence[Span], *, kind: type[Span], header: Mapping[str, str | int], schema: str
) -> None:
    """Write ``spans``; ``header`` must include fingerprint and trailer, and its values must not contain white space."""
    names = [field.name for field in dataclasses.fields(kind)]
    lines = [" ".join(("#", schema, *(f"{key}={value}" for key, value in header.items()))), ",".join(names)]
    lines += [",".join(str(getattr(span, name)) for name in names) for span in spans]
    # The last line proves that the file is complete: a file truncated at the end of a line is a well-formed CSV.
    lines.append(f"# {len(spans)} rows")
    write_text(path, "\n".join(lines) + "\n")


def read_header(path: Path, *, schema: str) -> dict[str, str]:
    """The values in the first line.

    Raises:
        StoreError: the file is missing, damaged, or of another schema.
    """
    return read_lines(path, schema)[0]


def read_spans(path: Path, *, kind: type[Span], schema: str) -> tuple[list[Span], dict[str, str]]:
    """The spans and the values in the first line.

    Raises:
        StoreError: the file is missing, damaged, or of another schema.
    """
    header, lines = read_lines(path, schema)
    names = [field.name for field in dataclasses.fields(kind)]
    if lines[0] != ",".join(names):
        raise StoreError(f"expected columns {', '.join(names)} but found {lines[0]}", where=path, remedy=remedy(schema))
    spans = []
    for number, line in enumerate(lines[1:], start=3):
        try:
            spans.append(kind(*map(int, line.split(","))))
        except (ValueError, TypeError) as problem:
            raise StoreError(f"line {number} is damaged: {problem}", where=path, remedy=remedy(schema)) from None
    return spans, header


def read_lines(path: Path, schema: str) -> tuple[dict[str, str], list[str]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise StoreError("does not exist", where=path, remedy=f"Run the {schema.split('/')[0]} stage first.") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise StoreError(f"cannot be read: {problem}", where=path, remedy=remedy(schema)) from None
    words = lines[0].split() if lines else []
    if words[:2] != ["#", schema]:
        raise StoreError(f"line 1 does not say '# {schema}'", where=path, remedy=remedy(schema))
    if lines[-1] != f"# {len(lines) - 3} rows":
        raise StoreError("is truncated", where=path, remedy=remedy(schema))
    return dict(word.split("=", 1) for word in words[2:] if "=" in word), lines[1:-1]


def remedy(schema: str) -> str:
    return f"Remove it and rerun the {schema.split('/')[0]} stage."
