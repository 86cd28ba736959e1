"""Embeddings as published with Trailers12k (Zenodo 5716410): one zarr store per backbone.

    z = zarr.open("trailers_i_resnet_fpc24.zarr")
    z.attrs["num_features"]    F
    z["tt0133093"]             float32 (clips, F)

A store is untrusted: only plain numbers are read, under names that are trailer ids, and an incompletely downloaded
store is refused.
"""

from __future__ import annotations

import functools
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trailers.domain import is_safe_id
from trailers.errors import StoreError
from trailers.store.atomic import TEMPORARY
from trailers.store.json_file import read_json
from trailers.store.zarr_array import REMEDY, ZarrArray, read_array

PUBLISHED = "published embeddings"  # prefix of the attribute `weights` of an imported pack; the record names no weights
ARRAY_FILES = (".zarray", "zarr.json")  # the metadata of an array, in format 2 and 3
STORE_FILES = (".zgroup", ".zattrs", ".zmetadata", "zarr.json")
MOST_FEATURES = 1 << 20  # F of a backbone; a larger number is damage


def write_published(
    path: Path, vectors: Mapping[str, Callable[[], np.ndarray]], *, attributes: Mapping[str, Any], dtype: str = "<f4"
) -> None:
    """Write one store; ``path`` appears only when it is complete.

    Args:
        path: a folder that does not exist, ending in .zarr.
        vectors: trailer -> function that gives its vectors (clips, F); they are in memory one trailer at a time.
        attributes: must include ``F``.
        dtype: <f4, or <f2 for half the size.
    """
    import zarr

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}-{path.name}")
    try:
        # Format 2, which the published stores have and their authors' code reads.
        store = zarr.open_group(temporary, mode="w", zarr_format=2)
        store.attrs.update(
            # The number of arrays lets a reader notice that some are missing.
            {"num_features": int(attributes["F"]), "trailers": len(vectors)}
            | {key: attributes[key] for key in sorted(attributes)}
        )
        for trailer, read in vectors.items():
            block = as_stored(read(), dtype, trailer)
            store.create_array(trailer, data=block, chunks=block.shape)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def as_stored(vectors: np.ndarray, dtype: str, trailer: str) -> np.ndarray:
    """``vectors`` as ``dtype``. Raises StoreError naming the trailer if they are not finite, also as ``dtype``."""
    with np.errstate(over="ignore"):
        block = np.ascontiguousarray(vectors, dtype)
    if not np.isfinite(block).all():
        whole = np.isfinite(vectors).all()
        what = f"holds numbers larger than {np.finfo(block.dtype).max:g}" if whole else "holds NaN or infinity"
        remedy = "Export without --half." if whole else "Rerun the embed stage, with embed.precision: float32."
        raise StoreError(f"its embedding {what}", where=trailer, remedy=remedy)
    return block


