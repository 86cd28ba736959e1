"""Embeddings that can be compared with text: the backbone of a results folder that shares its space with text."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trailers.backbones.names import parse
from trailers.backbones.row import RANDOM_WEIGHTS, Row
from trailers.backbones.rows import ROWS, find_row, is_of_library
from trailers.backbones.text import MODULES, REMEDY, shares_space, unit
from trailers.backbones.weights import weights_sha256
from trailers.config import defaults
from trailers.domain import ClipStrategy, canonical_name, is_safe_id
from trailers.errors import ConfigError, StoreError
from trailers.store.embeddings import read_embedding, read_embedding_attributes
from trailers.store.layout import Layout

if TYPE_CHECKING:
    from trailers.backbones.text import TextEncoder

RERUN = "Rerun the embed stage, or give the weights folder that it used."


@dataclass(frozen=True)
class Aligned:
    """The embeddings of one clip strategy by one backbone that shares its space with text."""

    layout: Layout
    strategy: str
    row: Row
    weights_sha256: str
    weights_dir: Path

    @property
    def is_random(self) -> bool:
        """Whether the vectors were made with random weights, so that a comparison with text is meaningless."""
        return self.weights_sha256 == RANDOM_WEIGHTS

    def text_encoder(self) -> TextEncoder:
        """The text tower with the weights that the vectors were made with. Raises ConfigError or WeightsError."""
        from trailers.backbones.text import TextEncoder

        return TextEncoder(self.row, self.weights_dir, random_weights=self.is_random)

    @property
    def folder(self) -> Path:
        """The folder of its files."""
        return self.layout.embedding(self.strategy, self.row.name, "any").parent

    @property
    def trailers(self) -> list[str]:
        """The trailers that have vectors, sorted."""
        return sorted(path.stem for path in self.folder.glob("*.h5") if is_safe_id(path.stem))

    def read(self, trailer: str) -> tuple[np.ndarray, np.ndarray]:
        """Vectors of length 1, float32 (clips, F), and clips int32 (clips, 4): shot, start, end, padding.

        Raises:
            StoreError: the file is missing or damaged, or was made with other weights.
        """
        path = self.layout.embedding(self.strategy, self.row.name, trailer)
        vectors, clips, attributes = read_embedding(path)
        found = str(attributes.get("weights_sha256"))
        if found != self.weights_sha256 or vectors.shape[1] != self.row.features:
            raise StoreError(
                f"was made with weights {found[:16]}, not {self.weights_sha256[:16]} as the text tower",
                where=path, remedy=RERUN,
            )  # fmt: skip
        return unit(vectors), clips


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that ``aligned_of`` reads."""
    parser.add_argument("--clips", type=ClipStrategy.parse, help="clip strategy (default: the only one in the results)")
    parser.add_argument(
        "--backbone", help="name of the backbone (default: the only one whose vectors can be compared with text)"
    )
    parser.add_argument("--results", type=Path, default=Path("results"), help="results folder (results)")
    folder = defaults("embed").get("weights_dir", "weights")
    parser.add_argument("--weights-dir", type=Path, default=Path(folder), help=f"folder of the weights ({folder})")


def aligned_of(arguments: argparse.Namespace) -> Aligned:
    """The embeddings that the flags name. Raises what ``find_aligned`` raises."""
    clips = str(arguments.clips) if arguments.clips else None
    return find_aligned(Layout(arguments.results), arguments.weights_dir, clips=clips, backbone=arguments.backbone)


def find_aligned(layout: Layout, weights_dir: Path, *, clips: str | None, backbone: str | None) -> Aligned:
    """The embeddings of ``layout`` that share their space with text: the only pair, or the one that is named.

    Raises:
        ConfigError: no pair or more than one pair qualifies; the message lists them.
        WeightsError: the backbone's weights are missing or damaged.
        StoreError: a file is damaged.
    """
    wanted = None if backbone is None else canonical_name(backbone)
    pairs = embedded(layout)
    requested = [pair for pair in pairs if clips in (None, pair[0]) and wanted in (None, pair[1])]
    rows = {name: shared_row(name, weights_dir) for _, name in requested}
    found = [(strategy, row) for strategy, name in requested if (row := rows[name]) is not None]
    if len(found) != 1:
        named = [(strategy, row.name) for strategy, row in found] or list(pairs)
        listed = ", ".join(f"{strategy}/{name}" for strategy, name in named) or "no embedding"
        what = "more than one backbone shares" if found else "no requested backbone shares"
        remedy = "Name one with --clips and --backbone." if found else f"Embed with one. {REMEDY}"
        raise ConfigError(f"{what} its space with text; the folder has {listed}", where=layout.root, remedy=remedy)
    strategy, row = found[0]
    is_random = pairs[strategy, row.name].get("weights_sha256") == RANDOM_WEIGHTS
    return Aligned(
        layout, strategy, row, RANDOM_WEIGHTS if is_random else weights_sha256(row, weights_dir), weights_dir
    )


def embedded(layout: Layout) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Clip strategy and backbone of every folder of embeddings, and the attributes of its first file; sorted."""
    folders = sorted(path for path in layout.root.glob("embed/*/*") if path.is_dir())
    firsts = [(path, next(iter(sorted(path.glob("*.h5"))), None)) for path in folders]
    read = [(path.parent.name, read_embedding_attributes(file)) for path, file in firsts if file]
    return {(strategy, str(attributes.get("backbone"))): attributes for strategy, attributes in read}


def shared_row(name: str, weights_dir: Path) -> Row | None:
    """The backbone of this name if it shares its space with text, otherwise None. A user's own file is not run.

    Raises:
        ConfigError: the model does not exist, or its library is not installed.
        WeightsError: its repository has not been fetched.
    """
    parsed = None if name in ROWS or not is_of_library(name) else parse(name)
    row = find_row(name, weights_dir) if parsed is not None and parsed.library in MODULES else None
    return row if row is not None and shares_space(row) else None
