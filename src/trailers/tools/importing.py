"""Import embeddings as published with Trailers12k (Zenodo record 5716410) for the classifier.

in   STORE.zarr or STORE.zarr.tar.gz              z[trailer] (clips, F), z.attrs["num_features"]
out  results/pack/study/{clips}/{backbone}.h5     one packed file, as the classify stage reads it

The six published archives are recognised by their names, and then need neither --clips nor --backbone.
A store that lacks chunks, arrays, or trailers of the manifest is refused, with the numbers expected and found.
"""

from __future__ import annotations

import argparse
import functools
import logging
from pathlib import Path

from trailers.domain import ClipStrategy, folder_name
from trailers.errors import ConfigError, StoreError
from trailers.store.archive import unpacked
from trailers.store.fingerprint import fingerprint
from trailers.store.manifest import read_manifest
from trailers.store.pack import Part, write_pack
from trailers.store.published import PUBLISHED, Published
from trailers.store.published_files import find_store
from trailers.store.text import first_few

log = logging.getLogger(__name__)

SCHEMA = "import/2"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "store", type=Path, help="a zarr store or its .tar.gz, such as trailers_ik_swin_fps24_fpc24.zarr.tar.gz"
    )
    parser.add_argument(
        "--clips", type=ClipStrategy.parse, help="clip strategy (default: known from the name, or shot24)"
    )
    parser.add_argument("--backbone", help="backbone, such as swin3d_t (default: known from the name)")
    parser.add_argument(
        "--manifest",
        type=Path,
        help="import only the trailers of this manifest, in its order; all must be in the store",
    )
    parser.add_argument("--partial", action="store_true", help="accept that trailers of the manifest are missing")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="FOLDER", help="folder of all products"
    )
    parser.add_argument("--output", type=Path, help="what to write (results/pack/study/{clips}/{backbone}.h5)")
    parser.add_argument("--force", action="store_true", help="replace an existing pack")


def run(arguments: argparse.Namespace) -> None:
    clips, backbone = names_of(arguments)
    output = arguments.output or arguments.results / "pack" / "study" / clips / f"{folder_name(backbone)}.h5"
    if output.exists() and not arguments.force:
        raise ConfigError("already exists", where=output, remedy="Give --force to replace it, or another --output.")
    if arguments.store.is_file():
        output.parent.mkdir(parents=True, exist_ok=True)
        log.info("import: %s: unpacking into a temporary folder beside %s", arguments.store, output)
        with unpacked(arguments.store, into=output.parent) as store:
            import_store(store, output, clips, backbone, arguments)
    else:
        import_store(arguments.store, output, clips, backbone, arguments)


def names_of(arguments: argparse.Namespace) -> tuple[str, str]:
    """Clip strategy and backbone: as given, otherwise those of the published archive of that name.

    Raises:
        ConfigError: no backbone was given, and the name is not a published one.
    """
    known = find_store(arguments.store.name)
    backbone = arguments.backbone or (known.backbone if known else "")
    if not backbone:
        remedy = "Give --backbone: the name of the backbone that made it, such as swin3d_t."
        raise ConfigError("is not the name of a published archive", where=arguments.store, remedy=remedy)
    return str(arguments.clips or (known.clips if known else "shot24")), backbone


def import_store(store: Path, output: Path, clips: str, backbone: str, arguments: argparse.Namespace) -> None:
    """Write the pack ``output`` of the zarr store at ``store``."""
    published = Published(store)
    if published.ignored:
        log.warning(
            "import: %s: ignored, because they are not trailers: %s", store, first_few(sorted(published.ignored))
        )
    published.check_chunks()
    trailers = chosen(published, arguments.manifest, partial=arguments.partial)
    parts = [
        Part(trailer, published.clips(trailer), functools.partial(published.read, trailer)) for trailer in trailers
    ]
    shape = {"backbone": backbone, "trailers": trailers, "clips": [part.clips for part in parts]}
    attributes = {
        "backbone": backbone,
        "clips": clips,
        "weights": f"{PUBLISHED}, {store.name}",
    }
    write_pack(
        output, parts, features=published.features, attributes=attributes,
        fingerprint_of=lambda vectors_sha256: fingerprint(SCHEMA, shape, vectors_sha256),
    )  # fmt: skip
    if published.with_zeros:
        log.warning(
            "import: %s: %d trailers have clips whose vectors contain only zeros. No network produces these, so they "
            "are probably missing or damaged: %s",
            store, len(published.with_zeros), first_few(sorted(published.with_zeros)),
        )  # fmt: skip
    log.info(
        "import: %s: %d of the store's %d trailers, vectors of %d values", output, len(parts), len(published.trailers),
        published.features,
    )  # fmt: skip


def chosen(published: Published, manifest: Path | None, *, partial: bool) -> list[str]:
    """The trailers to take: the store's, or those of the manifest in its order.

    Raises:
        StoreError: the store lacks some and ``partial`` does not allow that, or it has none.
    """
    if manifest is None:
        log.info(
            "import: %d trailers are in the store; give --manifest to check that no trailer is missing",
            len(published.trailers),
        )
        return published.trailers
    wanted = [trailer.trailer for trailer in read_manifest(manifest, links=False, genres=None)]
    held = set(published.trailers)
    missing = [trailer for trailer in wanted if trailer not in held]
    found = len(wanted) - len(missing)
    what = f"holds {found:,} of the {len(wanted):,} trailers of {manifest}"
    if not found:
        raise StoreError(what, where=published.path, remedy="Compare the ids of both.")
    if missing:
        what += f"; missing: {', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}"
        if not partial:
            remedy = "Fetch the store again, or give --partial to continue without them."
            raise StoreError(what, where=published.path, remedy=remedy)
    log.log(logging.WARNING if missing else logging.INFO, "import: %s: %s", published.path, what)
    return [trailer for trailer in wanted if trailer in held]
