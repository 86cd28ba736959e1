"""Pack all embeddings of one clip strategy and one backbone into one file for training.

in   results/embed/{clips}/{backbone}/{trailer}.h5   one file per trailer that is ok in its ledger
out  results/pack/{study}/{clips}/{backbone}.h5      vectors, offsets, trailers; can be memory-mapped
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from trailers.domain import ClipStrategy
from trailers.errors import StoreError
from trailers.stages.currency import embeddings_of, refuse_replaced
from trailers.stages.stage import Problem, own_files
from trailers.store.embeddings import difference, plain, read_embedding, read_embedding_shape
from trailers.store.fingerprint import fingerprint
from trailers.store.layout import Layout
from trailers.store.ledger import OK, read_ledger
from trailers.store.manifest import read_manifest
from trailers.store.pack import Part, check_sums, open_pack, write_pack
from trailers.store.shards import shard_files
from trailers.store.text import size_text

log = logging.getLogger(__name__)

SCHEMA = "pack/1"

# Attributes of a single trailer, which a pack does not have.
OWN = ("trailer", "fingerprint", "schema")
# Attributes that must be the same for all vectors of a pack.
SHARED = ("backbone", "F", "weights", "weights_sha256", "transform")


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", type=ClipStrategy.parse, required=True, help="clip strategy, such as shot24")
    parser.add_argument("--backbone", required=True, help="name of the backbone")
    parser.add_argument(
        "--ledgers", type=Path, nargs="+", required=True, metavar="LEDGER",
        help="embed ledgers in the order of the study, or their folder",
    )  # fmt: skip
    parser.add_argument("--manifest", type=Path, metavar="CSV", help="the study's trailers, for a folder")
    parser.add_argument(
        "--shards",
        metavar="LETTER+SIZE",
        help="which ledgers of a folder: the study's letter and the shard size, such as s100",
    )
    parser.add_argument("--output", type=Path, required=True, help="the pack to write")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="FOLDER", help="folder of all products"
    )


def run(arguments: argparse.Namespace) -> None:
    trailers = read_manifest(arguments.manifest, links=False, genres=None) if arguments.manifest else []
    ids = [trailer.trailer for trailer in trailers]
    layout, clips = Layout(arguments.results), str(arguments.clips)
    ledgers = {path: read_ledger(path) for path in shard_files(arguments.ledgers, arguments.shards, ids)}
    rows = [row for ledger in ledgers.values() for row in ledger.values()]
    embedded = {row.trailer: row.fingerprint for row in rows if row.status == OK}
    if not embedded:
        raise StoreError(
            f"pack: none of {len(rows)} trailers has an embedding of {arguments.backbone} on {arguments.clips}; "
            f"the first: {rows[0].error if rows else 'the ledgers are empty'}. Fix that and rerun snakemake."
        )
    refuse_replaced(embeddings_of(layout, clips, arguments.backbone), ledgers)
    paths = {trailer: layout.embedding(clips, arguments.backbone, trailer) for trailer in embedded}
    parts, shared = survey(paths)
    attributes = {
        **shared,
        "backbone": arguments.backbone,
        "clips": clips,
        "fingerprint": fingerprint(SCHEMA, {"trailers": list(embedded)}, *embedded.values()),
    }
    features = int(attributes.pop("F"))
    write_pack(arguments.output, parts, features=features, attributes=attributes)
    count = sum(part.clips for part in parts)
    log.info(
        "pack: %s on %s: %d of %d trailers, %s clips, F %d, %s",
        arguments.backbone, clips, len(parts), len(rows), f"{count:,}", features, size_text(count * features * 4),
    )  # fmt: skip


def survey(paths: dict[str, Path]) -> tuple[list[Part], dict[str, Any]]:
    """The parts of the pack, and the attributes that all embeddings share.

    Raises:
        StoreError: an embedding is damaged, or differs from the first one in an attribute of SHARED; names both.
    """
    parts: list[Part] = []
    shared: dict[str, Any] = {}
    first = next(iter(paths.values()))
    for trailer, path in paths.items():
        clips, features, attributes = read_embedding_shape(path)
        found = {key: plain(value) for key, value in attributes.items()} | {"F": features}
        if not parts:
            shared = {key: value for key, value in found.items() if key not in OWN}
        words = difference(found, shared, SHARED)
        if words:
            raise StoreError(f"{path}: {words} in {first}. Remove the wrong file and rerun the embed stage.")
        shared = {key: value for key, value in shared.items() if found.get(key) == value}
        parts.append(Part(trailer, clips, reader(path)))
    return parts, shared


def reader(path: Path) -> Callable[[], np.ndarray]:
    return lambda: read_embedding(path)[0]


def products(layout: Layout) -> list[Path]:
    """All packs on disk, of all studies."""
    return own_files(layout.root / "pack", "*/*/*.h5")


def problems(path: Path) -> Iterator[Problem]:
    """What is wrong with the pack at ``path``."""
    try:
        check_sums(open_pack(path))
    except StoreError as problem:
        yield Problem(path, problem.what, (path,))
