"""Turn posters into vectors with 2D backbones (Sec. 3).

in   results/posters/{trailer}.json              the receipt, beside the image it names (`download --posters`)
out  results/posters/{backbone}/{trailer}.h5     vectors float32 (1, F)

A poster goes through the transform of the backbone's weights, as a frame does: where that keeps the
short side and cuts out the centre, a poster loses its top and bottom. Batches run across trailers.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trailers.backbones.row import Row
from trailers.backbones.rows import find_row
from trailers.embedding.embedders import Effort, Settings, make_embedders, origin, weights_of
from trailers.errors import ConfigError, ImageError, StoreError
from trailers.settings import add_flags as add_setting_flags
from trailers.settings import from_flags
from trailers.stages import shard
from trailers.store.embeddings import read_poster, write_poster
from trailers.store.fingerprint import fingerprint, sha256_of
from trailers.store.image import read_image
from trailers.store.ledger import OK, LedgerRow
from trailers.store.receipt import Receipt, read_receipt, source_of

if TYPE_CHECKING:
    from trailers.backbones.embedder import Embedder

SCHEMA = "poster-embedding/1"


@dataclass(frozen=True, eq=False)
class Posters:
    """The posters of a shard seen through one backbone."""

    row: Row
    weights_sha256: str
    settings: Settings
    work: shard.ShardRun

    def path(self, trailer: str) -> Path:
        return self.work.layout.poster(self.row.name, trailer)

    def receipt(self, trailer: str) -> Receipt:
        path = self.work.layout.poster_receipt(trailer)
        receipt = read_receipt(path)
        if receipt.status != OK:
            raise ImageError(f"{path}: there is no poster: {receipt.error}")
        return receipt

    def mark(self, receipt: Receipt) -> str:
        """The fingerprint of a poster's vectors."""
        shape = {"precision": self.settings.precision, **self.row.identity()}
        return fingerprint(SCHEMA, shape, self.weights_sha256, receipt.sha256)

    def settled(self, trailer: str) -> LedgerRow | None:
        """The row of vectors that are there, whole and of this poster."""
        if not self.path(trailer).exists():
            return None
        wanted = self.mark(self.receipt(trailer))
        _, attributes = read_poster(self.path(trailer))
        if attributes.get("fingerprint") != wanted or attributes.get("trailer") != trailer:
            return None
        return self.ledger_row(trailer, wanted, str(attributes.get("precision")))

    def read(self, trailer: str) -> tuple[Receipt, np.ndarray]:
        """The receipt, and the poster as the backbone wants it: uint8 (1, 1, height, width, 3).

        Raises:
            ImageError: there is none, or none that can be read.
            StoreError: the image is not the one that was downloaded.
        """
        from trailers.backbones.transform import resize_and_crop

        receipt = self.receipt(trailer)
        receipt_path = self.work.layout.poster_receipt(trailer)
        image = source_of(receipt_path, receipt)
        if not image.is_file() or sha256_of(image) != receipt.sha256:
            raise StoreError(f"{image}: is not what its receipt says. Remove {receipt_path} and run snakemake again.")
        return receipt, resize_and_crop(read_image(image)[None], self.row.transform)[None]

    def write(self, trailer: str, receipt: Receipt, vectors: np.ndarray, precision: str) -> LedgerRow:
        attributes = {
            **origin(self.row, self.weights_sha256, self.settings, precision),
            "trailer": trailer,
            "source_sha256": receipt.sha256,
            "fingerprint": self.mark(receipt),
        }
        write_poster(self.path(trailer), vectors, attributes)
        return self.ledger_row(trailer, self.mark(receipt), precision)

    def ledger_row(self, trailer: str, mark: str, precision: str) -> LedgerRow:
        path = str(self.path(trailer).relative_to(self.work.layout.root))
        return LedgerRow(trailer, OK, path, mark, {"F": self.row.features, "precision": precision})


def embed(posters: Posters, trailers: Sequence[str], embedder: Embedder) -> None:
    """Make the vectors of ``trailers``, a batch at a time."""
    waiting: dict[str, tuple[Receipt, np.ndarray]] = {}
    for trailer in trailers:
        posters.work.starts(trailer)
        try:
            waiting[trailer] = posters.read(trailer)
        except Exception as problem:  # noqa: BLE001  one trailer never stops the others; recorded with its cause
            posters.work.fail(trailer, problem)
        if len(waiting) >= embedder.batch_clips:
            land(posters, waiting, embedder)
            waiting = {}
    if waiting:
        land(posters, waiting, embedder)


def land(posters: Posters, batch: dict[str, tuple[Receipt, np.ndarray]], embedder: Embedder) -> None:
    """Write the vectors of one batch."""
    vectors = embedder(np.concatenate([pixels for _, pixels in batch.values()]))
    found = {trailer: (receipt, vectors[n : n + 1]) for n, (trailer, (receipt, _)) in enumerate(batch.items())}
    for trailer in found:
        posters.work.attempt(trailer, lambda trailer: posters.write(trailer, *found[trailer], embedder.precision))


def add_flags(parser: argparse.ArgumentParser) -> None:
    shard.add_flags(parser)
    parser.add_argument("--backbone", required=True, help="a 2D one; `python -m trailers backbones` lists them")
    add_setting_flags(parser, Settings, "embed")
    add_setting_flags(parser, Effort, "embed")


def run(arguments: argparse.Namespace) -> None:
    settings, effort = from_flags(Settings, arguments), from_flags(Effort, arguments)
    row = find_row(arguments.backbone, Path(effort.weights_dir))
    if row.dimensions != 2:
        raise ConfigError(
            f"{row.name}: is a {row.dimensions}D backbone and wants clips, a poster is one picture. Choose a 2D one; "
            "`python -m trailers backbones` lists them."
        )
    work = shard.ShardRun.from_flags("posters", arguments)
    posters = Posters(row, weights_of(row, settings, effort), settings, work)
    wanted = work.to_make(posters.settled)
    if wanted:
        embed(posters, wanted, make_embedders([row], settings, effort)[row.name])
    work.finish()
