"""HDF5 files: written on disks that fill up and file systems without locks, read as if they came from strangers.

When a write fails inside HDF5, the file cannot be closed any more: its space stays taken until the
process ends, which it does with a segmentation fault, and the error that Python sees has no errno.

No file is locked: each is written under a name of its own and read only when it is whole, and there
are file systems of clusters on which every lock fails.

Every file is read through ``open_hdf5``. HDF5 can lead a reader to other files (links, raw storage
elsewhere, virtual datasets), load plugins as filters, and allocate what a few damaged bytes claim. So
whatever stands in the root group is checked against the size of the file before anything is read.
"""

from __future__ import annotations

import contextlib
import math
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from trailers.errors import MACHINE, StoreError
from trailers.store.atomic import unfailing

DEFLATE_RATIO = 1032  # the most that deflate can expand
HOLES = 32  # times the space on disk: file systems that compress save less on vectors
SMALL = 64 << 20  # bytes that are read without looking for holes
MOST_METADATA = 64 << 20  # bytes of a file that belong to no dataset; ours have some kilobytes
LONGEST_ATTRIBUTE = 64 << 10  # bytes; longer ones would not fit into HDF5's object headers


class UnexpectedError(Exception):
    """What no file of this project holds."""


# What h5py raises for damaged files, and ``UnexpectedError``.
FAILURES = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, AttributeError, UnexpectedError)


@contextlib.contextmanager
def create_hdf5(path: Path) -> Iterator[h5py.File]:
    """A new HDF5 file to fill; it appears as ``path`` when the block ends well.

    Raises:
        OSError: it could not be written, such as on a full disk.
    """
    with unfailing(path) as raw, h5py.File(raw, "w") as file:
        yield file


@contextlib.contextmanager
def open_hdf5(path: Path, *, schema: str | tuple[str, ...], stage: str, compressed: bool = False) -> Iterator[Hdf5]:
    """The HDF5 file at ``path``, to read; nothing in it leads elsewhere or claims more than it holds.

    Args:
        schema: what its attribute ``schema`` must say; one of them where there are several.
        stage: the stage that makes it, for the remedy.
        compressed: whether its datasets may be compressed, so that a reader takes one chunk at a time.

    Raises:
        StoreError: it is missing, damaged, of another schema, or not a file of the kind that this project writes.
    """
    size, allocated = size_of(path, stage)
    schemas = (schema,) if isinstance(schema, str) else schema
    remedy = f"Remove it and run the stage {stage} again."
    try:
        file = h5py.File(path, "r", locking=False)
    except FAILURES as problem:
        raise StoreError(f"is damaged: {problem}", where=path, remedy=remedy) from None
    with file:
        # HDF5 reports a damaged header wherever it first needs it.
        try:
            trouble, used = check_members(file, size, allocated, compressed)
            heaps = trouble_with_heaps(path, size, used)
            if heaps:
                raise UnexpectedError(trouble or heaps)
            attributes = read_attributes(file)
            if attributes.get("schema") in schemas and trouble:
                raise UnexpectedError(trouble)
        except FAILURES as problem:
            raise StoreError(f"is damaged: {problem}", where=path, remedy=remedy) from None
        if attributes.get("schema") not in schemas:
            raise StoreError(
                f"schema is {attributes.get('schema')!r}, not '{schemas[0]}'", where=path,
                remedy=f"It was made by something else: move it away and run the stage {stage} again.",
            )  # fmt: skip
        yield Hdf5(path, file, attributes, remedy)


