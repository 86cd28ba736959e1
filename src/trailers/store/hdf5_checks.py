"""What the root group of an HDF5 file may hold, checked against the size of the file before anything is read.

A hostile or damaged HDF5 file can make a reader open other files (links, external storage, virtual datasets), load
plugins as filters, and allocate any size that a few bytes claim.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

DEFLATE_RATIO = 1032  # by which deflate can expand its input, as a maximum
HOLES = 32  # maximum ratio of size to space on disk; file systems that compress vectors save less
SMALL = 64 << 20  # bytes; below this, the ratio is not checked
MOST_METADATA = 64 << 20  # bytes that belong to no dataset; files of this project have a few kilobytes
MOST_ATTRIBUTES = 1000  # of a file; this project writes about 30
LONGEST_ATTRIBUTE = 64 << 10  # bytes; longer ones would not fit into HDF5's object headers


class UnexpectedError(Exception):
    """A file contains something that this project never writes."""


# What h5py raises for damaged files, and ``UnexpectedError``.
FAILURES = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, AttributeError, UnexpectedError)


def read_attributes(file: h5py.File) -> dict[str, Any]:
    """The attributes of the root group as plain values.

    Raises:
        UnexpectedError: an attribute is of a kind that this project never writes.
    """
    values: dict[str, Any] = {}
    count = h5py.h5a.get_num_attrs(file.id)
    if count > MOST_ATTRIBUTES:  # HDF5 searches all of them for each
        raise UnexpectedError(f"it has {count:,} attributes")
    for number in range(count):
        attribute = h5py.h5a.open(file.id, index=number)
        name = attribute.name.decode("utf-8")
        kind = attribute.get_type()
        if kind.get_class() not in (h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.ENUM, h5py.h5t.STRING):
            raise UnexpectedError(f"the attribute '{name}' is neither text nor numbers")
        if attribute.get_space().get_simple_extent_npoints() == 0:
            raise UnexpectedError(f"the attribute '{name}' has no value")
        if attribute.get_storage_size() > LONGEST_ATTRIBUTE:
            raise UnexpectedError(f"the attribute '{name}' claims {attribute.get_storage_size():,} bytes")
        value = file.attrs[name]
        values[name] = value.item() if isinstance(value, np.generic) else value
        # h5py keeps bytes that are not UTF-8 as surrogates, which nothing can print or write.
        str(values[name]).encode("utf-8")
    return values


def check_members(file: h5py.File, size: int, allocated: int, compressed: bool) -> tuple[str, list[tuple[int, int]]]:
    """What is wrong with the datasets of the root group, or ""; and (first byte, length) of their values."""
    used: list[tuple[int, int]] = []
    try:
        for name in file.id:
            used += check_member(file, name, size, allocated, compressed)
    except FAILURES as problem:
        return str(problem) or repr(problem), used
    return "", used


def check_member(file: h5py.File, name: bytes, size: int, allocated: int, compressed: bool) -> list[tuple[int, int]]:
    """(first byte, length) of every piece of the dataset ``name`` of the root group.

    Raises:
        UnexpectedError: it is not a plain dataset whose values are in the file.
    """
    shown = name.decode("utf-8", "backslashreplace")
    if file.id.links.get_info(name).type != h5py.h5l.TYPE_HARD:
        raise UnexpectedError(f"'{shown}' is a soft or external link")
    if h5py.h5o.get_info(file.id, name).type != h5py.h5o.TYPE_DATASET:
        raise UnexpectedError(f"'{shown}' is not a dataset")
    dataset = h5py.h5d.open(file.id, name)
    plist = dataset.get_create_plist()
    layout = plist.get_layout()
    # Before the shape is requested, because HDF5 looks up the shape of a virtual dataset in other files.
    if layout == h5py.h5d.VIRTUAL or (layout == h5py.h5d.CONTIGUOUS and plist.get_external_count()):
        raise UnexpectedError(f"'{shown}' has its values in another file")
    if not is_plain(dataset.get_type()):
        raise UnexpectedError(f"'{shown}' holds neither numbers nor text of a fixed length")
    if dataset.get_space().get_simple_extent_type() == h5py.h5s.NULL:
        raise UnexpectedError(f"'{shown}' has no values")
    filters = {plist.get_filter(number)[0] for number in range(plist.get_nfilters())}
    allowed = {h5py.h5z.FILTER_FLETCHER32} | ({h5py.h5z.FILTER_DEFLATE} if compressed else set())
    if filters - allowed:
        raise UnexpectedError(f"'{shown}' passes through filters that this project does not use: {sorted(filters)}")
    needed = math.prod(dataset.shape) * dataset.get_type().get_size()
    pieces: list[tuple[int, int]] = []
    if layout == h5py.h5d.CHUNKED:
        pieces = check_chunks(dataset, shown, size, deflated=h5py.h5z.FILTER_DEFLATE in filters)
    elif needed:
        pieces = check_contiguous(dataset, shown, needed, size)
    if needed > max(SMALL, allocated * (DEFLATE_RATIO if filters - {h5py.h5z.FILTER_FLETCHER32} else HOLES)):
        raise UnexpectedError(f"'{shown}' claims {needed:,} bytes, but the file takes {allocated:,} bytes on disk")
    return pieces


def is_plain(kind: h5py.h5t.TypeID) -> bool:
    """Whether values are numbers, truth values, or text of a fixed length."""
    if kind.get_class() == h5py.h5t.STRING:
        return not kind.is_variable_str()
    return kind.get_class() in (h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.ENUM)


def check_contiguous(dataset: h5py.h5d.DatasetID, name: str, needed: int, size: int) -> list[tuple[int, int]]:
    """Raise UnexpectedError if the ``needed`` bytes of a contiguous dataset are not in the file."""
    compact = dataset.get_create_plist().get_layout() == h5py.h5d.COMPACT
    start = 0 if compact else dataset.get_offset()
    if start is None or dataset.get_storage_size() != needed or start + needed > size:
        raise UnexpectedError(f"'{name}' claims {needed:,} bytes, but the file has {size:,}")
    return [] if compact else [(start, needed)]


def check_chunks(dataset: h5py.h5d.DatasetID, name: str, size: int, *, deflated: bool) -> list[tuple[int, int]]:
    """Raise UnexpectedError if chunks are missing, are outside the file, or hold less than they claim.

    HDF5 itself returns zeros in place of a missing chunk.
    """
    sides = dataset.get_create_plist().get_chunk()
    expected = math.prod(-(-n // side) for n, side in zip(dataset.shape, sides, strict=True))
    found = dataset.get_num_chunks()
    if found != expected:
        raise UnexpectedError(f"'{name}' has {found:,} of its {expected:,} chunks")
    stored: list[tuple[int, int]] = []
    dataset.chunk_iter(lambda chunk: stored.append((chunk.byte_offset, chunk.size)) if not chunk.filter_mask else None)
    bytes_each = math.prod(sides) * dataset.get_type().get_size()
    total = sum(length for _, length in stored)
    if len(stored) != found or any(start + length > size for start, length in stored) or total > size:
        raise UnexpectedError(f"'{name}' has chunks that do not lie in the file")
    if any(length * (DEFLATE_RATIO if deflated else 1) < bytes_each for _, length in stored):
        raise UnexpectedError(f"'{name}' has chunks of {bytes_each:,} bytes that hold less")
    return stored


def trouble_with_heaps(path: Path, size: int, used: Sequence[tuple[int, int]]) -> str:
    """What is wrong with the heaps of text in a file, or "".

    HDF5 loops forever at an entry whose length is zero. Reads everything in the file except the pieces ``used``
    by the values of datasets.
    """
    gaps, end = [], 0
    for start, length in [*sorted(used), (size, 0)]:
        gaps.append((end, start - end))
        end = max(end, start + length)
    if sum(length for _, length in gaps if length > 0) > MOST_METADATA:
        return "most of its bytes belong to no dataset"
    with path.open("rb") as file:
        for start, length in gaps:
            file.seek(start)
            if length > 0 and not heaps_are_whole(file.read(length)):
                return "a heap of its text is damaged"
    return ""


def heaps_are_whole(metadata: bytes) -> bool:
    """Whether each entry of the global heaps (HDF5 File Format Specification, III.E) leads to the next one."""
    place = metadata.find(b"GCOL")
    while place >= 0:
        end = place + int.from_bytes(metadata[place + 8 : place + 16], "little")
        entry = place + 16
        while entry + 16 <= end <= len(metadata):
            number, length = metadata[entry : entry + 2], int.from_bytes(metadata[entry + 8 : entry + 16], "little")
            # Free space counts its own head; an empty text is a head alone.
            step = length if number == b"\0\0" else 16 + -(-length // 8) * 8
            entry += step
            if step == 0 or entry > end:
                return False
        place = metadata.find(b"GCOL", place + 4)
    return True
