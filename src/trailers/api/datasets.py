"""The place of every vector in a results folder or a pack, for Datasets: a small index, and reads without HDF5.

A pack is mapped into memory. For a file of a trailer, the index stores the place of its vectors; reading a clip is
one read of F x 4 bytes. HDF5 is opened only to build the index, so nothing stays open that a fork or a pickle breaks.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from trailers.api.results import Results, open_results
from trailers.errors import ConfigError, StoreError
from trailers.store.embeddings import read_embedding, read_place
from trailers.store.pack import Pack, open_pack


class Table(Protocol):
    """The vectors of many trailers, one trailer after the other."""

    trailers: tuple[str, ...]
    offsets: np.ndarray  # int64 (trailers + 1): trailer i has the clips [offsets[i], offsets[i + 1])
    features: int  # F

    def rows(self, number: int, start: int, end: int) -> np.ndarray:
        """float32 (end - start, F): some clips of trailer ``number``, counted within it."""


class PackTable:
    """A pack, mapped into memory by each process that reads it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pack: Pack | None = open_pack(path)
        self.trailers, self.offsets, self.features = self.pack.trailers, self.pack.offsets, self.pack.features

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "pack": None}  # pickling a memory map would copy the whole file

    def rows(self, number: int, start: int, end: int) -> np.ndarray:
        if self.pack is None:
            self.pack = open_pack(self.path)
        first = int(self.offsets[number])
        found: np.ndarray = self.pack.vectors[first + start : first + end]
        return found


@dataclass(frozen=True)
class Place:
    """Where the vectors of one file are; size and time show whether it is still the same file."""

    path: Path
    offset: int | None  # bytes; None where they are not in one piece
    clips: int
    bytes: int
    mtime_ns: int


class FilesTable:
    """One file per trailer."""

    def __init__(self, results: Results, strategy: str, backbone: str, trailers: Sequence[str] | None) -> None:
        folder = results.layout.embedding(results.strategy(strategy), backbone, "x").parent
        names = trailers if trailers is not None else [path.stem for path in sorted(folder.glob("[!.]*.h5"))]
        if not names:
            raise StoreError("contains no embedding", where=folder, remedy="Run the embed stage first.")
        self.trailers = tuple(names)
        self.places, widths = [], set()
        for name in names:
            place, features = place_of(results.embedding(name, strategy, backbone))
            self.places.append(place)
            widths.add(features)
        if len(widths) != 1:
            raise StoreError(
                f"has vectors with different numbers of features: {sorted(widths)}",
                where=folder,
                remedy="Embed all of them again.",
            )
        (self.features,) = widths
        self.offsets = np.cumsum([0, *(place.clips for place in self.places)], dtype=np.int64)

    def rows(self, number: int, start: int, end: int) -> np.ndarray:
        place = self.places[number]
        if place.offset is None:
            return read_embedding(place.path)[0][start:end]
        width = 4 * self.features
        try:
            handle = os.open(place.path, os.O_RDONLY)
        except FileNotFoundError:
            raise StoreError(
                "was removed after it was opened", where=place.path, remedy="Create the Dataset again."
            ) from None
        try:
            status = os.fstat(handle)
            if (status.st_size, status.st_mtime_ns) != (place.bytes, place.mtime_ns):
                raise StoreError(
                    "was replaced after it was opened", where=place.path, remedy="Create the Dataset again."
                )
            raw = os.pread(handle, (end - start) * width, place.offset + start * width)
        finally:
            os.close(handle)
        return np.frombuffer(raw, "<f4").reshape(end - start, self.features)


def place_of(path: Path) -> tuple[Place, int]:
    """Where the vectors of the embedding at ``path`` are, and F. Raises StoreError."""
    status = path.stat() if path.exists() else None
    offset, (clips, features) = read_place(path)
    assert status is not None  # without a file, read_place has raised
    return Place(path, offset, clips, status.st_size, status.st_mtime_ns), features


def open_table(
    source: str | Path | Results, strategy: str | None, backbone: str | None, trailers: Sequence[str] | None
) -> Table:
    """The vectors of a pack (a file), or of one pair of a results folder.

    Raises:
        StoreError: a file is missing or damaged.
        ConfigError: the pair is not named, or it is named although the source is a pack.
    """
    if not isinstance(source, Results) and Path(source).is_file():
        if strategy or backbone or trailers is not None:
            raise ConfigError(
                "is a pack, which has one strategy and one backbone",
                where=source,
                remedy="Omit strategy, backbone and trailers.",
            )
        return PackTable(Path(source))
    results = source if isinstance(source, Results) else open_results(source)
    if not strategy or not backbone:
        pairs = ", ".join("/".join(pair) for pair in results.pairs) or "none"
        raise ConfigError("name a clip strategy and a backbone", remedy=f"The folder has {pairs}.")
    return FilesTable(results, strategy, backbone, trailers)
