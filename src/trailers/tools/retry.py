"""Let the next `snakemake` run try failed trailers again; with --dead, dead ones too.

in   the ledgers of all stages
out  results/attempts/...: the number of attempts, increased for each shard that contains such trailers
     with --dead: receipts of dead trailers are removed, so that their links are tried again

Every run tries failed trailers again anyway; this command is needed for dead trailers.
"""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from trailers.errors import ConfigError, StoreError
from trailers.stages import registry
from trailers.stages.currency import increase_attempts
from trailers.store.atomic import TEMPORARY
from trailers.store.layout import Layout
from trailers.store.ledger import DEAD, FAILED, read_ledger

log = logging.getLogger(__name__)


def request_attempts(layout: Layout, *, dead: bool) -> Counter[str]:
    """Counts an attempt for every shard with trailers to try again; returns stage and status -> number of trailers.

    Raises:
        StoreError: a ledger is damaged.
    """
    counts: Counter[str] = Counter()
    wanted = {FAILED, DEAD} if dead else {FAILED}
    for path in sorted((layout.root / "ledger").rglob("*.tsv")):
        if path.name.startswith(TEMPORARY):
            continue
        below = path.relative_to(layout.root / "ledger").with_suffix("")
        rows = [row for row in read_ledger(path).values() if row.status in wanted]
        key = below.parts[:-1]
        counts.update(f"{row.status} in {' '.join(key)}" for row in rows)
        forget(layout, key, [row.trailer for row in rows if row.status == DEAD])
        if rows:
            increase_attempts(layout.root / "attempts" / below)
    return counts


def forget(layout: Layout, key: registry.Key, trailers: Sequence[str]) -> None:
    """Removes what the stage has recorded about dead ``trailers``."""
    entry = registry.find(key)
    if entry is None:
        return
    stage = entry.on_disk(layout, key[1:])
    for trailer in trailers:
        try:
            stage.forget(trailer)
        except StoreError as problem:
            log.info("retry: %s", problem)


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dead",
        action="store_true",
        help="also trailers that are removed, private or not a video, and titles whose search found nothing",
    )
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="FOLDER", help="folder of all products"
    )


def run(arguments: argparse.Namespace) -> None:
    layout = Layout(arguments.results)
    if not layout.root.is_dir():
        raise ConfigError(f"{layout.root}: does not exist. Give the results folder with --results.")
    counts = request_attempts(layout, dead=arguments.dead)
    for what, count in sorted(counts.items()):
        print(f"{count:,} {what}")
    is_search = [what.endswith(" in search") for what in counts]
    targets = [*(["snakemake search"] if any(is_search) else []), *(["snakemake"] if not all(is_search) else [])]
    print(f"Rerun {' and '.join(targets)} to try them again." if counts else "There is nothing to try again.")
