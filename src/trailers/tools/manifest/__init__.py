"""Write a manifest: from a folder of videos, from a list of links, or from the published Trailers12k files.

in   --folder FOLDER                       videos; ids are their names
     --links FILE                          one link per line, or a table with a column url (or link, youtube, ...)
     --trailers12k mtgc.csv --metadata F   labels and splits, with the record's metadata.json for the links
     --trailers12k mtgc.csv --links FILE   the same, with a table of links: columns trailer (or imdb, id, ...) and url
out  --output manifest.csv                 what config.yaml's manifest names

A manifest that is there is kept. --update adds what is new behind its rows, which stay as they are; --force
writes over it, and says what is lost. A title without a link is left out, and counted by genre and split.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from trailers.domain import GENRES, SPLITS, SUBSETS, Trailer, is_safe_id
from trailers.errors import ManifestError
from trailers.store.manifest import read_manifest, write_manifest
from trailers.store.videos import shared_videos, tell_shared
from trailers.tools.manifest.folder import from_folder
from trailers.tools.manifest.links import from_links
from trailers.tools.manifest.source import Source
from trailers.tools.manifest.trailers12k import from_trailers12k, links_of_table, read_metadata
from trailers.tools.manifest.update import added, losses

log = logging.getLogger(__name__)


def missing_links(trailers: Sequence[Trailer]) -> list[str]:
    """Lines that say how many titles lack a link, by genre and by split; none when no title does."""
    without = [trailer for trailer in trailers if not trailer.urls]
    if not without:
        return []
    lines = [f"{len(without):,} of {len(trailers):,} titles lack a link and are left out:"]
    for genre in GENRES:
        counts = [sum(genre in trailer.genres for trailer in group) for group in (without, trailers)]
        lines.append("  {:<18}{:>6,} of {:>6,}".format(genre, *counts))
    for n in SPLITS:
        for code, subset in enumerate(SUBSETS):
            counts = [sum(trailer.splits[n] == code for trailer in group) for group in (without, trailers)]
            lines.append("  {:<18}{:>6,} of {:>6,}".format(f"split{n} {subset}", *counts))
    return lines


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, metavar="FOLDER", help="a folder of videos")
    parser.add_argument("--links", type=Path, metavar="FILE", help="links: lines, or a CSV")
    parser.add_argument("--trailers12k", type=Path, metavar="CSV", help="the published mtgc.csv")
    parser.add_argument("--metadata", type=Path, metavar="JSON", help="the published metadata.json, with --trailers12k")
    parser.add_argument(
        "--output", type=Path, default=Path("manifest.csv"), metavar="CSV", help="the manifest to write"
    )
    parser.add_argument(
        "--without-links", action="store_true",
        help="write the titles of --trailers12k that have no link too, to train on published embeddings",
    )  # fmt: skip
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument(
        "--update", action="store_true", help="add what is new to the manifest that is there, and change nothing in it"
    )
    existing.add_argument(
        "--force", action="store_true", help="write over a manifest that is there; what is lost is said"
    )


def run(arguments: argparse.Namespace) -> None:
    output: Path = arguments.output
    check_output(output, [arguments.links, arguments.trailers12k, arguments.metadata])
    source = collect(arguments)
    if not arguments.without_links:
        for line in missing_links(source.trailers):
            log.info("%s", line)
    linked = [trailer for trailer in source.trailers if trailer.urls or arguments.without_links]
    if not linked:
        raise ManifestError("no title has a link, so there is nothing to write", remedy="Give links for the titles.")
    assert all(is_safe_id(trailer.trailer) for trailer in linked), linked
    trailers = beside_existing(output, Source(linked, source.given_ids), arguments)
    for group in shared_videos(trailers, output.parent):
        log.warning("%s", tell_shared(group))
    several = sum(len(trailer.urls) > 1 for trailer in trailers)
    log.info("%s: %s trailers%s", output, f"{len(trailers):,}", f", {several:,} with several links" if several else "")


def check_output(output: Path, inputs: Sequence[Path | None]) -> None:
    if output.is_dir():
        raise ManifestError("is a directory", where=output, remedy="Name a file in --output.")
    if any(path is not None and path.exists() and output.exists() and path.samefile(output) for path in inputs):
        raise ManifestError("is what the manifest is made from", where=output, remedy="Name another --output.")


def beside_existing(output: Path, source: Source, arguments: argparse.Namespace) -> Sequence[Trailer]:
    """Write the manifest, with or over the one that is there; gives the trailers that it has then.

    Raises:
        ManifestError: there is one, and neither --update nor --force says what to do with it.
    """
    trailers = source.trailers
    if output.exists() and arguments.update:
        old = read_manifest(output)
        trailers = added(old, source, output.parent)
        if len(trailers) == len(old):
            return trailers
    elif output.exists():
        lost = "; ".join(losses(output, trailers)) or "nothing"
        if not arguments.force:
            raise ManifestError(
                "exists",
                where=output,
                remedy="Add what is new with --update, name another --output, or write over it with --force, which "
                f"loses {lost}.",
            )
        log.warning("%s: written over; lost: %s", output, lost)
    write_manifest(output, trailers)
    return trailers


def collect(arguments: argparse.Namespace) -> Source:
    """The trailers that the flags ask for, those without a link among them."""
    given = {name for name in ("folder", "links", "trailers12k", "metadata") if getattr(arguments, name) is not None}
    if given == {"folder"}:
        return from_folder(arguments.folder, arguments.output)
    if given == {"links"}:
        return from_links(arguments.links, arguments.output)
    if given == {"trailers12k", "links"}:
        return from_trailers12k(arguments.trailers12k, links_of_table(arguments.links, arguments.output), {})
    if given == {"trailers12k", "metadata"}:
        return from_trailers12k(arguments.trailers12k, *read_metadata(arguments.metadata))
    if given == {"trailers12k"} and arguments.without_links:
        return from_trailers12k(arguments.trailers12k, {}, {})
    if given == {"trailers12k"}:
        raise ManifestError(
            "holds labels and no links",
            where=arguments.trailers12k,
            remedy="Add --metadata metadata.json (Zenodo record 5716410) or --links with a table of ids and links; "
            "--without-links writes a manifest for training on published embeddings.",
        )
    found = ", ".join(f"--{name}" for name in sorted(given)) or "none"
    raise ManifestError(
        f"got {found} as the source",
        remedy="Give one: --folder, --links, --trailers12k with --metadata, or --trailers12k with --links.",
    )
