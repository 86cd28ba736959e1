"""Write a manifest: from videos, links, the published Trailers12k files, or reviewed search results.

in   --folder FOLDER                       videos; ids are their names
     --links FILE                          one link per line, or a table with a column url (or link, youtube, ...)
     --trailers12k mtgc.csv --metadata F   labels and splits, with the record's metadata.json for the links
     --trailers12k mtgc.csv --links FILE   the same, with a table of links: columns trailer (or imdb, id, ...) and url
     --titles titles.csv --decisions F     links accepted in `trailers review`, marked as verified, with splits
     --titles titles.csv                   the best candidates of `snakemake search`, not reviewed, with splits
out  --output manifest.csv                 the manifest that config.yaml names

An existing manifest is kept. --update appends new rows and leaves the others as they are; --force overwrites it and
lists what is lost. Titles without a link are left out, and counted by genre and split.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from trailers.domain import GENRES, SPLITS, SUBSETS, Trailer, is_safe_id
from trailers.errors import ManifestError
from trailers.genres import add_genres_flag, genres_of
from trailers.store.layout import Layout
from trailers.store.manifest import read_manifest, write_manifest
from trailers.store.videos import describe_shared, shared_videos
from trailers.tools.manifest.folder import from_folder
from trailers.tools.manifest.links import from_links
from trailers.tools.manifest.searched import Choice, TitleFiles, from_decisions, from_titles
from trailers.tools.manifest.source import Source
from trailers.tools.manifest.trailers12k import from_trailers12k, links_of_table, read_metadata
from trailers.tools.manifest.update import added, losses

log = logging.getLogger(__name__)


def missing_links(trailers: Sequence[Trailer], genres: Sequence[str]) -> list[str]:
    """Lines that say how many titles lack a link, by genre and by split; empty if all have one."""
    without = [trailer for trailer in trailers if not trailer.urls]
    if not without:
        return []
    lines = [f"{len(without):,} of {len(trailers):,} titles have no link and are left out:"]
    for genre in genres:
        counts = [sum(genre in trailer.genres for trailer in group) for group in (without, trailers)]
        lines.append("  {:<18}{:>6,} of {:>6,}".format(genre, *counts))
    for n in SPLITS:
        for code, subset in enumerate(SUBSETS):
            counts = [sum(trailer.splits[n] == code for trailer in group) for group in (without, trailers)]
            lines.append("  {:<18}{:>6,} of {:>6,}".format(f"split{n} {subset}", *counts))
    return lines


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, metavar="FOLDER", help="a folder of videos")
    parser.add_argument("--links", type=Path, metavar="FILE", help="links: one per line, or a CSV")
    parser.add_argument("--trailers12k", type=Path, metavar="CSV", help="the published mtgc.csv")
    parser.add_argument("--titles", type=Path, metavar="CSV", help="titles whose trailers were searched for")
    parser.add_argument("--decisions", type=Path, metavar="CSV", help="decisions of the reviewers, with --titles")
    add_genres_flag(parser)
    searched = parser.add_argument_group("with --titles")
    searched.add_argument(
        "--results", type=Path, default=Path("results"), metavar="FOLDER", help="folder of the searches"
    )
    searched.add_argument(
        "--unreviewed",
        action="store_true",
        help="with --decisions: also take the best candidate of titles without a decision",
    )
    searched.add_argument(
        "--min-score",
        type=float,
        default=50.0,
        metavar="POINTS",
        help="minimum score of a candidate that nobody has reviewed (%(default)g)",
    )
    searched.add_argument(
        "--alternatives",
        type=int,
        default=2,
        metavar="N",
        help="number of further candidates, used if the best one is gone (%(default)s)",
    )
    searched.add_argument("--seed", type=int, default=0, help="seed of the splits (%(default)s)")
    parser.add_argument("--metadata", type=Path, metavar="JSON", help="the published metadata.json, with --trailers12k")
    parser.add_argument(
        "--output", type=Path, default=Path("manifest.csv"), metavar="CSV", help="the manifest to write"
    )
    parser.add_argument(
        "--without-links", action="store_true",
        help="keep titles of --trailers12k without a link, to train on published embeddings",
    )  # fmt: skip
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument(
        "--update", action="store_true", help="append new trailers to the existing manifest; change nothing else"
    )
    existing.add_argument("--force", action="store_true", help="overwrite an existing manifest; lists what is lost")


def run(arguments: argparse.Namespace) -> None:
    output: Path = arguments.output
    # The published labels use the paper's genres, even if config.yaml lists others.
    is_published = arguments.trailers12k is not None and arguments.genres is None
    arguments.genres = GENRES if is_published else genres_of(arguments)
    inputs = [arguments.links, arguments.trailers12k, arguments.metadata, arguments.titles, arguments.decisions]
    check_output(output, inputs)
    source = collect(arguments)
    if not arguments.without_links:
        for line in missing_links(source.trailers, arguments.genres):
            log.info("%s", line)
    linked: Sequence[Trailer] = [trailer for trailer in source.trailers if trailer.urls or arguments.without_links]
    if not linked:
        raise ManifestError("no title has a link, so there is nothing to write", remedy="Give links for the titles.")
    assert all(is_safe_id(trailer.trailer) for trailer in linked), linked
    if arguments.titles is not None and not arguments.update:
        linked = split(linked, output.parent, arguments.seed, arguments.genres)
    trailers = write_or_update(output, Source(linked, source.given_ids), arguments)
    for group in shared_videos(trailers, output.parent):
        log.warning("%s", describe_shared(group))
    several = sum(len(trailer.urls) > 1 for trailer in trailers)
    log.info("%s: %s trailers%s", output, f"{len(trailers):,}", f", {several:,} with several links" if several else "")


def split(trailers: Sequence[Trailer], base: Path, seed: int, genres: Sequence[str]) -> Sequence[Trailer]:
    """The trailers with three stratified splits, if enough of them have genres."""
    from trailers.plan.splitting import make_splits

    try:
        return make_splits(trailers, base, seed=seed, genres=genres).trailers
    except ManifestError as problem:
        log.warning("no splits: %s", problem)
        return trailers


def check_output(output: Path, inputs: Sequence[Path | None]) -> None:
    if output.is_dir():
        raise ManifestError("is a directory", where=output, remedy="Name a file in --output.")
    if any(path is not None and path.exists() and output.exists() and path.samefile(output) for path in inputs):
        raise ManifestError("is the source of the manifest", where=output, remedy="Name another --output.")


def write_or_update(output: Path, source: Source, arguments: argparse.Namespace) -> Sequence[Trailer]:
    """Writes the manifest, or updates the existing one; returns the trailers that it then contains.

    Raises:
        ManifestError: it exists, and neither --update nor --force is given.
    """
    trailers = source.trailers
    if output.exists() and arguments.update:
        old = read_manifest(output, genres=arguments.genres)
        trailers = added(old, source, output.parent)
        if len(trailers) == len(old):
            return trailers
    elif output.exists():
        lost = "; ".join(losses(output, trailers)) or "nothing"
        if not arguments.force:
            raise ManifestError(
                "already exists",
                where=output,
                remedy="Add new trailers with --update, name another --output, or overwrite it with --force, which "
                f"loses {lost}.",
            )
        log.warning("%s: overwritten; lost: %s", output, lost)
    write_manifest(output, trailers)
    return trailers


def collect(arguments: argparse.Namespace) -> Source:
    """The trailers of the source that the flags name, including those without a link."""
    names = ("folder", "links", "trailers12k", "metadata", "titles", "decisions")
    given = {name for name in names if getattr(arguments, name) is not None}
    if given in ({"titles"}, {"titles", "decisions"}):
        return collect_titles(arguments)
    if given == {"folder"}:
        return from_folder(arguments.folder, arguments.output)
    if given == {"links"}:
        return from_links(arguments.links, arguments.output, arguments.genres)
    if given == {"trailers12k", "links"}:
        return from_trailers12k(
            arguments.trailers12k, links_of_table(arguments.links, arguments.output), {}, arguments.genres
        )
    if given == {"trailers12k", "metadata"}:
        return from_trailers12k(arguments.trailers12k, *read_metadata(arguments.metadata), arguments.genres)
    if given == {"trailers12k"} and arguments.without_links:
        return from_trailers12k(arguments.trailers12k, {}, {}, arguments.genres)
    if given == {"trailers12k"}:
        raise ManifestError(
            "contains labels but no links",
            where=arguments.trailers12k,
            remedy="Add --metadata metadata.json (Zenodo record 5716410) or --links with a table of ids and links; "
            "--without-links writes a manifest for training on published embeddings.",
        )
    found = ", ".join(f"--{name}" for name in sorted(given)) or "none"
    raise ManifestError(
        f"got {found} as the source",
        remedy="Give one: --folder, --links, --trailers12k with --metadata or --links, or --titles with --decisions.",
    )


def collect_titles(arguments: argparse.Namespace) -> Source:
    if arguments.alternatives < 0:
        raise ManifestError(f"--alternatives is {arguments.alternatives}", remedy="Give 0 or more.")
    choice = Choice(Layout(arguments.results), arguments.min_score, arguments.alternatives)
    written = TitleFiles(arguments.titles, arguments.output, arguments.genres)
    if arguments.decisions is None:
        return from_titles(written, choice)
    unseen = choice if arguments.unreviewed else None
    return from_decisions(written, arguments.decisions, unseen)
