"""What is published: trailers and their products, and the reasons why others are missing."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trailers.domain import Trailer
from trailers.errors import StoreError
from trailers.stages.currency import check_links
from trailers.store.layout import Layout
from trailers.store.ledger import OK, SKIPPED, LedgerRow, check_fingerprint, read_ledger
from trailers.store.manifest import read_manifest
from trailers.store.receipt import Receipt, read_receipt

Pair = tuple[str, str]  # clip strategy, backbone


@dataclass
class Release:
    """Everything from which the files of a release are written.

    ``rows`` are the trailers whose video was downloaded, ``ledgers`` the outcomes of each stage.
    """

    layout: Layout
    pairs: list[Pair]
    rows: list[Trailer]
    ledgers: dict[tuple[str, ...], dict[str, LedgerRow]]
    failures: list[tuple[Trailer, str, LedgerRow]]  # trailer, stage, why
    links: bool
    titles: bool
    genres: tuple[str, ...]
    clips: dict[Pair, int] = field(default_factory=dict)  # number published so far
    features: dict[Pair, int] = field(default_factory=dict)
    attributes: dict[Pair, dict[str, object]] = field(default_factory=dict)  # those that all embeddings share

    def receipt(self, trailer: str) -> Receipt:
        """The receipt of the download. Raises StoreError if another run replaced it."""
        path = self.layout.receipt(trailer)
        receipt = read_receipt(path)
        check_fingerprint(self.ledgers["download",][trailer], receipt.fingerprint, path)
        return receipt

    def downloaded(self, trailer: str) -> str:
        """The day on which the receipt was written, in UTC."""
        seconds = self.layout.receipt(trailer).stat().st_mtime
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC).date().isoformat()

    def ok(self, *key: str) -> dict[str, LedgerRow]:
        """Trailer -> row of those that are ok in the stage and variant ``key``, in the manifest's order."""
        rows = self.ledgers.get(key, {})
        found = (rows.get(trailer.trailer) for trailer in self.rows)
        return {row.trailer: row for row in found if row is not None and row.status == OK}


def read_release(
    layout: Layout, manifest: Path, pairs: Sequence[Pair], genres: tuple[str, ...], *, links: bool, titles: bool
) -> Release:
    """What can be published of ``manifest``.

    Raises:
        StoreError: a video is from a link of another manifest, there are no ledgers, or a pair has no embedding at all.
    """
    trailers = read_manifest(manifest, links=False, genres=genres)
    keys: list[tuple[str, ...]] = [("download",), ("normalise",), ("shots",)]
    keys += [("clips", clips) for clips in dict.fromkeys(clips for clips, _ in pairs)]
    keys += [("embed", *pair) for pair in pairs]
    known = {trailer.trailer for trailer in trailers}
    ledgers = {key: rows_of(layout, key, known) for key in keys}
    for pair in pairs:
        if not any(row.status == OK for row in ledgers["embed", *pair].values()):
            what = f"has no embedding by {pair[1]} on {pair[0]} for any trailer of {manifest}"
            raise StoreError(what, where=layout.root, remedy="Run snakemake first, or name other --pairs.")
    failures = [found for trailer in trailers if (found := first_failure(trailer, ledgers))]
    lacking = {trailer.trailer for trailer, _, _ in failures}
    rows = [trailer for trailer in trailers if trailer.trailer not in lacking]
    check_links(layout, rows)
    return Release(layout, list(pairs), rows, ledgers, failures, links, titles, genres)


def rows_of(layout: Layout, key: tuple[str, ...], known: set[str]) -> dict[str, LedgerRow]:
    """The rows of every ledger of one stage and variant; if two have a trailer, the row of the newer one."""
    folder = layout.ledger(key[0], "", *key[1:]).parent
    ledgers = sorted(folder.glob("*.tsv"), key=lambda path: path.stat().st_mtime)
    return {name: row for path in ledgers for name, row in read_ledger(path).items() if name in known}


def first_failure(
    trailer: Trailer, ledgers: dict[tuple[str, ...], dict[str, LedgerRow]]
) -> tuple[Trailer, str, LedgerRow] | None:
    """The first stage in which ``trailer`` is not ok, and its row; None if it is ok in all."""
    for key, rows in ledgers.items():
        row = rows.get(trailer.trailer)
        if row is None:
            return trailer, key[0], LedgerRow(trailer.trailer, SKIPPED, error="has not been processed")
        if row.status != OK:
            return trailer, key[0], row
    return None
