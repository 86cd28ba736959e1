"""Write a manifest: from a folder of videos, from a list of links, or from the published Trailers12k files.

in   --folder FOLDER                       videos; ids are their names
     --links FILE                          one link a line, or a CSV with a column url (or link, youtube)
     --trailers12k mtgc.csv --metadata F   labels and splits, with the record's metadata.json for the links
     --trailers12k mtgc.csv --links FILE   the same, with a CSV of links: columns trailer (or mid, imdb, id) and url
out  --output manifest.csv                 what config.yaml's manifest names

A title without a link is left out, and counted by genre and split.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from trailers.domain import GENRES, SPLITS, SUBSETS, Trailer, is_safe_id
from trailers.errors import ManifestError
from trailers.store.manifest import write_manifest
from trailers.tools.manifest.folder import from_folder
from trailers.tools.manifest.links import from_links
from trailers.tools.manifest.trailers12k import from_trailers12k, links_of_table, read_metadata

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
    parser.add_argument("--force", action="store_true", help="write over a manifest that is there")


def run(arguments: argparse.Namespace) -> None:
    output: Path = arguments.output
    if output.exists() and not arguments.force:
        raise ManifestError(f"{output}: exists. Name another --output, or write over it with --force.")
    trailers = collect(arguments)
    for line in missing_links(trailers):
        log.info("%s", line)
    linked = [trailer for trailer in trailers if trailer.urls]
    if not linked:
        raise ManifestError("no title has a link, so there is nothing to write. Give links for the titles.")
    check_ids(linked)
    write_manifest(output, linked)
    several = sum(len(trailer.urls) > 1 for trailer in linked)
    log.info("%s: %s trailers%s", output, f"{len(linked):,}", f", {several:,} with several links" if several else "")


def check_ids(trailers: Sequence[Trailer]) -> None:
    seen: set[str] = set()
    for trailer in trailers:
        assert is_safe_id(trailer.trailer), trailer
        if trailer.trailer.lower() in seen:
            raise ManifestError(f"'{trailer.trailer}' stands in two rows of the labels. Fetch the file again.")
        seen.add(trailer.trailer.lower())


def collect(arguments: argparse.Namespace) -> list[Trailer]:
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
    if given == {"trailers12k"}:
        raise ManifestError(
            f"{arguments.trailers12k}: holds labels and no links. Add --metadata metadata.json (Zenodo record "
            "5716410) or --links with a CSV of ids and links."
        )
    raise ManifestError(
        "give one source: --folder, --links, --trailers12k with --metadata, or --trailers12k with --links; got "
        f"{', '.join(f'--{name}' for name in sorted(given)) or 'none'}."
    )
