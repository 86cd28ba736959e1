"""Embeddings as published with Trailers12k (Zenodo 5716410): one zarr store a backbone.

    z = zarr.open("trailers_i_resnet_fpc24.zarr")
    z.attrs["num_features"]    F
    z["tt0133093"]             float32 (clips, F)

A store comes from strangers: only plain numbers are read, under names that are trailer ids.
"""

from __future__ import annotations

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


def write_published(
    path: Path, vectors: Mapping[str, Callable[[], np.ndarray]], *, attributes: Mapping[str, Any], dtype: str = "<f4"
) -> None:
    """Write one store; ``path`` appears only when it is whole.

    Args:
        path: a folder that does not exist, ending in .zarr.
        vectors: trailer -> what gives its vectors (clips, F), one in memory at a time.
        attributes: ``F`` is among them.
        dtype: <f4, or <f2 for half the size.
    """
    import zarr

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}-{path.name}")
    try:
        # Format 2, which is what the published stores are and what their authors' code reads.
        store = zarr.open_group(temporary, mode="w", zarr_format=2)
        store.attrs.update(
            {"num_features": int(attributes["F"]), **{key: attributes[key] for key in sorted(attributes)}}
        )
        for trailer, read in vectors.items():
            block = np.ascontiguousarray(read(), dtype)
            store.create_array(trailer, data=block, chunks=block.shape)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


class Published:
    """One store, read-only."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            StoreError: it is not there, or not such a store.
        """
        import zarr

        self.path = path
        if path.is_file():
            raise StoreError(f"{path}: is a file, a zarr store is a folder. Unpack it first (tar -xzf).")
        try:
            self.store = zarr.open_group(path, mode="r")
            self.features = int(self.store.attrs["num_features"])
            self.trailers = sorted(self.store.array_keys())
        except Exception as problem:  # noqa: BLE001  zarr raises whatever the files make it
            raise StoreError(f"{path}: cannot be read as a store of embeddings: {problem}. Fetch it again.") from None
        for trailer in self.trailers:
            if not is_safe_id(trailer):
                raise StoreError(f"{path}: '{trailer}' is no trailer id. This is no store of trailers' embeddings.")
        if not self.trailers or self.features < 1:
            raise StoreError(f"{path}: holds no embeddings. Fetch it again.")

    def clips(self, trailer: str) -> int:
        return int(self.array(trailer).shape[0])

    def read(self, trailer: str) -> np.ndarray:
        """float32 (clips, F).

        Raises:
            StoreError: the array is damaged, or of another shape or kind.
        """
        try:
            return np.asarray(self.array(trailer)[:], np.float32)
        except StoreError:
            raise
        except Exception as problem:  # noqa: BLE001  a codec raises whatever the bytes make it
            raise StoreError(f"{self.path}: {trailer} is damaged: {problem}. Fetch the store again.") from None

    def array(self, trailer: str) -> Any:
        array = self.store[trailer]
        if array.ndim != 2 or array.shape[1] != self.features or array.dtype.kind != "f" or not array.shape[0]:
            raise StoreError(
                f"{self.path}: {trailer} is {array.dtype} {array.shape}, expected (clips, {self.features}) of floats. "
                "Fetch the store again."
            )
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self.trailers)
