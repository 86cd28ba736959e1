"""Write the embeddings of one clip strategy and one backbone for other programs.

in   results/embed/{clips}/{backbone}/*.h5            those of the manifest's trailers, in its order
     results/pack/study/{clips}/{backbone}.h5         if there are none: an imported pack; with --pack: that pack
out  OUTPUT.zarr    the layout of the published Trailers12k embeddings: z[trailer] (clips, F), z.attrs["num_features"]
     OUTPUT.h5      one packed file, as the pack stage writes it for training
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trailers.domain import ClipStrategy, Trailer
from trailers.errors import ConfigError, StoreError
from trailers.plan.studies import plan_here
from trailers.stages.currency import check_links, check_listed, embeddings_of
from trailers.store.embeddings import difference, read_embedding, read_embedding_shape
from trailers.store.fingerprint import fingerprint
from trailers.store.layout import Layout
from trailers.store.manifest import read_manifest
from trailers.store.pack import Pack, Part, open_pack, write_pack
from trailers.store.published import write_published

log = logging.getLogger(__name__)

SCHEMA = "export/1"

# The attributes that are the same for all trailers of one export.
SHARED = ("backbone", "F", "weights", "weights_sha256", "transform", "clip_strategy", "fps")


@dataclass(frozen=True)
class Source:
    """The trailers that can be exported, a fingerprint of each, and the attributes that they share."""

    where: Path
    parts: Mapping[str, Part]
    fingerprints: Mapping[str, str]
    attributes: Mapping[str, Any]


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", type=ClipStrategy.parse, help="clip strategy, such as shot24")
    parser.add_argument("--backbone", help="name of the backbone")
    parser.add_argument("--pack", type=Path, metavar="FILE", help="any packed file, instead of --clips and --backbone")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="FOLDER", help="folder of all products"
    )
    parser.add_argument(
        "--manifest", type=Path, metavar="CSV",
        help="manifest whose trailers are exported, in its order (default: that of config.yaml, if it exists)",
    )  # fmt: skip
    parser.add_argument(
        "--all", action="store_true", help="all trailers, also those that no manifest names, sorted by ID"
    )
    parser.add_argument("--output", type=Path, required=True, help="path to write, ending in .zarr or .h5")
    parser.add_argument(
        "--half", action="store_true", help="float16 instead of float32 in .zarr: half the size, rounded values"
    )


def run(arguments: argparse.Namespace) -> None:
    output: Path = arguments.output
    if output.suffix not in (".zarr", ".h5") or (arguments.half and output.suffix == ".h5"):
        raise ConfigError(f"--output: '{output}' must end in .zarr, or in .h5 without --half. Rename it.")
    if output.exists():
        raise ConfigError(f"--output: {output} already exists. Remove it or choose another.")
    if (arguments.pack is None) == (arguments.clips is None or arguments.backbone is None):
        raise ConfigError("it is not clear what to export", remedy="Give --clips and --backbone, or --pack.")
    source = find_source(arguments)
    manifest = None if arguments.all else find_manifest(arguments.manifest)
    rows = [] if manifest is None else read_manifest(manifest, links=False, genres=None)
    trailers = list(source.parts) if manifest is None else chosen(source, manifest, rows)
    if source.where.is_dir():
        check_current(arguments, trailers, rows)
    features = int(source.attributes["F"])
    if output.suffix == ".h5":
        attributes = of_pack(source, trailers)
        write_pack(output, [source.parts[trailer] for trailer in trailers], features=features, attributes=attributes)
    else:
        vectors = {trailer: source.parts[trailer].read for trailer in trailers}
        write_published(output, vectors, attributes=source.attributes, dtype="<f2" if arguments.half else "<f4")
    log.info("export: %s: %d trailers, vectors of %d values", output, len(trailers), features)


def check_current(arguments: argparse.Namespace, trailers: Sequence[str], rows: Sequence[Trailer]) -> None:
    """Raise StoreError if the embeddings of ``trailers`` are not those of their ledgers, or of another link."""
    layout = Layout(arguments.results)
    check_listed(embeddings_of(layout, str(arguments.clips), arguments.backbone), trailers, "export")
    wanted = set(trailers)
    check_links(layout, [row for row in rows if row.trailer in wanted])


def find_source(arguments: argparse.Namespace) -> Source:
    """The embeddings or the pack to export; raises StoreError if neither exists."""
    if arguments.pack is not None:
        return from_pack(open_pack(arguments.pack))
    layout, clips = Layout(arguments.results), str(arguments.clips)
    folder = layout.embedding(clips, arguments.backbone, "any").parent
    paths = sorted(path for path in folder.glob("*.h5") if not path.name.startswith("."))
    if paths:
        return from_embeddings(folder, paths)
    imported = layout.pack("study", clips, arguments.backbone)
    if not imported.exists():
        raise StoreError(
            f"contains no embeddings, and {imported} does not exist",
            where=folder,
            remedy="Run the embed stage first.",
        )
    return from_pack(open_pack(imported))


def from_embeddings(folder: Path, paths: Sequence[Path]) -> Source:
    """Raises StoreError if the files of one folder differ in ``SHARED``, or if a file belongs to another trailer."""
    parts, fingerprints = {}, {}
    first: dict[str, Any] = {}
    for path in paths:
        clips, features, found = read_embedding_shape(path)
        first = first or found | {"F": features}
        words = difference(found | {"F": features}, first, SHARED)
        if words:
            remedy = "Remove the file that is wrong and rerun the embed stage."
            raise StoreError(f"{words} in {paths[0]}", where=path, remedy=remedy)
        if found.get("trailer", path.stem) != path.stem:
            what = f"holds the vectors of {found['trailer']}"
            raise StoreError(what, where=path, remedy="Remove it and rerun the embed stage.")
        parts[path.stem] = Part(path.stem, clips, vectors_of(path))
        fingerprints[path.stem] = str(found.get("fingerprint"))
    return Source(folder, parts, fingerprints, {key: first[key] for key in SHARED if key in first})


def from_pack(pack: Pack) -> Source:
    def reader(number: int) -> Callable[[], np.ndarray]:
        return lambda: np.array(pack.clips_of(number))

    lengths = np.diff(pack.offsets).tolist()
    parts = {
        trailer: Part(trailer, length, reader(number))
        for number, (trailer, length) in enumerate(zip(pack.trailers, lengths, strict=True))
    }
    known = {**pack.attributes, "F": pack.features, "clip_strategy": pack.clips}
    fingerprints = dict.fromkeys(pack.trailers, pack.fingerprint)
    return Source(pack.path, parts, fingerprints, {key: known[key] for key in SHARED if key in known})


def find_manifest(named: Path | None) -> Path | None:
    """The manifest that was named, otherwise that of config.yaml if it exists."""
    if named is not None:
        return named
    configured = plan_here().users.manifest
    return configured if configured.is_file() else None


def chosen(source: Source, manifest: Path, rows: Sequence[Trailer]) -> list[str]:
    """The trailers of ``rows`` to export; logs how many of them and how many vectors are left out.

    Raises:
        StoreError: no trailer of the manifest has vectors.
    """
    wanted = [row.trailer for row in rows]
    taken = [trailer for trailer in wanted if trailer in source.parts]
    if not taken:
        what = f"contains none of the {len(wanted):,} trailers of {manifest}"
        raise StoreError(what, where=source.where, remedy="Choose another --manifest, or give --all.")
    if len(taken) < len(wanted):
        log.warning("export: %d of %d trailers of %s have vectors", len(taken), len(wanted), manifest)
    left = len(source.parts) - len(taken)
    if left:
        log.warning(
            "export: %d trailers in %s are not in %s and are left out; --all includes them",
            left,
            source.where,
            manifest,
        )
    return taken


def of_pack(source: Source, trailers: Sequence[str]) -> dict[str, Any]:
    inputs = [source.fingerprints[trailer] for trailer in trailers]
    shape = {} if len(set(inputs)) == len(inputs) else {"trailers": list(trailers)}
    attributes = dict(source.attributes)
    return {**attributes, "clips": attributes["clip_strategy"], "fingerprint": fingerprint(SCHEMA, shape, *inputs)}


def vectors_of(path: Path) -> Callable[[], np.ndarray]:
    return lambda: read_embedding(path)[0]