class Published:
    """One store, read-only. An incomplete store is refused."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            StoreError: it does not exist, is not such a store, or arrays are missing.
        """
        self.path = path
        if path.is_file():
            raise StoreError(
                "is a file, but a zarr store is a folder", where=path, remedy="Name a folder, or a .tar.gz."
            )
        if not path.is_dir():
            raise StoreError("does not exist", where=path, remedy="Name the folder of a zarr store.")
        self.zarr_format, self.attributes, self.index = read_group(path)
        features = self.attributes.get("num_features")
        if type(features) is not int or not 1 <= features <= MOST_FEATURES:
            raise self.refused(f"its attribute num_features is {features!r}, expected the F of its embeddings")
        self.features = features
        self.with_zeros: set[str] = set()  # trailers read so far that have a vector of zeros
        self.ignored: list[str] = []  # other names in the folder than those of trailers and of the store's own files
        self.trailers = sorted(self.names())
        count = self.attributes.get("trailers")
        expected = max(len(self.index), count if type(count) is int else 0)
        missing = sorted(self.index.keys() - set(self.trailers))
        if missing or len(self.trailers) < expected:
            shown = f"; missing: {', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}" if missing else ""
            raise self.refused(f"holds {len(self.trailers):,} of the {expected:,} trailers it should hold{shown}")
        if not self.trailers:
            raise self.refused("contains no embeddings")

    def names(self) -> Iterator[str]:
        """The names of the folders in the store, each with the array of one trailer."""
        with os.scandir(self.path) as entries:
            for entry in entries:
                if entry.is_symlink():
                    raise self.refused(f"{entry.name!r} is a link, and links in a store are not followed")
                is_array = any(Path(entry.path, name).exists() for name in ARRAY_FILES)
                if not entry.is_dir(follow_symlinks=False) or (entry.name.startswith(".") and not is_array):
                    self.ignored += [] if entry.name in STORE_FILES else [entry.name]
                    continue
                if not is_safe_id(entry.name):
                    raise self.refused(
                        f"{entry.name!r} is not a trailer id, so this is not a store of trailers' embeddings"
                    )
                yield entry.name

    def refused(self, what: str) -> StoreError:
        return StoreError(what, where=self.path, remedy=REMEDY)

    def clips(self, trailer: str) -> int:
        return int(self.array(trailer).shape[0])

    def read(self, trailer: str) -> np.ndarray:
        """float32 (clips, F).

        Raises:
            StoreError: chunks of the array are missing or truncated, or it has another shape or type.
        """
        array = self.array(trailer)
        try:
            values = array.read()
            if not np.isfinite(values).all():
                raise ValueError("its vectors hold NaN or infinity")
        except ValueError as problem:
            raise self.refused(f"{trailer} is damaged: {problem}") from None
        # No network gives such a vector. If the shape is too large, rows that were never written are read as zeros.
        if not values.any(axis=1).all():
            self.with_zeros.add(trailer)
        return np.asarray(values, np.float32)

    def array(self, trailer: str) -> ZarrArray:
        """The array of a trailer. Raises StoreError if its metadata do not describe (clips, F) floats."""
        array = read_array(self.path / trailer, self.zarr_format, self.index.get(trailer))
        if array.dtype.kind != "f" or len(array.shape) != 2 or array.shape[1] != self.features or not array.shape[0]:
            raise self.refused(f"{trailer} is {array.dtype} {array.shape}, expected (clips, {self.features}) of floats")
        return array

    def check_chunks(self) -> None:
        """Raise StoreError if chunks of the store are missing, or are outside its arrays. Reads only folders."""
        found, expected, damaged = 0, 0, []
        for trailer in self.trailers:
            array = self.array(trailer)
            missing, beyond, wanted = array.count_chunks()
            if beyond:
                raise self.refused(f"{trailer} has {beyond:,} chunks beyond its shape {array.shape}")
            found, expected = found + wanted - missing, expected + wanted
            damaged += [trailer] if missing else []
        if damaged:
            shown = ", ".join(damaged[:5]) + (", ..." if len(damaged) > 5 else "")
            raise self.refused(
                f"has {found:,} of its {expected:,} chunks; {len(damaged):,} of {len(self.trailers):,} trailers "
                f"are incomplete: {shown}"
            )

    def __iter__(self) -> Iterator[str]:
        return iter(self.trailers)


def read_group(path: Path) -> tuple[int, dict[str, Any], dict[str, Mapping[str, Any]]]:
    """The format of a store, its attributes, and the metadata of each array in its index, if it has one.

    Raises:
        StoreError: it is not a store, or these files are missing or truncated.
    """
    metadata = functools.partial(read_json, remedy=REMEDY, follow_links=False)
    try:
        if (path / ".zgroup").exists():
            zarr_format = metadata(path / ".zgroup").get("zarr_format")
            attributes = metadata(path / ".zattrs")
            index = metadata(path / ".zmetadata") if (path / ".zmetadata").exists() else {}
            members = index.get("metadata", {})
            named = {key.removesuffix("/.zarray"): members[key] for key in members if key.endswith("/.zarray")}
        else:
            group = metadata(path / "zarr.json")
            zarr_format, attributes = group.get("zarr_format"), group.get("attributes", {})
            members = (group.get("consolidated_metadata") or {}).get("metadata", {})
            named = {key: member for key, member in members.items() if member.get("node_type") == "array"}
    except FileNotFoundError as problem:
        name = Path(str(problem.filename)).name
        raise StoreError(f"is not a zarr store or is truncated: it has no {name}", where=path, remedy=REMEDY) from None
    except (AttributeError, TypeError) as problem:
        raise StoreError(f"its index is damaged: {problem}", where=path, remedy=REMEDY) from None
    if zarr_format not in (2, 3) or not isinstance(attributes, dict):
        raise StoreError(f"is a zarr store of format {zarr_format!r}, not 2 or 3", where=path, remedy=REMEDY)
    return zarr_format, attributes, named
