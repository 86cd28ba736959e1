"""Read embeddings as published with Trailers12k (Zenodo 5716410) into the classifier's path.

in   STORE.zarr                                   z[trailer] (clips, F), z.attrs["num_features"]
out  results/pack/study/{clips}/{backbone}.h5     one packed file, what the stage classify takes as --packs
"""

from __future__ import annotations

import argparse
import functools
import logging
from pathlib import Path

from trailers.domain import ClipStrategy, folder_name
from trailers.errors import StoreError
from trailers.store.fingerprint import fingerprint
from trailers.store.manifest import read_manifest
from trailers.store.pack import Part, write_pack
from trailers.store.published import Published

log = logging.getLogger(__name__)

SCHEMA = "import/1"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("store", type=Path, help="an unpacked zarr store, such as trailers_ik_swin_fps24_fpc24.zarr")
    parser.add_argument("--clips", type=ClipStrategy.parse, default="shot24", help="how its clips were cut (shot24)")
    parser.add_argument("--backbone", required=True, help="name for the backbone that made it, such as swin3d_t")
    parser.add_argument("--manifest", type=Path, help="take only its trailers, in its order, and say which are missing")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="FOLDER", help="where products live")
    parser.add_argument("--output", type=Path, help="what to write (results/pack/study/{clips}/{backbone}.h5)")


def run(arguments: argparse.Namespace) -> None:
    published = Published(arguments.store)
    trailers = published.trailers
    if arguments.manifest is not None:
        asked = [trailer.trailer for trailer in read_manifest(arguments.manifest)]
        trailers = [trailer for trailer in asked if trailer in set(published)]
        log.info("import: %d of %d trailers of %s are there", len(trailers), len(asked), arguments.manifest)
        if not trailers:
            raise StoreError(
                f"{arguments.store}: has none of the trailers of {arguments.manifest}. Look at the ids of both."
            )
    clips = str(arguments.clips)
    output = arguments.output or arguments.results / "pack" / "study" / clips / f"{folder_name(arguments.backbone)}.h5"
    parts = [
        Part(trailer, published.clips(trailer), functools.partial(published.read, trailer)) for trailer in trailers
    ]
    shape = {"store": arguments.store.name, "trailers": trailers, "clips": [part.clips for part in parts]}
    attributes = {
        "backbone": arguments.backbone,
        "clips": clips,
        "weights": f"published embeddings, {arguments.store.name}",
        "fingerprint": fingerprint(SCHEMA, shape),
    }
    write_pack(output, parts, features=published.features, attributes=attributes)
    log.info("import: %s: %d trailers, F = %d", output, len(parts), published.features)
