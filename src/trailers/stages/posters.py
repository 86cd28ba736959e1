"""Turn posters into vectors with 2D backbones (Sec. 3).

in   results/posters/{trailer}.json              the receipt, beside the image it names (`download --posters`)
out  results/posters/{backbone}/{trailer}.h5     vectors float32 (1, F)

A poster goes through the transform of the backbone's weights, as a frame does. A transform that crops the centre
cuts off the top and bottom of a poster. Batches hold posters of several trailers.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import cached_property
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
from trailers.stages.stage import Stage, Work, check_owner
from trailers.store.embeddings import check_vectors, read_poster, write_poster
from trailers.store.fingerprint import fingerprint, sha256_of
from trailers.store.image import read_image
from trailers.store.layout import Layout
from trailers.store.ledger import OK, LedgerRow
from trailers.store.receipt import Receipt, read_receipt, source_of

if TYPE_CHECKING:
    from trailers.backbones.embedder import Embedder

SCHEMA = "poster-embedding/1"


def add_flags(parser: argparse.ArgumentParser) -> None:
    shard.add_flags(parser)
    parser.add_argument("--backbone", required=True, help="a 2D backbone; `python -m trailers backbones` lists them")
    add_setting_flags(parser, Settings, "embed")
    add_setting_flags(parser, Effort, "embed")


def run(arguments: argparse.Namespace) -> None:
    settings, effort = from_flags(Settings, arguments), from_flags(Effort, arguments)
    stage = PosterEmbedding(Layout(arguments.results), (arguments.backbone,), settings, effort)
    if stage.backbone.dimensions != 2:
        raise ConfigError(
            f"is a {stage.backbone.dimensions}D backbone and needs clips, but a poster is one picture",
            where=stage.backbone.name, remedy="Choose a 2D one; `python -m trailers backbones` lists them.",
        )  # fmt: skip
    _ = stage.weights_sha256  # raises if weights are missing, which would make every trailer fail
    shard.run_stage(stage, arguments)


Poster = tuple[Receipt, np.ndarray]  # the receipt, and the image for the backbone: uint8 (1, 1, H, W, 3)


class PosterEmbedding(Stage):
    """The vector of each poster, by one backbone."""

    name, folder, schema, axes = "poster embedding", "posters", SCHEMA, ("backbone",)
    settings: Settings
    effort: Effort

    @cached_property
    def backbone(self) -> Row:
        return find_row(self.variant[0], Path(self.effort.weights_dir))

    @cached_property
    def weights_sha256(self) -> str:
        return weights_of(self.backbone, self.settings, self.effort)

    @cached_property
    def embedder(self) -> Embedder:
        return make_embedders([self.backbone], self.settings, self.effort)[self.backbone.name]

    def path(self, trailer: str) -> Path:
        return self.layout.poster(self.variant[0], trailer)

    def products(self, trailer: str) -> tuple[Path, ...]:
        return (self.path(trailer),)

    def inputs(self, trailer: str) -> tuple[Path, ...]:
        return (self.layout.poster_receipt(trailer),)

    def receipt(self, trailer: str) -> Receipt:
        path = self.layout.poster_receipt(trailer)
        receipt = read_receipt(path)
        if receipt.status != OK:
            raise ImageError(f"the poster was not downloaded: {receipt.error}", where=path)
        return receipt

    def fingerprint(self, trailer: str) -> str:
        shape = {"precision": self.settings.precision, **self.backbone.identity()}
        return fingerprint(SCHEMA, shape, self.weights_sha256, self.receipt(trailer).sha256)

    def read(self, trailer: str) -> LedgerRow:
        path = self.path(trailer)
        vectors, attributes = read_poster(path)
        check_owner(trailer, attributes, path)
        facts = {"F": vectors.shape[1], "precision": str(attributes.get("precision"))}
        return self.row(trailer, str(attributes.get("fingerprint")), facts)

    def check(self, trailer: str) -> None:
        self.read(trailer)
        check_vectors(read_poster(self.path(trailer))[0], str(self.path(trailer)))

    def open_poster(self, trailer: str) -> Poster:
        """The poster of ``trailer``.

        Raises:
            ImageError: it was not downloaded, or cannot be read.
            StoreError: the image is not the one that was downloaded.
        """
        from trailers.backbones.transform import resize_and_crop

        receipt, path = self.receipt(trailer), self.layout.poster_receipt(trailer)
        image = source_of(path, receipt)
        if not image.is_file() or sha256_of(image) != receipt.sha256:
            remedy = f"Remove {path} and rerun snakemake."
            raise StoreError("does not match its receipt", where=image, remedy=remedy)
        return receipt, resize_and_crop(read_image(image)[None], self.backbone.transform)[None]

    def make(self, trailer: str) -> LedgerRow:
        receipt, pixels = self.open_poster(trailer)
        return self.write(trailer, receipt, self.embedder(pixels))

    def make_all(self, trailers: Sequence[str], work: Work) -> None:
        """Embed the posters in batches across trailers."""
        waiting: dict[str, Poster] = {}
        for trailer in trailers:
            work.starts(trailer)
            try:
                waiting[trailer] = self.open_poster(trailer)
            except Exception as problem:  # noqa: BLE001  one trailer never stops the others; recorded with its cause
                work.fail(trailer, problem)
            if len(waiting) >= self.embedder.batch_clips:
                self.make_batch(waiting, work)
                waiting = {}
        if waiting:
            self.make_batch(waiting, work)

    def make_batch(self, batch: dict[str, Poster], work: Work) -> None:
        vectors = self.embedder(np.concatenate([pixels for _, pixels in batch.values()]))
        for number, (trailer, (receipt, _)) in enumerate(batch.items()):
            work.starts(trailer)
            try:
                work.record(self.write(trailer, receipt, vectors[number : number + 1]))
            except Exception as problem:  # noqa: BLE001  one trailer never stops the others; recorded with its cause
                work.fail(trailer, problem)

    def write(self, trailer: str, receipt: Receipt, vectors: np.ndarray) -> LedgerRow:
        attributes = {
            **origin(self.backbone, self.weights_sha256, self.settings, self.embedder.precision),
            "trailer": trailer,
            "source_sha256": receipt.sha256,
            "fingerprint": self.fingerprint(trailer),
        }
        write_poster(self.path(trailer), vectors, attributes)
        return self.row(
            trailer, attributes["fingerprint"], {"F": self.backbone.features, "precision": self.embedder.precision}
        )
