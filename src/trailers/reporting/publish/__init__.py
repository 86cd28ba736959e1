"""Write results as a data set that others can open: Parquet, CSV, Croissant metadata, data card, checksums.

in   the manifest, results/ledger/, receipts, shots, clips and embeddings
out  {output}/data/{clips}/{backbone}/*.parquet    one row per clip, its vector among the columns
     {output}/shots.csv                            one row per shot, all trailers
     {output}/timelines/{trailer}.otio             with --timelines: its shots for editing programs
     {output}/trailers.csv                         the manifest, with what was actually downloaded
     {output}/failures.csv                         every missing trailer, with the reason
     {output}/README.md, croissant.json, SHA256SUMS

One pass, with one trailer in memory at a time. Products that do not match their ledger are refused.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from trailers.errors import ConfigError
from trailers.genres import add_genres_flag, genres_of
from trailers.plan.studies import plan_here
from trailers.reporting.publish.card import write_card, write_croissant
from trailers.reporting.publish.release import Release, read_release
from trailers.reporting.publish.tables import write_failures, write_shots, write_trailers
from trailers.reporting.publish.timelines import write_timelines
from trailers.reporting.publish.vectors import write_vectors
from trailers.store.fingerprint import sha256_of
from trailers.store.layout import Layout

log = logging.getLogger(__name__)


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FOLDER", help="folder to write; it must not exist yet"
    )
    parser.add_argument("--manifest", type=Path, metavar="CSV", help="the trailers (default: that of config.yaml)")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="FOLDER", help="folder of all products"
    )
    parser.add_argument(
        "--pairs", nargs="+", metavar="CLIPS/BACKBONE", help="what to publish (default: all pairs of config.yaml)"
    )
    add_genres_flag(parser)
    parser.add_argument("--without-links", action="store_true", help="leave out the links of the videos")
    parser.add_argument("--without-titles", action="store_true", help="leave out titles")
    parser.add_argument(
        "--timelines", action="store_true",
        help="add the shots of each trailer as an OpenTimelineIO file for editing programs (about 50 kB per trailer)",
    )  # fmt: skip
    parser.add_argument("--name", default="trailers", help="name of the data set (default: trailers)")
    parser.add_argument("--licence", default="", metavar="TEXT", help="licence of the data set: a name or a URL")
    parser.add_argument("--date", default="", metavar="YYYY-MM-DD", help="date of publication (default: today)")


def run(arguments: argparse.Namespace) -> None:
    check_pyarrow()
    output: Path = arguments.output
    if output.exists() and any(output.iterdir() if output.is_dir() else [output]):
        raise ConfigError("already exists", where=output, remedy="Name a folder that does not exist, or an empty one.")
    release = read_release(
        Layout(arguments.results), arguments.manifest or plan_here().users.manifest, pairs_of(arguments),
        genres_of(arguments), links=not arguments.without_links, titles=not arguments.without_titles,
    )  # fmt: skip
    output.mkdir(parents=True, exist_ok=True)
    write_trailers(release, output / "trailers.csv")
    write_failures(release, output / "failures.csv")
    write_shots(release, output / "shots.csv")
    if arguments.timelines:
        write_timelines(release, output)
    for pair in release.pairs:
        write_vectors(release, pair, output)
    write_croissant(release, output, arguments)
    write_card(release, output, arguments)
    write_checksums(output)
    log.info("publish: %s: %s", output, summary(release))


def check_pyarrow() -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        remedy = "Install it: pip install 'trailers[publish]'."
        raise ConfigError("Parquet needs the package pyarrow, which is not installed", remedy=remedy) from None


def pairs_of(arguments: argparse.Namespace) -> list[tuple[str, str]]:
    """(clip strategy, backbone) of everything to publish. Raises ConfigError."""
    if not arguments.pairs:
        return list(plan_here().users.pairs)
    pairs = []
    for text in arguments.pairs:
        clips, slash, backbone = text.partition("/")
        if not slash or not clips or not backbone:
            raise ConfigError(f"'{text}' is not CLIPS/BACKBONE, such as shot24/resnet50", where="--pairs")
        pairs.append((clips, backbone))
    return pairs


def summary(release: Release) -> str:
    clips = sum(release.clips.values())
    return f"{len(release.rows):,} trailers, {clips:,} clips, {len(release.failures):,} trailers missing"


def write_checksums(output: Path) -> None:
    """Writes SHA256SUMS in the format of sha256sum."""
    files = sorted(path for path in output.rglob("*") if path.is_file())
    lines = [f"{sha256_of(path)}  {path.relative_to(output)}\n" for path in files]
    (output / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")
