"""Reads one array of a zarr store; an incomplete array is refused.

zarr itself returns the fill value for a missing chunk, and some codecs return uninitialised memory for a truncated
chunk. Here the chunks of an array are counted before the first is read, and each must contain exactly the number of
bytes that its array states. Formats 2 and 3 are supported for tables of floats as they are published: without shards,
and without filters other than compression. Symbolic links are not followed.
"""

from __future__ import annotations

import itertools
import math
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trailers.errors import StoreError
from trailers.store.json_file import read_json, read_small_file

REMEDY = "Fetch the store again."
RATIO = 1100  # maximum by which a codec expands numbers that are not constant; the limit of deflate is 1032
MOST_CHUNKS = 1_000_000
MOST_BYTES = 1 << 30  # of the array of one trailer; a film of three hours needs a fortieth of it
CODECS = ("blosc", "zlib", "gzip", "zstd", "lz4")
NUMBERS = re.compile(r"[<>|][fiub][1248]", re.ASCII)
NUMBERS_3 = re.compile(r"(float|u?int)(8|16|32|64)", re.ASCII)


@dataclass(frozen=True)
class ZarrArray:
    """The metadata of one array."""

    folder: Path
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    order: str  # C or F
    prefix: str  # of the file names of chunks
    separator: str
    codec: Mapping[str, Any] | None  # its configuration for numcodecs
    checksum: bool = False  # whether four bytes of CRC-32C follow each chunk
    fill: Any = None  # the value where nothing was written, such as after the last row in the last chunk

    def __post_init__(self) -> None:
        sides = [*self.shape, *self.chunks]
        if len(self.shape) != len(self.chunks) or not all(type(n) is int for n in sides):
            raise ValueError(f"its shape is {self.shape}, and the shape of its chunks is {self.chunks}")
        if min(self.shape, default=0) < 0 or min(self.chunks, default=1) < 1:
            raise ValueError(f"its shape is {self.shape}, and the shape of its chunks is {self.chunks}")
        if self.order not in ("C", "F") or self.separator not in (".", "/"):
            raise ValueError(f"its order is {self.order!r}, and the separator of its chunks is {self.separator!r}")
        if math.prod(self.shape) * self.dtype.itemsize > MOST_BYTES or self.chunk_bytes > MOST_BYTES:
            raise ValueError(f"it claims {self.shape} values in chunks of {self.chunks}, too many for one trailer")
        if self.codec is not None and self.codec.get("id") not in CODECS:
            raise ValueError(f"it is compressed by {self.codec.get('id')!r}, which is not one of {', '.join(CODECS)}")

    @property
    def grid(self) -> tuple[int, ...]:
        return tuple(-(-n // side) for n, side in zip(self.shape, self.chunks, strict=True))

    @property
    def chunk_bytes(self) -> int:
        return math.prod(self.chunks) * self.dtype.itemsize

    def count_chunks(self) -> tuple[int, int, int]:
        """Numbers of missing chunks, of chunks beyond the shape, and of expected chunks; reads only folders.

        Chunks beyond the shape contain rows that would be lost because the shape is too small.
        """
        expected = math.prod(self.grid)
        if expected > MOST_CHUNKS:
            return expected, 0, expected
        is_chunk = re.compile(rf"{re.escape(self.prefix)}\d+(?:{re.escape(self.separator)}\d+)*", re.ASCII).fullmatch
        names = {name for name in file_names(self.folder) if is_chunk(name)}
        wanted = set(self.names())
        return len(wanted - names), len(names - wanted), expected

    def names(self) -> Iterator[str]:
        for place in itertools.product(*map(range, self.grid)):
            yield self.name(place)

    def name(self, place: tuple[int, ...]) -> str:
        return self.prefix + self.separator.join(map(str, place))

    def read(self) -> np.ndarray:
        """The whole array, in its stored type.

        Raises:
            ValueError: chunks are missing or damaged, or there are too many; says which or how many.
        """
        missing, beyond, expected = self.count_chunks()
        if missing:
            raise ValueError(f"it has only {expected - missing:,} of its {expected:,} chunks")
        if beyond:
            raise ValueError(f"it has {beyond:,} chunks beyond its shape {self.shape}")
        packed = sum((self.folder / name).lstat().st_size + 1024 for name in self.names())
        if math.prod(self.shape) * self.dtype.itemsize > RATIO * packed:
            raise ValueError(f"its chunks have {packed:,} bytes, which cannot hold {self.shape} values")
        values = np.empty(self.shape, self.dtype)
        for place in itertools.product(*map(range, self.grid)):
            corner = tuple(i * side for i, side in zip(place, self.chunks, strict=True))
            part = tuple(slice(start, start + side) for start, side in zip(corner, self.chunks, strict=True))
            chunk = self.read_chunk(place)
            inside = chunk[tuple(slice(0, n) for n in values[part].shape)]
            if self.fill == 0 and np.count_nonzero(chunk) != np.count_nonzero(inside):
                raise ValueError(f"its chunk {self.name(place)} holds numbers beyond its shape {self.shape}")
            values[part] = inside
        return values

    def read_chunk(self, place: tuple[int, ...]) -> np.ndarray:
        name = self.name(place)
        try:
            packed = read_small_file(self.folder / name, follow_links=False, largest=MOST_BYTES)
            if self.checksum:
                packed = without_checksum(packed)
            content = decode(packed, self.codec, self.chunk_bytes)
        except Exception as problem:  # noqa: BLE001  codecs raise exceptions of many types for damaged bytes
            words = getattr(problem, "strerror", None) or problem
            raise ValueError(f"its chunk {name} cannot be read: {words}") from None
        if len(content) != self.chunk_bytes:
            raise ValueError(f"its chunk {name} holds {len(content):,} of {self.chunk_bytes:,} bytes")
        values = np.frombuffer(content, self.dtype)
        return values.reshape(self.chunks, order="F" if self.order == "F" else "C")


def file_names(folder: Path, before: str = "") -> Iterator[str]:
    """Paths of all plain files below ``folder``, without following links."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from file_names(Path(entry.path), f"{before}{entry.name}/")
            elif entry.is_file(follow_symlinks=False):
                yield before + entry.name


def read_array(folder: Path, zarr_format: int, indexed: Mapping[str, Any] | None = None) -> ZarrArray:
    """The metadata of the array in ``folder``.

    Args:
        folder: of the array.
        zarr_format: 2 or 3.
        indexed: the metadata of the array in the store's index, if it has one.

    Raises:
        StoreError: the metadata are missing or damaged, are not supported, or differ from the index.
    """
    path = folder / (".zarray" if zarr_format == 2 else "zarr.json")
    parse = from_format_2 if zarr_format == 2 else from_format_3
    try:
        array = parse(folder, read_json(path, remedy=REMEDY, follow_links=False))
        if indexed is not None and (other := parse(folder, indexed)) != array:
            raise ValueError(f"its shape is {array.shape}, but the store's index has another array of {other.shape}")
        return array
    except FileNotFoundError:
        raise StoreError("does not exist, so the store is incomplete", where=path, remedy=REMEDY) from None
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        words = f"has no {problem}" if isinstance(problem, KeyError) else problem
        raise StoreError(f"does not describe a table that can be read: {words}", where=path, remedy=REMEDY) from None


def from_format_2(folder: Path, values: Mapping[str, Any]) -> ZarrArray:
    if values.get("filters"):
        raise ValueError(f"it passes through filters: {values['filters']}")
    separator = values.get("dimension_separator") or "."
    return ZarrArray(
        folder, tuple(values["shape"]), tuple(values["chunks"]), as_numbers(values["dtype"]), values["order"], "",
        separator, values["compressor"], fill=values.get("fill_value"),
    )  # fmt: skip


def from_format_3(folder: Path, values: Mapping[str, Any]) -> ZarrArray:
    if values["node_type"] != "array" or values["chunk_grid"]["name"] != "regular":
        raise ValueError("it is not an array of regular chunks")
    keys = values["chunk_key_encoding"]
    default = "/" if keys["name"] == "default" else "."
    separator = keys.get("configuration", {}).get("separator", default)
    endian, codec, checksum = codecs_of(values["codecs"])
    if not NUMBERS_3.fullmatch(str(values["data_type"])):
        raise ValueError(f"its values are {values['data_type']!r}, not numbers")
    dtype = np.dtype(values["data_type"]).newbyteorder(">" if endian == "big" else "<")
    return ZarrArray(
        folder, tuple(values["shape"]), tuple(values["chunk_grid"]["configuration"]["chunk_shape"]), dtype, "C",
        f"c{separator}" if keys["name"] == "default" else "", separator, codec, checksum, values.get("fill_value"),
    )  # fmt: skip


def codecs_of(codecs: list[Mapping[str, Any]]) -> tuple[str, Mapping[str, Any] | None, bool]:
    """Byte order, compression and whether there is a checksum, from the list of codecs in format 3."""
    names = [codec["name"] for codec in codecs]
    packed = [codec for codec in codecs if codec["name"].removeprefix("numcodecs.") in CODECS]
    plain = ["bytes", *(codec["name"] for codec in packed), *(["crc32c"] if names[-1] == "crc32c" else [])]
    if names != plain or len(packed) > 1:
        raise ValueError(f"it passes through the codecs {', '.join(names)}")
    endian = codecs[0].get("configuration", {}).get("endian", "little")
    codec = {"id": packed[0]["name"].removeprefix("numcodecs.")} if packed else None
    return endian, codec, names[-1] == "crc32c"


def as_numbers(name: Any) -> np.dtype[Any]:
    if not isinstance(name, str) or not NUMBERS.fullmatch(name):
        raise ValueError(f"its values are {name!r}, not numbers")
    return np.dtype(name)


def without_checksum(packed: bytes) -> bytes:
    import google_crc32c

    content, found = packed[:-4], int.from_bytes(packed[-4:], "little")
    if len(packed) < 4 or google_crc32c.value(content) != found:
        raise ValueError("its checksum is wrong")
    return content


def decode(packed: bytes, codec: Mapping[str, Any] | None, expected: int) -> bytes:
    """The ``expected`` bytes of a chunk; never allocates more than that, even if the chunk claims more.

    Raises:
        ValueError: it is truncated, or contains another number of bytes.
    """
    if codec is None:
        return packed
    if expected > RATIO * (len(packed) + 1024):
        raise ValueError(f"{len(packed):,} bytes cannot hold {expected:,}")
    kind = codec["id"]
    if kind in ("zlib", "gzip"):
        stream = zlib.decompressobj(zlib.MAX_WBITS | 32)
        content = stream.decompress(packed, expected + 1)
        if not stream.eof:
            raise ValueError("it is truncated")
        return content
    import numcodecs

    claimed = {"blosc": blosc_size, "zstd": zstd_size, "lz4": lz4_size}[kind](packed)
    if claimed != expected:
        raise ValueError(f"it claims {claimed:,} bytes, expected {expected:,}")
    return bytes(numcodecs.get_codec({"id": kind}).decode(packed))


def blosc_size(packed: bytes) -> int:
    """The content size that a blosc frame states (README_CHUNK_FORMAT). Raises ValueError if it is truncated."""
    if len(packed) < 16 or int.from_bytes(packed[12:16], "little") != len(packed):
        raise ValueError(f"its {len(packed):,} bytes are fewer or more than it states")
    return int.from_bytes(packed[4:8], "little")


def lz4_size(packed: bytes) -> int:
    """The content size, which numcodecs puts before the block."""
    return int.from_bytes(packed[:4], "little")


def zstd_size(packed: bytes) -> int:
    """The content size that a zstd frame states (RFC 8878, 3.1.1.1). Raises ValueError if it does not state one."""
    if len(packed) < 6 or packed[:4] != b"\x28\xb5\x2f\xfd":
        raise ValueError("it is not a zstd frame")
    descriptor = packed[4]
    single = descriptor >> 5 & 1
    start = 5 + (1 - single) + (0, 1, 2, 4)[descriptor & 3]
    length = ((single, 2, 4, 8)[descriptor >> 6]) if descriptor >> 6 else single
    if not length:
        raise ValueError("it does not state how many bytes it holds")
    return int.from_bytes(packed[start : start + length], "little") + (256 if length == 2 else 0)
