"""Write the embeddings of one clip strategy and one backbone for others to read.

in   results/embed/{clips}/{backbone}/*.h5     all that are there
out  OUTPUT.zarr    the layout of the published Trailers12k embeddings: z[trailer] (clips, F), z.attrs["num_features"]
     OUTPUT.h5      one packed file, as the stage pack writes it for training
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trailers.domain import ClipStrategy
from trailers.errors import ConfigError, StoreError
from trailers.store.embeddings import read_embedding, read_embedding_attributes
from trailers.store.fingerprint import fingerprint
from trailers.store.layout import Layout
from trailers.store.pack import Part, write_pack
from trailers.store.published import write_published

log = logging.getLogger(__name__)

SCHEMA = "export/1"

# What all trailers of one export have in common.
SHARED = ("backbone", "F", "weights", "weights_sha256", "transform", "clip_strategy", "fps")


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", type=ClipStrategy.parse, required=True, help="clip strategy, such as shot24")
    parser.add_argument("--backbone", required=True, help="name of the backbone")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="FOLDER", help="where products live")
    parser.add_argument("--output", type=Path, required=True, help="what to write: a path that ends in .zarr or .h5")
    parser.add_argument(
        "--half", action="store_true", help="float16 instead of float32 in .zarr: half the size, rounded"
    )


def run(arguments: argparse.Namespace) -> None:
    output: Path = arguments.output
    if output.suffix not in (".zarr", ".h5") or (arguments.half and output.suffix == ".h5"):
        raise ConfigError(f"--output: '{output}' must end in .zarr or, without --half, in .h5. Give it one.")
    if output.exists():
        raise ConfigError(f"--output: {output} is there already. Remove it or choose another.")
    folder = Layout(arguments.results).embedding(str(arguments.clips), arguments.backbone, "any").parent
    paths = sorted(path for path in folder.glob("*.h5") if not path.name.startswith("."))
    if not paths:
        raise StoreError(f"{folder}: there are no embeddings. Run the stage embed first.")
    attributes = shared_attributes(paths)
    if output.suffix == ".h5":
        write_pack(
            output, [part(path) for path in paths], features=attributes["F"], attributes=of_pack(attributes, paths)
        )
    else:
        vectors = {path.stem: vectors_of(path) for path in paths}
        write_published(output, vectors, attributes=attributes, dtype="<f2" if arguments.half else "<f4")
    log.info("export: %s: %d trailers, F = %d", output, len(paths), attributes["F"])


def shared_attributes(paths: Sequence[Path]) -> dict[str, Any]:
    """Raises StoreError when vectors of different makes lie in one folder."""
    first = read_embedding_attributes(paths[0])
    for path in paths[1:]:
        found = read_embedding_attributes(path)
        for key in SHARED:
            if found.get(key) != first.get(key):
                raise StoreError(
                    f"{path}: {key} is {found.get(key)!r}, but {first.get(key)!r} in {paths[0]}. Run embed again."
                )
    return {key: first[key] for key in SHARED if key in first}


def of_pack(attributes: Mapping[str, Any], paths: Sequence[Path]) -> dict[str, Any]:
    marks = [str(read_embedding_attributes(path)["fingerprint"]) for path in paths]
    return {**attributes, "clips": attributes["clip_strategy"], "fingerprint": fingerprint(SCHEMA, {}, *marks)}


def part(path: Path) -> Part:
    return Part(path.stem, len(read_embedding(path)[0]), vectors_of(path))


def vectors_of(path: Path) -> Callable[[], np.ndarray]:
    return lambda: read_embedding(path)[0]
