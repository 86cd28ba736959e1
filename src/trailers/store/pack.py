"""All embeddings of one clip strategy and one backbone in one file that training maps into memory.

HDF5, schema ``embedding-pack/1``:

    vectors    float32 (clips, F)      all trailers one after the other; contiguous, not compressed
    offsets    int64 (trailers + 1)    trailer i has vectors[offsets[i]:offsets[i + 1]]
    trailers   S64 (trailers)          ids
    checksums  uint32 (trailers)       CRC-32 of each trailer's vectors

Attributes: schema, backbone, clips (the strategy), F, fingerprint, and what all its embeddings
have in common (weights, transform). Plain h5py reads it; so does
``np.memmap(path, "<f4", "r", offset=file["vectors"].id.get_offset(), shape=file["vectors"].shape)``.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trailers.domain import is_safe_id
from trailers.errors import StoreError
from trailers.store.hdf5 import create_hdf5, open_hdf5

SCHEMA = "embedding-pack/1"
REMEDY = "Remove it and rerun the pack stage."
BLOCK = 1 << 14  # vectors that are checked together: 50 MB at F = 768


@dataclass(frozen=True)
class Part:
    """One trailer of a pack; ``read`` gives its vectors (clips, F)."""

    trailer: str
    clips: int
    read: Callable[[], np.ndarray]


def write_pack(
    path: Path,
    parts: Sequence[Part],
    *,
    features: int,
    attributes: Mapping[str, Any],
    fingerprint_of: Callable[[str], str] | None = None,
) -> None:
    """Write ``parts`` in their order, one trailer in memory at a time; the same parts give the same bytes.

    Args:
        features: F.
        attributes: must include backbone and clips, and fingerprint if it is known.
        fingerprint_of: gives the fingerprint from the sha256 of all vectors, if the parts have no fingerprints.

    Raises:
        StoreError: a trailer's vectors are not (clips, F) or not finite.
    """
    offsets = np.cumsum([0, *(part.clips for part in parts)], dtype=np.int64)
    checksums = np.zeros(len(parts), np.uint32)
    digest = hashlib.sha256()
    with create_hdf5(path) as file:
        vectors = file.create_dataset("vectors", (int(offsets[-1]), features), "<f4")
        for number, part in enumerate(parts):
            block = np.ascontiguousarray(part.read(), "<f4")
            check_part(part, block, features)
            vectors[offsets[number] : offsets[number + 1]] = block
            checksums[number] = zlib.crc32(block.data)
            if fingerprint_of is not None:
                digest.update(block.data)
        file.create_dataset("offsets", data=offsets)
        file.create_dataset("trailers", data=np.array([part.trailer for part in parts], "S64"))
        file.create_dataset("checksums", data=checksums)
        described = {**attributes, "schema": SCHEMA, "F": features}
        if fingerprint_of is not None:
            described["fingerprint"] = fingerprint_of(digest.hexdigest())
        for key in sorted(described):
            file.attrs[key] = described[key]


def check_part(part: Part, block: np.ndarray, features: int) -> None:
    if block.shape != (part.clips, features):
        raise StoreError(
            f"{part.trailer}: vectors are {block.shape}, expected ({part.clips}, {features}). "
            "Remove its embedding and rerun the embed stage."
        )
    if not np.isfinite(block).all():
        raise StoreError(
            f"{part.trailer}: its vectors hold NaN or infinity. Remove its embedding and rerun the embed stage, "
            "with embed.precision: float32 if it happens again."
        )


@dataclass(frozen=True)
class Pack:
    """A pack mapped into memory: vectors are read when they are used."""

    path: Path
    trailers: tuple[str, ...]
    offsets: np.ndarray  # int64 (trailers + 1)
    vectors: np.ndarray  # float32 (clips, F), read-only
    checksums: np.ndarray
    attributes: dict[str, Any]

    @property
    def features(self) -> int:
        return int(self.vectors.shape[1])

    @property
    def backbone(self) -> str:
        return str(self.attributes["backbone"])

    @property
    def clips(self) -> str:
        """The clip strategy."""
        return str(self.attributes["clips"])

    @property
    def fingerprint(self) -> str:
        return str(self.attributes["fingerprint"])

    def clips_of(self, number: int) -> np.ndarray:
        """The vectors (clips, F) of trailer ``number``."""
        return self.vectors[self.offsets[number] : self.offsets[number + 1]]


def open_pack(path: Path) -> Pack:
    """The pack at ``path``. Its index is checked; its vectors are not read yet.

    Raises:
        StoreError: the file is missing, damaged, or of another schema.
    """
    with open_hdf5(path, schema=SCHEMA, stage="pack") as file:
        offset, shape = file.place("vectors", "<f4", (None, None))
        names = file.read("trailers", "S64", (None,)).tolist()
        trailers = tuple(name.decode("ascii", "backslashreplace") for name in names)
        offsets = file.read("offsets", np.int64, (len(trailers) + 1,))
        checksums = file.read("checksums", np.uint32, (len(trailers),))
        trouble = trouble_with_index(trailers, offsets, shape, file.attributes)
        if trouble:
            raise file.damaged(trouble)
    vectors = np.memmap(path, "<f4", "r", offset=offset, shape=shape) if shape[0] else np.zeros(shape, "<f4")
    return Pack(path, trailers, offsets, vectors, checksums, file.attributes)


def read_pack_fingerprint(path: Path) -> str:
    """The fingerprint of the pack at ``path``, without its index. Raises StoreError as ``open_pack`` does."""
    with open_hdf5(path, schema=SCHEMA, stage="pack") as file:
        return str(file.attributes.get("fingerprint"))


def trouble_with_index(
    trailers: Sequence[str], offsets: np.ndarray, shape: tuple[int, ...], attributes: Mapping[str, Any]
) -> str:
    """What is wrong with the index of a pack of ``shape`` (clips, F), or ""."""
    missing = [key for key in ("backbone", "clips", "fingerprint") if not isinstance(attributes.get(key), str)]
    if missing:
        return f"the attribute {missing[0]} is missing"
    strange = [trailer for trailer in trailers if not is_safe_id(trailer)]
    if strange:
        return f"{strange[0]!r} is not a trailer id"
    if len(set(trailers)) != len(trailers):
        return "it contains a trailer twice"
    if offsets[0] != 0 or (offsets[1:] <= offsets[:-1]).any() or offsets[-1] != shape[0] or shape[1] < 1:
        return f"its offsets do not fit its {shape[0]} vectors"
    return ""


def check_finite(pack: Pack) -> None:
    """Raise StoreError naming the first trailer with a NaN or infinite vector. Reads the whole file once."""
    for start in range(0, len(pack.vectors), BLOCK):
        block = pack.vectors[start : start + BLOCK]
        # Minimum and maximum are NaN or infinite if a value is, and need no temporary table.
        if np.isfinite(block.min()) and np.isfinite(block.max()):
            continue
        row = start + int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0])
        trailer = pack.trailers[int(np.searchsorted(pack.offsets, row, side="right")) - 1]
        raise StoreError(f"the vectors of {trailer} hold NaN or infinity", where=pack.path, remedy=REMEDY)


def check_sums(pack: Pack) -> None:
    """Raise StoreError naming the first trailer whose vectors do not match their checksum."""
    for number, trailer in enumerate(pack.trailers):
        if zlib.crc32(np.ascontiguousarray(pack.clips_of(number)).data) != int(pack.checksums[number]):
            raise StoreError(f"the vectors of {trailer} do not match their checksum", where=pack.path, remedy=REMEDY)
