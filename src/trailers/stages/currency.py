"""Ledgers tell the truth: each speaks of the products that are on disk, whoever makes these anew.

Products belong to a trailer, ledgers to a shard of one manifest, one shard size and one configuration. Where
another of these has a product made anew, the ledgers of the first still stand, and Snakemake finds nothing to do.
So a run withdraws every ledger that speaks of a product before it replaces it, and whoever reads a product
compares its fingerprint with what the ledger says.

    withdraw   the ledger is removed, and its shard counts one attempt more: Snakemake runs it again when it is asked
               for. Before the product is replaced, so that a killed run leaves no ledger that is wrong.
    compare    what the products read carry, and what the ledgers of the same shard say they carry
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trailers.errors import StoreError, TrailerError
from trailers.stages import registry
from trailers.stages.stage import Stage
from trailers.store.atomic import TEMPORARY, remove, write_text
from trailers.store.layout import Layout
from trailers.store.ledger import OK, LedgerRow, check_carried, read_ledger

log = logging.getLogger(__name__)


def withdraw(stage: Stage, trailers: Sequence[str], own: Path | None) -> None:
    """Remove the ledgers that speak of products of ``trailers`` which are about to be replaced by others.

    Args:
        stage: makes the new ones.
        trailers: those whose products are not up to date.
        own: the ledger that this run writes at its end, which needs no further attempt.
    """
    wanted = dict(to_be_replaced(stage, trailers))
    for path in ledgers_of(stage) if wanted else ():
        try:
            rows = read_ledger(path)
        except StoreError:
            continue  # removed by another job, or damaged: nobody takes it for true
        if any(is_claimed(rows.get(trailer), fingerprint) for trailer, fingerprint in wanted.items()):
            if own is None or path.absolute() != own.absolute():
                ask_again(path, stage.layout)
                log.info("%s: removed %s, because products that it lists will be made again", stage.name, path)
            remove(path, below=stage.layout.root)


def to_be_replaced(stage: Stage, trailers: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Those of which some product is there, and the fingerprint that it will carry."""
    for trailer in trailers:
        if any(path.exists() for path in stage.products(trailer)):
            try:
                yield trailer, stage.fingerprint(trailer)
            except TrailerError:
                continue  # making it fails for the same reason, and replaces nothing


def is_claimed(row: LedgerRow | None, fingerprint: str) -> bool:
    return row is not None and row.status == OK and row.fingerprint not in ("", fingerprint)


def ledgers_of(stage: Stage) -> list[Path]:
    folder = stage.layout.ledger(stage.folder, "x", *stage.variant).parent
    return sorted(path for path in folder.glob("*.tsv") if not path.name.startswith(TEMPORARY))


@dataclass(frozen=True)
class Source:
    """A stage whose products another one reads, and what its ledger says of them."""

    stage: Stage
    ledger: Path
    rows: Mapping[str, LedgerRow]

    def difference(self, trailer: str) -> StoreError | None:
        """What is wrong where the product is another than the ledger says; None where it is the same, or not there."""
        row = self.rows.get(trailer)
        if row is None or row.status != OK:
            return None
        try:
            carried = self.stage.carried(trailer)
        except TrailerError:
            return None  # missing or damaged: told where it is read
        try:
            check_carried(row, carried, self.stage.products(trailer)[-1], self.ledger)
        except StoreError as problem:
            return problem
        return None


def sources_of(stage: Stage, shard: str) -> list[Source]:
    """The stages whose products ``stage`` reads, with the ledgers of the same shard where they are there."""
    found = []
    for entry in registry.STAGES:
        for variant in stage.variants(entry.axes):
            source = entry.on_disk(stage.layout, variant)
            ledger = stage.layout.ledger(entry.ledgers, shard, *variant)
            if set(source.products("x")) & set(stage.inputs("x")) and ledger.exists():
                found.append(Source(source, ledger, read_ledger(ledger)))
    return found


def differences(stage: Stage, ledger: Path, trailers: Iterable[str]) -> dict[str, StoreError]:
    """Trailer -> why what the stage would read of it is not what the ledgers of the same shard say.

    Counts one attempt more for the shard of each stage that has to make something again.
    """
    found: dict[str, StoreError] = {}
    sources = sources_of(stage, ledger.stem)
    outdated = set()
    for trailer in trailers:
        for source in sources:
            problem = source.difference(trailer)
            if problem is not None:
                found.setdefault(trailer, problem)
                outdated.add(source.ledger)
    for path in sorted(outdated):
        ask_again(path, stage.layout)
    return found


def ask_again(ledger: Path, layout: Layout) -> None:
    """Have Snakemake run the shard of ``ledger`` again; a ledger from elsewhere has none."""
    if ledger.is_relative_to(layout.root / "ledger"):
        bump(layout.root / "attempts" / ledger.with_suffix("").relative_to(layout.root / "ledger"))


def bump(attempts: Path) -> None:
    """Add one to the count in ``attempts``; a count that differs makes Snakemake run the shard again."""
    write_text(attempts, f"{read_attempts(attempts) + 1}\n")


def read_attempts(attempts: Path) -> int:
    try:
        return int(attempts.read_text())
    except (FileNotFoundError, ValueError):
        return 0
