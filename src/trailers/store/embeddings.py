"""One HDF5 file per trailer: the vectors of its clips, or of its poster, and what they were made from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from trailers.domain import FPS, Clip
from trailers.errors import StoreError
from trailers.store.hdf5 import Hdf5, create_hdf5, open_hdf5

SCHEMA = "trailer-embeddings/2"
READ = (SCHEMA, "trailer-embeddings/1")  # the first lacks frame, seconds and descriptions
POSTER_SCHEMA = "trailer-poster/1"

# Dataset -> what a reader who has nothing but the file needs to know; its attribute ``description``.
DESCRIPTIONS = {
    "vectors": "one vector per clip, in the order of clips: what the backbone gives before its classifier",
    "clips": "shot, start, end, padding: frames at 24 fps, [start, end), then so many black frames",
    "frame": "the frame at 24 fps that stands for the clip; a 2D backbone sees it alone",
    "seconds": "start and end of the clip in s after the first frame: frames / 24",
}


def write_embedding(path: Path, vectors: np.ndarray, clips: Sequence[Clip], attributes: Mapping[str, Any]) -> None:
    """Write ``vectors`` (clips, F) float32 and their clips.

    Raises:
        ValueError: the vectors do not belong to the clips.
        StoreError: the vectors are not finite, or all the same.
    """
    if vectors.ndim != 2 or len(vectors) != len(clips):
        raise ValueError(f"expected ({len(clips)}, F) vectors, got {vectors.shape}")
    check_vectors(vectors, str(path))
    spans = np.array([(c.shot, c.start, c.end, c.padding) for c in clips], dtype=np.int32).reshape(-1, 4)
    with create_hdf5(path) as file:
        frame = np.array([clip.frame for clip in clips], np.int32)
        tables = {"vectors": vectors, "clips": spans, "frame": frame, "seconds": spans[:, 1:3] / FPS}
        for name, values in tables.items():
            dataset = file.create_dataset(name, data=values, fletcher32=True, chunks=values.shape)
            dataset.attrs["description"] = DESCRIPTIONS[name]
        write_attributes(file, SCHEMA, attributes)


def write_poster(path: Path, vectors: np.ndarray, attributes: Mapping[str, Any]) -> None:
    """Write the vector (1, F) float32 of a poster. Raises StoreError if it is not finite."""
    if vectors.ndim != 2 or len(vectors) != 1:
        raise ValueError(f"expected (1, F) vectors, got {vectors.shape}")
    check_vectors(vectors, str(path))
    with create_hdf5(path) as file:
        file.create_dataset("vectors", data=vectors, fletcher32=True, chunks=vectors.shape)
        write_attributes(file, POSTER_SCHEMA, attributes)


def write_attributes(file: h5py.File, schema: str, attributes: Mapping[str, Any]) -> None:
    file.attrs["schema"] = schema
    for key in sorted(attributes):
        file.attrs[key] = attributes[key]


def check_vectors(vectors: np.ndarray, where: str) -> None:
    """Raise StoreError with the cause if ``vectors`` (clips, F) cannot be embeddings."""
    if len(vectors) == 0:
        raise StoreError("there are no clips to embed", where=where, remedy="Check the shots of this trailer.")
    if not np.isfinite(vectors).all():
        bad = int((~np.isfinite(vectors)).any(axis=1).sum())
        raise StoreError(
            f"{bad} of {len(vectors)} vectors hold NaN or infinity", where=where, remedy="Use embed.precision: float32."
        )
    if len(vectors) > 1 and (vectors == vectors[0]).all():
        raise StoreError(
            f"all {len(vectors)} vectors are the same", where=where, remedy="Check the video and the weights."
        )


def read_embedding(path: Path) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Vectors (clips, F) float32, clips (clips, 4) int32, attributes.

    Raises:
        StoreError: the file is missing, damaged, or of another schema.
    """
    with open_embedding(path) as file:
        vectors = file.read("vectors", np.float32, (None, None))
        clips = file.read("clips", np.int32, (len(vectors), 4))
        shots, starts, ends, padding = clips.T
        wrong = (shots < 0) | (starts < 0) | (ends <= starts) | (padding < 0)
        if wrong.any():
            raise file.damaged(f"clip {int(wrong.argmax())} is {clips[wrong.argmax()].tolist()}")
        return vectors, clips, file.attributes


def read_clip_frames(path: Path) -> np.ndarray | None:
    """int32 (clips,): the frame that represents each clip; None for a file of schema 1, which does not have it.

    Raises:
        StoreError: as ``read_embedding``, or a frame is outside its clip.
    """
    with open_embedding(path) as file:
        if file.attributes["schema"] != SCHEMA:
            return None
        clips = file.read("clips", np.int32, (None, 4))
        frames = file.read("frame", np.int32, (len(clips),))
        wrong = (frames < clips[:, 1]) | (frames >= clips[:, 2])
        if wrong.any():
            raise file.damaged(f"frame {frames[wrong.argmax()]} is outside clip {int(wrong.argmax())}")
        return frames


def read_place(path: Path) -> tuple[int | None, tuple[int, int]]:
    """Byte offset of the vectors, or None if they are not one contiguous block of float32; and their shape (clips, F).

    Raises:
        StoreError: as ``read_embedding``.
    """
    with open_embedding(path) as file:
        dataset = file.dataset("vectors", np.dtype("<f4"), (None, None))
        shape = (int(dataset.shape[0]), int(dataset.shape[1]))
        if dataset.chunks != shape or dataset.compression is not None or dataset.shuffle:
            return None, shape
        # The single chunk is the table, followed by its checksum.
        return int(dataset.id.get_chunk_info(0).byte_offset), shape


def read_poster(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """The vector (1, F) float32 of a poster, and the attributes. Raises StoreError as ``read_embedding`` does."""
    with open_hdf5(path, schema=POSTER_SCHEMA, stage="posters") as file:
        return file.read("vectors", np.float32, (1, None)), file.attributes


def read_embedding_attributes(path: Path) -> dict[str, Any]:
    """The attributes, without reading the vectors. Raises StoreError as ``read_embedding`` does."""
    with open_embedding(path) as file:
        return file.attributes


def read_embedding_shape(path: Path) -> tuple[int, int, dict[str, Any]]:
    """Number of clips, F and attributes, without reading the vectors. Raises StoreError as ``read_embedding`` does."""
    with open_embedding(path) as file:
        clips, features = file.dataset("vectors", np.float32, (None, None)).shape
        if not clips * features:
            raise file.damaged(f"'vectors' is ({clips}, {features})")
        return int(clips), int(features), file.attributes


def open_embedding(path: Path) -> contextlib.AbstractContextManager[Hdf5]:
    return open_hdf5(path, schema=READ, stage="embed")


def difference(found: Mapping[str, Any], first: Mapping[str, Any], keys: Iterable[str]) -> str:
    """The first of ``keys`` in which the attributes of two embeddings differ, in words; empty if they agree."""
    for key in keys:
        if plain(found.get(key)) != plain(first.get(key)):
            return f"{key} is {found.get(key)!r}, but it is {first.get(key)!r}"
    return ""


def plain(value: Any) -> Any:
    """An attribute in a form in which == gives a single truth value."""
    return value.tolist() if isinstance(value, np.ndarray) else value