def size_of(path: Path, stage: str) -> tuple[int, int]:
    """Bytes of the file, and bytes of the disk that it takes.

    Raises:
        StoreError: there is no such file, or it cannot be opened.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # to open a pipe would wait for ever
            raise StoreError("is not a file", where=path, remedy=f"Remove it and run the stage {stage} again.")
        path.open("rb").close()
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError("is not there", where=path, remedy=f"Run the stage {stage} first.") from None
    except OSError as problem:
        if problem.errno in MACHINE:
            raise
        words = problem.strerror or problem
        raise StoreError(f"cannot be read: {words}", where=path, remedy="Check its permissions and its disk.") from None
    return status.st_size, status.st_blocks * 512


class Hdf5:
    """An open file whose datasets were checked: ``path``, ``attributes``, and what reads one dataset."""

    def __init__(self, path: Path, file: h5py.File, attributes: dict[str, Any], remedy: str) -> None:
        self.path = path
        self.file = file
        self.attributes = attributes
        self.remedy = remedy

    def damaged(self, problem: object) -> StoreError:
        """The error that says what is wrong with this file."""
        return StoreError(f"is damaged: {problem}", where=self.path, remedy=self.remedy)

    def dataset(self, name: str, dtype: Any, shape: Sequence[int | None]) -> h5py.Dataset:
        """The dataset called ``name``.

        Args:
            dtype: its type, exactly.
            shape: its shape; None for any length.

        Raises:
            StoreError: there is none, or of another type or shape.
        """
        wanted = f"{np.dtype(dtype)} ({', '.join('any' if side is None else str(side) for side in shape)})"
        try:
            found = self.file.get(name)
            if not isinstance(found, h5py.Dataset):
                raise UnexpectedError(f"it has no dataset '{name}', expected {wanted}")
            fits = len(found.shape) == len(shape) and all(
                side in (None, n) for n, side in zip(found.shape, shape, strict=True)
            )
            if found.dtype != np.dtype(dtype) or not fits:
                raise UnexpectedError(f"'{name}' is {found.dtype} {found.shape}, expected {wanted}")
        except FAILURES as problem:  # h5py makes the type of a damaged dataset only when it is asked for
            raise self.damaged(problem) from None
        return found

    def read(self, name: str, dtype: Any, shape: Sequence[int | None]) -> np.ndarray:
        """The values of a dataset. Raises StoreError as ``dataset`` does, and when its checksum is wrong."""
        dataset = self.dataset(name, dtype, shape)
        try:
            return np.asarray(dataset[()])
        except FAILURES as problem:
            raise self.damaged(problem) from None

    def place(self, name: str, dtype: Any, shape: Sequence[int | None]) -> tuple[int, tuple[int, ...]]:
        """Byte at which a contiguous dataset starts, and its shape, to map it into memory.

        Raises:
            StoreError: as ``dataset`` does, and when it is not contiguous.
        """
        dataset = self.dataset(name, dtype, shape)
        if dataset.id.get_create_plist().get_layout() != h5py.h5d.CONTIGUOUS:
            raise self.damaged(f"'{name}' is not one contiguous table")
        return int(dataset.id.get_offset() or 0), tuple(map(int, dataset.shape))


def read_attributes(file: h5py.File) -> dict[str, Any]:
    """The attributes of the root group as plain values.

    Raises:
        UnexpectedError: one is of a kind that this project never writes.
    """
    values: dict[str, Any] = {}
    for number in range(h5py.h5a.get_num_attrs(file.id)):
        attribute = h5py.h5a.open(file.id, index=number)
        name = attribute.name.decode("utf-8")
        kind = attribute.get_type()
        if kind.get_class() not in (h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.ENUM, h5py.h5t.STRING):
            raise UnexpectedError(f"the attribute '{name}' is neither text nor numbers")
        if attribute.get_storage_size() > LONGEST_ATTRIBUTE:
            raise UnexpectedError(f"the attribute '{name}' claims {attribute.get_storage_size():,} bytes")
        value = file.attrs[name]
        values[name] = value.item() if isinstance(value, np.generic) else value
        # h5py keeps bytes that are not UTF-8 as surrogates, which nothing can print or write.
        str(values[name]).encode("utf-8")
    return values


def check_members(file: h5py.File, size: int, allocated: int, compressed: bool) -> tuple[str, list[tuple[int, int]]]:
    """What is wrong with the datasets of the root group, empty when nothing is; and where their values lie."""
    used: list[tuple[int, int]] = []
    try:
        for name in file.id:
            used += check_member(file, name, size, allocated, compressed)
    except FAILURES as problem:
        return str(problem) or repr(problem), used
    return "", used


def check_member(file: h5py.File, name: bytes, size: int, allocated: int, compressed: bool) -> list[tuple[int, int]]:
    """First byte and length of every piece of the dataset that the root group calls ``name``.

    Raises:
        UnexpectedError: it is not a plain dataset that the file holds.
    """
    shown = name.decode("utf-8", "backslashreplace")
    if file.id.links.get_info(name).type != h5py.h5l.TYPE_HARD:
        raise UnexpectedError(f"'{shown}' is a link to elsewhere")
    if h5py.h5o.get_info(file.id, name).type != h5py.h5o.TYPE_DATASET:
        raise UnexpectedError(f"'{shown}' is not a dataset")
    dataset = h5py.h5d.open(file.id, name)
    plist = dataset.get_create_plist()
    layout = plist.get_layout()
    # Before its shape is asked for: that of a virtual dataset is found in other files.
    if layout == h5py.h5d.VIRTUAL or (layout == h5py.h5d.CONTIGUOUS and plist.get_external_count()):
        raise UnexpectedError(f"'{shown}' has its values in another file")
    if not is_plain(dataset.get_type()):
        raise UnexpectedError(f"'{shown}' holds neither numbers nor text of a fixed length")
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
    """Raises UnexpectedError when the ``needed`` bytes of a dataset in one piece do not lie in the file."""
    compact = dataset.get_create_plist().get_layout() == h5py.h5d.COMPACT
    start = 0 if compact else dataset.get_offset()
    if start is None or dataset.get_storage_size() != needed or start + needed > size:
        raise UnexpectedError(f"'{name}' claims {needed:,} bytes, but the file has {size:,}")
    return [] if compact else [(start, needed)]


def check_chunks(dataset: h5py.h5d.DatasetID, name: str, size: int, *, deflated: bool) -> list[tuple[int, int]]:
    """Raises UnexpectedError when chunks are missing, lie outside the file, or hold less than they claim.

    HDF5 itself gives zeros in place of a missing chunk.
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
    """What is wrong with the heaps of text in a file; empty when nothing is.

    HDF5 never comes back from an entry of no length. Looks at all of the file but what is ``used`` by the
    values of datasets.
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
    """Whether global heaps (HDF5 File Format Specification, III.E) in a piece of a file lead from entry to entry."""
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


def walk(path: Path) -> None:
    """Read all of a file but its data. For a process that may die of it: what a library reports is no matter here."""
    size, allocated = size_of(path, "")
    with contextlib.suppress(StoreError, *FAILURES), h5py.File(path, "r", locking=False) as file:
        _, used = check_members(file, size, allocated, True)
        if not trouble_with_heaps(path, size, used):
            read_attributes(file)
