"""The vectors of one clip strategy and backbone as Parquet: one row per clip.

Files contain up to FILE_BYTES of vectors, row groups GROUP_BYTES: small enough to stream, large enough to
read fast. One trailer and one row group are in memory at a time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trailers.domain import FPS, Clip, Trailer, folder_name
from trailers.errors import StoreError
from trailers.reporting.publish.release import Pair, Release
from trailers.reporting.publish.tables import subsets
from trailers.stages.pack import SHARED
from trailers.stages.stage import check_owner
from trailers.store.embeddings import difference, read_embedding
from trailers.store.ledger import LedgerRow, check_fingerprint
from trailers.store.spans import CLIPS_SCHEMA, read_spans

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_BYTES = 8 << 20
FILE_BYTES = 256 << 20


def folder_of(pair: Pair) -> Path:
    """The folder of the files of ``pair``, relative to the release."""
    return Path("data") / pair[0] / folder_name(pair[1])


def write_vectors(release: Release, pair: Pair, output: Path) -> None:
    """Writes the files of ``pair``, and records their clips, features and shared attributes in ``release``.

    Raises:
        StoreError: an embedding is damaged, does not match its ledger, belongs to another trailer, or has other
            weights, another transform or another length than the first.
    """
    import pyarrow as pa

    folder = output / folder_of(pair)
    folder.mkdir(parents=True)
    by_id = {trailer.trailer: trailer for trailer in release.rows}
    writer: ParquetFiles | None = None
    with contextlib.ExitStack() as stack:
        for name, row in release.ok("embed", *pair).items():
            vectors, clips, attributes = read_current(release, pair, row)
            if writer is None:
                release.features[pair] = vectors.shape[1]
                release.attributes[pair] = attributes
                writer = stack.enter_context(ParquetFiles(folder, vectors.shape[1], titles=release.titles))
            check_like_first(release, pair, name, vectors.shape[1], attributes)
            writer.add(table_of(pa, release, by_id[name], clips, vectors))
            release.clips[pair] = release.clips.get(pair, 0) + len(clips)


def check_like_first(release: Release, pair: Pair, trailer: str, features: int, attributes: Mapping[str, Any]) -> None:
    """Raise StoreError if the vectors of ``trailer`` are not of the same kind as those of the first trailer."""
    path, first = release.layout.embedding(*pair, trailer), release.attributes[pair]
    check_owner(trailer, attributes, path)
    found, expected = {**attributes, "F": features}, {**first, "F": release.features[pair]}
    words = difference(found, expected, SHARED)
    if words:
        what = f"{words} in the embedding of {first['trailer']}"
        raise StoreError(what, where=path, remedy="Rerun snakemake, so that all are made with the same weights.")


def read_current(release: Release, pair: Pair, row: LedgerRow) -> tuple[np.ndarray, list[Clip], dict[str, Any]]:
    """Vectors (clips, F), clips and attributes of one embedding. Raises StoreError if another run replaced it."""
    path, listed = release.layout.embedding(*pair, row.trailer), release.layout.clips(pair[0], row.trailer)
    vectors, spans, attributes = read_embedding(path)
    check_fingerprint(row, str(attributes.get("fingerprint")), path)
    clips, header = read_spans(listed, kind=Clip, schema=CLIPS_SCHEMA)
    check_fingerprint(release.ledgers["clips", pair[0]][row.trailer], header["fingerprint"], listed)
    if [(clip.shot, clip.start, clip.end, clip.padding) for clip in clips] != list(map(tuple, spans.tolist())):
        raise StoreError(f"does not list the clips of {path}", where=listed, remedy="Rerun snakemake, then publish.")
    return vectors, clips, attributes


def schema_of(features: int, *, titles: bool) -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        [
            ("trailer", pa.string()),
            *([("title", pa.string())] if titles else []),
            ("genres", pa.list_(pa.string())),
            *((f"split{n}", pa.string()) for n in range(3)),
            *((name, pa.int32()) for name in ("shot", "start", "end")),
            *((name, pa.float32()) for name in ("start_s", "end_s")),
            *((name, pa.int32()) for name in ("padding", "frame")),
            ("vector", pa.list_(pa.float32(), features)),
        ]
    )


def table_of(pa: Any, release: Release, trailer: Trailer, clips: list[Clip], vectors: np.ndarray) -> pa.Table:
    """The rows of one trailer."""
    count, features = vectors.shape
    values = pa.array(np.ascontiguousarray(vectors, np.float32).reshape(-1))
    columns = {
        "trailer": [trailer.trailer] * count,
        "title": [trailer.title] * count,
        "genres": [list(trailer.genres)] * count,
        **{f"split{n}": [subset or None] * count for n, subset in enumerate(subsets(trailer))},
        "shot": [clip.shot for clip in clips],
        "start": [clip.start for clip in clips],
        "end": [clip.end for clip in clips],
        "start_s": [clip.start / FPS for clip in clips],
        "end_s": [clip.end / FPS for clip in clips],
        "padding": [clip.padding for clip in clips],
        "frame": [clip.frame for clip in clips],
        "vector": pa.FixedSizeListArray.from_arrays(values, features),
    }
    schema = schema_of(features, titles=release.titles)
    return pa.table({name: columns[name] for name in schema.names}, schema=schema)


class ParquetFiles:
    """Parquet files of one folder, written one row group at a time."""

    def __init__(self, folder: Path, features: int, *, titles: bool) -> None:
        self.folder = folder
        self.schema = schema_of(features, titles=titles)
        self.group_rows = max(1, GROUP_BYTES // (4 * features))
        self.file_rows = max(self.group_rows, FILE_BYTES // (4 * features))
        self.pending: list[pa.Table] = []
        self.pending_rows = self.rows_of_file = self.count = 0
        self.writer: Any = None

    def __enter__(self) -> ParquetFiles:
        return self

    def __exit__(self, *problem: object) -> None:
        if problem[0] is None:
            self.flush(self.pending_rows)
        if self.writer is not None:
            self.writer.close()

    def add(self, table: pa.Table) -> None:
        self.pending.append(table)
        self.pending_rows += len(table)
        if self.pending_rows >= self.group_rows:
            self.flush(self.pending_rows - self.pending_rows % self.group_rows)

    def flush(self, rows: int) -> None:
        """Writes the first ``rows`` of the pending rows, in row groups."""
        import pyarrow as pa

        table = pa.concat_tables(self.pending)
        for start in range(0, rows, self.group_rows):
            part = table.slice(start, min(self.group_rows, rows - start))
            if self.writer is None or self.rows_of_file + len(part) > self.file_rows:
                self.open_next()
            self.writer.write_table(part, row_group_size=self.group_rows)
            self.rows_of_file += len(part)
        self.pending, self.pending_rows = [table.slice(rows)], self.pending_rows - rows

    def open_next(self) -> None:
        import pyarrow.parquet as pq

        if self.writer is not None:
            self.writer.close()
        # Vectors cannot be compressed well, and trying would take most of the time.
        compression = {
            "genres.list.element" if name == "genres" else name: "zstd" for name in self.schema.names[:-1]
        } | {"vector.list.element": "none"}
        self.writer = pq.ParquetWriter(
            self.folder / f"{self.count:05d}.parquet", self.schema,
            compression=compression, use_dictionary=["trailer", "title", "genres.list.element"],
        )  # fmt: skip
        self.count += 1
        self.rows_of_file = 0
