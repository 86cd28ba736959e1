"""A stage that only writes a line of text per trailer. Shards, ledgers and failures are the real ones.

The rules of bench.scale call it instead of `python`, with the arguments of the real command:

    -m trailers shots --shard L --upstream U --ledger O ...
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from trailers.bench.website import BUSY, DEAD, fate_of
from trailers.stages import shard
from trailers.stages.currency import read_attempts
from trailers.store.atomic import write_text
from trailers.store.ledger import OK, LedgerRow
from trailers.store.manifest import read_manifest
from trailers.web.reasons import LinkError


def main(words: Sequence[str]) -> None:
    stage, flags = words[2], words[3:]
    parser = argparse.ArgumentParser(allow_abbrev=False)
    if stage == "report":
        parser.add_argument("--output", type=Path)
        write_text(parser.parse_known_args(flags)[0].output, "stand-in\n")
        return
    shard.add_flags(parser)
    parser.add_argument("--manifest", type=Path)
    parser.add_argument("--clips")
    arguments, _ = parser.parse_known_args(flags)
    if stage == "embed":  # finds the ledgers of clips without a flag, because it may read several
        arguments.upstream = Path("results/ledger/clips", arguments.clips, arguments.shard.name).with_suffix(".tsv")
    work = shard.ShardRun.from_flags(stage, arguments)
    trailers = read_manifest(arguments.manifest, genres=None) if arguments.manifest else []
    maker = Maker(work, {trailer.trailer: trailer.urls[0] for trailer in trailers})
    for trailer in work.to_make(maker.existing):
        work.attempt(trailer, maker.make)
    work.finish()


class Maker:
    """The two functions that a shard run needs: ``existing`` finds an up-to-date product, ``make`` makes it."""

    def __init__(self, work: shard.ShardRun, links: Mapping[str, str]) -> None:
        self.work = work
        self.links = links
        self.is_first_run = work.ledger is None or not read_attempts(work.beside_ledger("attempts"))

    def path(self, trailer: str) -> Path:
        return self.work.layout.root / self.work.stage / f"{trailer}.txt"

    def existing(self, trailer: str) -> LedgerRow | None:
        return self.row(trailer) if self.path(trailer).exists() else None

    def make(self, trailer: str) -> LedgerRow:
        fate = fate_of(self.links[trailer]) if trailer in self.links else ""
        if fate == DEAD:
            raise LinkError("not found", "a stand-in")
        if fate == BUSY[0] and self.is_first_run:
            raise LinkError("network", "a stand-in")
        path = self.path(trailer)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("stand-in\n")
        return self.row(trailer)

    def row(self, trailer: str) -> LedgerRow:
        path = self.path(trailer).relative_to(self.work.layout.root)
        return LedgerRow(trailer, OK, str(path), "0" * 16, {"frames": 2931})


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main(sys.argv[1:])
