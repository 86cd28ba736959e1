"""Copies among the trailers of a manifest, and trailers that are excluded from training: two CSV files.

The first line is a comment on how the file was made, the last one proves that it is complete:

    # duplicates/1 fingerprint=0123456789abcdef trailers=12000
    trailer,copy_of,group,share,pictures,offset,speed,split0,split1,split2
    tt0133093,tt0133092,tt0133092,0.9541,104,-36,1.0,train/test,,
    # 1 rows
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TypeVar

from trailers.domain import is_safe_id
from trailers.errors import StoreError
from trailers.store.atomic import write_text

DUPLICATES, EXCLUDED = "duplicates/1", "excluded/1"


@dataclass(frozen=True)
class Duplicate:
    """A trailer that is a copy of an earlier one in the manifest."""

    trailer: str
    copy_of: str
    group: str  # the first of all trailers that are copies of each other
    share: float  # pictures that both have / pictures of the trailer that has fewer
    pictures: int  # number of pictures that both have
    offset: int  # frame 0 of copy_of is this frame of trailer
    speed: float  # frames of trailer per frame of copy_of
    split0: str = ""  # the subsets of the two, such as train/test; empty if they are in the same one
    split1: str = ""
    split2: str = ""

    def __post_init__(self) -> None:
        for name in (self.trailer, self.copy_of, self.group):
            if not is_safe_id(name):
                raise ValueError(f"'{name[:40]}' is not a trailer id")
        if self.trailer == self.copy_of or not 0 <= self.share <= 1:
            raise ValueError(f"a copy is another trailer and its share is 0 to 1, got {self}")


@dataclass(frozen=True)
class Excluded:
    """A trailer that is excluded from training and tests, one row per flag."""

    trailer: str
    flag: str
    reason: str

    def __post_init__(self) -> None:
        if not is_safe_id(self.trailer):
            raise ValueError(f"'{self.trailer[:40]}' is not a trailer id")


Row = TypeVar("Row", Duplicate, Excluded)
KINDS = {Duplicate: DUPLICATES, Excluded: EXCLUDED}


def write_rows(path: Path, rows: Sequence[Row], kind: type[Row], header: Mapping[str, str | int]) -> None:
    """Write ``rows``; ``header`` values must not contain white space."""
    text = io.StringIO(newline="")
    text.write(" ".join(("#", KINDS[kind], *(f"{key}={value}" for key, value in header.items()))) + "\n")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(field.name for field in fields(kind))
    table.writerows([" ".join(str(value).split()) for value in astuple(row)] for row in rows)
    write_text(path, f"{text.getvalue()}# {len(rows)} rows\n")


def read_rows(path: Path, kind: type[Row]) -> list[Row]:
    """The rows of a file that ``write_rows`` wrote.

    Raises:
        StoreError: it is missing, damaged, or of another schema.
    """
    remedy = "Remove it and run `snakemake quality` again."
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise StoreError("does not exist", where=path, remedy="Run `snakemake quality` first.") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise StoreError(f"cannot be read: {problem}", where=path, remedy=remedy) from None
    if not lines or lines[0].split()[:2] != ["#", KINDS[kind]]:
        raise StoreError(f"line 1 does not say '# {KINDS[kind]}'", where=path, remedy=remedy)
    if lines[-1] != f"# {len(lines) - 3} rows":
        raise StoreError("is truncated", where=path, remedy=remedy)
    names = [field.name for field in fields(kind)]
    cells = list(csv.reader(lines[1:-1]))
    if cells[0] != names:
        raise StoreError(
            f"expected columns {', '.join(names)} but found {', '.join(cells[0])}", where=path, remedy=remedy
        )
    types = [{"str": str, "int": int, "float": float}[str(field.type)] for field in fields(kind)]
    rows = []
    for number, row in enumerate(cells[1:], start=3):
        try:
            rows.append(kind(*(read(cell) for read, cell in zip(types, row, strict=True))))
        except (ValueError, TypeError) as problem:
            raise StoreError(f"line {number} is damaged: {problem}", where=path, remedy=remedy) from None
    return rows


def flags_by_trailer(rows: Sequence[Excluded]) -> dict[str, tuple[str, ...]]:
    """Excluded trailer -> its flags."""
    found: dict[str, tuple[str, ...]] = {}
    for row in rows:
        found[row.trailer] = (*found.get(row.trailer, ()), row.flag)
    return found


def grouped(rows: Sequence[Duplicate]) -> dict[str, str]:
    """Trailer that has a copy -> the first trailer of its group."""
    return {name: row.group for row in rows for name in (row.copy_of, row.trailer)}
