"""Keeps ledgers in agreement with the products on disk when several runs make the same products.

A product belongs to a trailer, a ledger to a shard of one manifest, shard size and configuration. If a run with
another manifest or configuration makes a product again, the ledgers of the first run would still list the old
product, and Snakemake would find nothing to do. Therefore:

    withdraw   before a run replaces a product, it removes every ledger that lists the old one and increases the
               attempts of that shard, so that Snakemake runs it again. Because this happens before the product is
               replaced, a killed run leaves no wrong ledger.
    compare    a stage compares the fingerprint of every product that it reads with the ledger of the same shard
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trailers.domain import Trailer
from trailers.errors import ManifestError, StoreError, TrailerError
from trailers.stages import registry
from trailers.stages.stage import Stage
from trailers.store.atomic import TEMPORARY, remove, write_text
from trailers.store.layout import Layout
from trailers.store.ledger import OK, LedgerRow, check_fingerprint, read_ledger
from trailers.store.receipt import read_receipt
from trailers.store.text import first_few
from trailers.web.links import web_link

log = logging.getLogger(__name__)


def withdraw(stage: Stage, trailers: Sequence[str], own: Path | None) -> None:
    """Remove the ledgers that list products of ``trailers`` which this run is about to replace.

    Args:
        stage: the stage that makes the new products.
        trailers: the trailers whose products are not up to date.
        own: the ledger that this run writes at its end; its attempts are not increased.
    """
    wanted = dict(to_be_replaced(stage, trailers))
    for path in ledgers_of(stage) if wanted else ():
        try:
            rows = read_ledger(path)
        except StoreError:
            continue  # removed by another job, or damaged, so that nobody uses it
        if any(is_claimed(rows.get(trailer), fingerprint) for trailer, fingerprint in wanted.items()):
            if own is None or path.absolute() != own.absolute():
                request_rerun(path, stage.layout)
                log.info("%s: removed %s, because products that it lists will be made again", stage.name, path)
            remove(path, below=stage.layout.root)


def to_be_replaced(stage: Stage, trailers: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The trailers that have a product on disk, and the fingerprint that the new product will have."""
    for trailer in trailers:
        if any(path.exists() for path in stage.products(trailer)):
            try:
                yield trailer, stage.fingerprint(trailer)
            except TrailerError:
                continue  # making the product fails for the same reason, and replaces nothing


def is_claimed(row: LedgerRow | None, fingerprint: str) -> bool:
    return row is not None and row.status == OK and row.fingerprint not in ("", fingerprint)


def ledgers_of(stage: Stage) -> list[Path]:
    folder = stage.layout.ledger(stage.folder, "x", *stage.variant).parent
    return sorted(path for path in folder.glob("*.tsv") if not path.name.startswith(TEMPORARY))


@dataclass(frozen=True)
class Source:
    """A stage whose products another stage reads, and the rows of its ledger."""

    stage: Stage
    ledger: Path
    rows: Mapping[str, LedgerRow]

    def difference(self, trailer: str) -> StoreError | None:
        """The error if the product on disk is not the one in the ledger; None if it is, or if it cannot be read."""
        row = self.rows.get(trailer)
        if row is None or row.status != OK:
            return None
        try:
            stored = self.stage.stored_fingerprint(trailer)
        except TrailerError:
            return None  # missing or damaged; reported by the stage that reads it
        try:
            check_fingerprint(row, stored, self.stage.products(trailer)[-1], self.ledger)
        except StoreError as problem:
            return problem
        return None


def embeddings_of(layout: Layout, clips: str, backbone: str) -> Stage:
    """The embed stage of one clip strategy and one backbone, to read its products."""
    entry = registry.find(("embed", clips, backbone))
    assert entry is not None
    return entry.on_disk(layout, (clips, backbone))


def refuse_replaced(stage: Stage, ledgers: Mapping[Path, Mapping[str, LedgerRow]]) -> None:
    """Raise StoreError if a product is not the one in its ledger; the next run then runs its shard again."""
    first: StoreError | None = None
    for path, rows in ledgers.items():
        source = Source(stage, path, rows)
        found = next((problem for trailer in rows if (problem := source.difference(trailer))), None)
        if found is not None:
            with contextlib.suppress(OSError):  # a reader without write permission gets the error below all the same
                request_rerun(path, stage.layout)
        first = first or found
    if first is not None:
        raise first


def check_listed(stage: Stage, trailers: Iterable[str], command: str) -> None:
    """Compare the products of ``trailers`` with all ledgers of ``stage``; warn of those that no ledger lists.

    Raises:
        StoreError: a product is not the one in its ledger, or a ledger is damaged.
    """
    wanted = set(trailers)
    ledgers = {
        path: {trailer: row for trailer, row in read_ledger(path).items() if trailer in wanted}
        for path in ledgers_of(stage)
    }
    refuse_replaced(stage, ledgers)
    listed = {trailer for rows in ledgers.values() for trailer, row in rows.items() if row.status == OK}
    alone = sorted(wanted - listed)
    if alone:
        log.warning(
            "%s: no ledger of the %s stage lists %s: either they were made one by one, or another run was interrupted "
            "while it replaced them. In the latter case, rerun snakemake first.",
            command, stage.name, first_few(alone),
        )  # fmt: skip


def requested(text: str) -> str:
    """The link that the download stage requests for ``text``, or ``text`` if it is a file or no longer allowed."""
    try:
        return web_link(text) or text
    except ManifestError:
        return text


def check_links(layout: Layout, trailers: Iterable[Trailer]) -> None:
    """Raise StoreError if a trailer's video is from a link that its row in the manifest does not have."""
    for trailer in trailers:
        path = layout.receipt(trailer.trailer)
        if not trailer.urls or not path.exists():
            continue
        url = str(read_receipt(path).facts.get("url", ""))
        if url and requested(url) not in map(requested, trailer.urls):
            raise StoreError(
                f"is from {url}, which is not a link of {trailer.trailer} in the manifest: a run with another manifest "
                "downloaded it", where=path, remedy="Rerun snakemake with this manifest.",
            )  # fmt: skip


def sources_of(stage: Stage, shard: str) -> list[Source]:
    """The stages whose products ``stage`` reads, with the ledgers of the same shard, if these exist."""
    found = []
    for entry in registry.STAGES:
        for variant in stage.variants(entry.axes):
            source = entry.on_disk(stage.layout, variant)
            ledger = stage.layout.ledger(entry.ledgers, shard, *variant)
            if set(source.products("x")) & set(stage.inputs("x")) and ledger.exists():
                found.append(Source(source, ledger, read_ledger(ledger)))
    return found


def differences(stage: Stage, ledger: Path, trailers: Iterable[str]) -> dict[str, StoreError]:
    """Trailer -> error, if a product that ``stage`` reads is not the one in the ledger of the same shard.

    Increases the attempts of the shard in each stage that has to make such a product again.
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
        request_rerun(path, stage.layout)
    return found


def request_rerun(ledger: Path, layout: Layout) -> None:
    """Make Snakemake run the shard of ``ledger`` again, if it is a ledger in ``layout``."""
    if ledger.is_relative_to(layout.root / "ledger"):
        increase_attempts(layout.root / "attempts" / ledger.with_suffix("").relative_to(layout.root / "ledger"))


def increase_attempts(attempts: Path) -> None:
    """Increase the count in the file ``attempts``; Snakemake runs the shard again when the count has changed."""
    write_text(attempts, f"{read_attempts(attempts) + 1}\n")


def read_attempts(attempts: Path) -> int:
    try:
        return int(attempts.read_text())
    except (FileNotFoundError, ValueError):
        return 0
