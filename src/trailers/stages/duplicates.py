"""Find trailers that are copies of each other, and copies in different subsets of a split (Sec. 3).

in   results/quality/{trailer}.json    fingerprints of pictures, of trailers that are ok in the ledgers
     the manifest's splits
out  results/quality/duplicates.csv    trailer, copy_of, group, share, and the subsets of each pair
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trailers.domain import SPLITS, SUBSETS, Trailer
from trailers.errors import ConfigError, StoreError
from trailers.settings import add_flags as add_setting_flags
from trailers.settings import from_flags, setting
from trailers.stages.currency import request_rerun
from trailers.stages.stage import Problem
from trailers.store.duplicates import DUPLICATES, Duplicate, Excluded, read_rows, write_rows
from trailers.store.fingerprint import fingerprint
from trailers.store.layout import Layout
from trailers.store.ledger import OK, LedgerRow, check_fingerprint, read_ledger
from trailers.store.manifest import read_manifest
from trailers.store.quality import QualityFile, read_quality
from trailers.store.shards import shard_files

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """when two trailers count as copies"""

    duplicate_share: float = setting("minimum share of common pictures in the trailer that has fewer pictures")

    def __post_init__(self) -> None:
        if not 0 < self.duplicate_share <= 1:
            raise ConfigError(
                f"quality.duplicate_share: {self.duplicate_share} is not a share above 0, up to 1. The default is 0.5."
            )


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ledgers", type=Path, nargs="+", required=True, metavar="LEDGER", help="quality ledgers, or their folder"
    )
    parser.add_argument(
        "--shards",
        metavar="LETTER+SIZE",
        help="which ledgers of a folder: the study's letter and the shard size, such as s100",
    )
    parser.add_argument("--manifest", type=Path, required=True, metavar="CSV", help="the trailers and their splits")
    parser.add_argument("--output", type=Path, required=True, metavar="CSV", help="table of copies to write")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="FOLDER", help="folder of all products"
    )
    add_setting_flags(parser, Settings, "quality")


def run(arguments: argparse.Namespace) -> None:
    settings, layout = from_flags(Settings, arguments), Layout(arguments.results)
    trailers = {trailer.trailer: trailer for trailer in read_manifest(arguments.manifest, links=False, genres=None)}
    found = list(read_all(shard_files(arguments.ledgers, arguments.shards, list(trailers)), layout, trailers))
    rows = duplicates(found, trailers, share=settings.duplicate_share)
    splits = [trailers[each.trailer].splits for each in found]
    identity = fingerprint(
        DUPLICATES, {"settings": settings.duplicate_share, "splits": splits}, *fingerprints_of(found)
    )
    write_rows(arguments.output, rows, Duplicate, {"fingerprint": identity, "trailers": len(found)})
    leaking = sum(any((row.split0, row.split1, row.split2)) for row in rows)
    log.info(
        "duplicates: %d pairs of copies among %d trailers, %d of the pairs in different subsets of a split: %s",
        len(rows), len(found), leaking, arguments.output,
    )  # fmt: skip


def fingerprints_of(found: Sequence[QualityFile]) -> list[str]:
    return [f"{each.trailer} {each.fingerprint}" for each in found]


def read_all(ledgers: Sequence[Path], layout: Layout, wanted: dict[str, Trailer]) -> Iterator[QualityFile]:
    """The quality file of each trailer that is ok, in the order of the ledgers.

    Raises:
        StoreError: a file is missing or damaged, or is not the one in its ledger.
    """
    for ledger in ledgers:
        for trailer, row in read_ledger(ledger).items():
            if row.status == OK and trailer in wanted:
                yield read_claimed(row, ledger, layout)


def read_claimed(row: LedgerRow, ledger: Path, layout: Layout) -> QualityFile:
    path = layout.quality(row.trailer)
    try:
        found = read_quality(path)
        check_fingerprint(row, found.fingerprint, path, ledger)
    except StoreError:
        request_rerun(ledger, layout)
        raise
    return found


def duplicates(found: Sequence[QualityFile], trailers: dict[str, Trailer], *, share: float) -> list[Duplicate]:
    """Every pair of copies, in the order of the manifest."""
    from trailers.quality.matching import Pictures, groups, leaks, near_duplicates
    from trailers.quality.prints import VIEWS, stacked

    place = {trailer: number for number, trailer in enumerate(trailers)}
    ordered = sorted(found, key=lambda each: place[each.trailer])
    matches = near_duplicates(
        [Pictures(each.picture_frames, stacked(each.prints, VIEWS)) for each in ordered], share=share
    )
    group = groups(matches)
    rows = []
    for match in matches:
        first, second = trailers[ordered[match.first].trailer], trailers[ordered[match.second].trailer]
        divided = (leaks([first.splits[n], second.splits[n]], SUBSETS) for n in SPLITS)
        rows.append(
            Duplicate(
                second.trailer, first.trailer, ordered[group[match.first]].trailer, round(match.share, 4),
                match.pictures, match.offset, round(match.speed, 6), *divided,
            )
        )  # fmt: skip
    return rows


def products(layout: Layout) -> list[Path]:
    """The lists of copies and of excluded trailers that exist."""
    return [path for path in (layout.duplicates(), layout.excluded()) if path.is_file()]


def problems(path: Path) -> Iterator[Problem]:
    """What is wrong with one of ``products``."""
    try:
        if path.stem == Layout(path.parents[1]).excluded().stem:
            read_rows(path, Excluded)
        else:
            read_rows(path, Duplicate)
    except StoreError as problem:
        yield Problem(path, problem.what, (path,))
