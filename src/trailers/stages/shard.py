"""Runs a per-trailer stage over a shard of trailers.

in   a shard list, the ledger of the previous stage
out  the products of every trailer, then the ledger of this stage

A trailer whose products are up to date is left alone, a trailer that fails never stops the others, and the ledger is
written last. ``kill -9`` costs only the trailer being processed.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trailers.domain import is_safe_id
from trailers.errors import ConfigError, DownloadError, StoreError, SystemicError, TrailerError
from trailers.machine import watchdog
from trailers.machine.progress import Progress
from trailers.machine.trouble import systemic
from trailers.stages.currency import differences, increase_attempts, withdraw
from trailers.stages.currency import read_attempts as read_attempts
from trailers.stages.stage import Stage, crashing_files
from trailers.store.atomic import remove
from trailers.store.layout import Layout
from trailers.store.ledger import DEAD, FAILED, OK, SKIPPED, LedgerRow, read_ledger, write_ledger
from trailers.store.shards import read_shard

log = logging.getLogger(__name__)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of every per-trailer stage: the trailers, and the paths of ledgers and results."""
    group = parser.add_argument_group("trailers")
    which = group.add_mutually_exclusive_group(required=True)
    which.add_argument("--shard", type=Path, metavar="LIST", help="shard list: one trailer ID per line")
    which.add_argument("--trailer", metavar="ID", help="a single trailer; no ledger is written")
    group.add_argument(
        "--upstream",
        type=Path,
        metavar="LEDGER",
        help="ledger of the previous stage; trailers that are not ok there are skipped",
    )
    group.add_argument("--ledger", type=Path, nargs="+", metavar="LEDGER", help="ledger to write (requires --shard)")
    group.add_argument("--results", type=Path, default=Path("results"), metavar="FOLDER", help="folder of all products")
    group.add_argument(
        "--max-failed-fraction",
        type=float,
        default=0.5,
        metavar="SHARE",
        help="fail the job if at least two trailers and more than this share of them fail temporarily; 0: if any fails",
    )
    group.add_argument(
        "--trailer-timeout-s",
        type=float,
        default=None,
        metavar="SECONDS",
        help="stop the job if it makes no progress (a frame, a window, a batch, some bytes) for this long; "
        "the next run records its trailer as failed",
    )


@dataclass
class ShardRun:
    """One run of one stage over one shard (or one trailer): the trailers and the outcome of each."""

    stage: str
    trailers: list[str]
    layout: Layout
    ledger: Path | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)  # trailer -> reason
    max_failed_fraction: float = 0.5
    timeout_s: float | None = None
    rows: dict[str, LedgerRow] = field(default_factory=dict)
    progress: Progress | None = None
    watchdog: watchdog.Watchdog | None = None

    @classmethod
    def from_flags(cls, stage: str, arguments: argparse.Namespace, *, ledger: Path | None = None) -> ShardRun:
        """The run for the flags of ``add_flags``; ``ledger`` overrides --ledger in a stage that writes several."""
        layout = Layout(arguments.results)
        if arguments.trailer is not None:
            if not is_safe_id(arguments.trailer):
                raise ConfigError(f"--trailer: {arguments.trailer!r} is not a trailer id. Give one from the manifest.")
            return cls(stage, [arguments.trailer], layout)
        if ledger is None and arguments.ledger:
            (ledger,) = arguments.ledger
        if ledger is None:
            raise ConfigError("--shard needs --ledger, the file to write the outcome of each trailer to.")
        upstream = read_ledger(arguments.upstream) if arguments.upstream else {}
        trailers = read_shard(arguments.shard)
        absent = [trailer for trailer in trailers if upstream and trailer not in upstream]
        if absent:
            raise StoreError(
                f"{arguments.upstream}: has no row for {absent[0]} of {arguments.shard}. Remove it and rerun snakemake."
            )
        skipped = {trailer: row.error for trailer, row in upstream.items() if row.status != OK}
        timeout_s = arguments.trailer_timeout_s
        return cls(stage, trailers, layout, ledger, skipped, arguments.max_failed_fraction, timeout_s)

    def to_make(self, existing: Callable[[str], LedgerRow | None], stage: Stage | None = None) -> list[str]:
        """The trailers to make; the outcome of all others is recorded.

        Args:
            existing: gives the row of a trailer whose products are up to date, otherwise None. A trailer with
                damaged products is made again.
            stage: the stage that will make the products. Ledgers that list old products of these trailers are
                removed, and a trailer fails if an input is not the one in the ledgers of this shard.
        """
        work = []
        open_ones = [trailer for trailer in self.trailers if trailer not in self.rows and trailer not in self.skipped]
        differing = differences(stage, self.ledger, open_ones) if stage and self.ledger else {}
        for trailer in self.trailers:
            if trailer in self.rows:
                continue
            if trailer in self.skipped:
                self.rows[trailer] = LedgerRow(trailer, SKIPPED, error=self.skipped[trailer])
                continue
            if trailer in differing:
                self.fail(trailer, differing[trailer])
                continue
            try:
                row = existing(trailer)
            except TrailerError as problem:
                log.info("%s: %s will be made again: %s", self.stage, trailer, problem)
                row = None
            if row is None:
                work.append(trailer)
            else:
                self.rows[trailer] = row
        current = sum(row.status == OK for row in self.rows.values())
        log.info("%s: %d trailers: %d up to date, %d to make", self.stage, len(self.trailers), current, len(work))
        if stage is not None:
            withdraw(stage, work, self.ledger)
        self.progress = Progress(self.stage, len(work), up_to_date=len(self.trailers) - len(work), note=self.place())
        return self.watched(work)

    def watched(self, work: list[str]) -> list[str]:
        """Start the watchdog over ``work``, without the trailer that ended the previous run."""
        if self.ledger is None or self.timeout_s is None or not work:
            return work
        note = self.beside_ledger("hung")
        trailer, words = watchdog.take_note(note)
        if trailer in work:
            work.remove(trailer)
            self.fail(trailer, TrailerError(words, reason="ended its job"))
        if work:
            self.watchdog = watchdog.start(note, self.stage, self.timeout_s)
        return work

    def remove_crashing_files(self, stage: Stage) -> None:
        """Find, in another process, the HDF5 files that would crash or hang this one.

        Such a product of this stage is removed, so that it is made again; an input makes its trailer fail.
        """
        for trailer, path, died in crashing_files(stage, [name for name in self.trailers if name not in self.skipped]):
            words = f"is damaged: reading it {died.words}"
            if path in stage.products(trailer):
                log.warning("%s: %s: %s %s. It will be made again.", self.stage, trailer, path, words)
                remove(path, below=self.layout.root)
            elif trailer not in self.rows:
                remedy = "Remove it with `python -m trailers verify --repair` and rerun snakemake."
                self.fail(trailer, StoreError(words, where=path, remedy=remedy))

    def starts(self, trailer: str) -> None:
        """Tell the watchdog that work on ``trailer`` begins; a stage without ``attempt`` calls this itself."""
        if self.watchdog is not None:
            self.watchdog.starts(trailer)

    def beside_ledger(self, folder: str) -> Path:
        """results/<folder>/<stage>/.../<shard>, for other data about this shard than the ledger."""
        assert self.ledger is not None
        return self.layout.root / folder / self.ledger.with_suffix("").relative_to(self.layout.root / "ledger")

    def place(self) -> tuple[str, ...] | None:
        """Stage, variant and shard, from the path of the ledger; None if it is not in the results."""
        folder = self.layout.root / "ledger"
        if self.ledger is None or not self.ledger.is_relative_to(folder):
            return None
        return self.ledger.with_suffix("").relative_to(folder).parts

    def attempt(self, trailer: str, make: Callable[[str], LedgerRow]) -> None:
        """Run ``make`` for one trailer and record its row, or its failure."""
        self.starts(trailer)
        try:
            self.record(make(trailer))
        except Exception as problem:  # noqa: BLE001  one trailer never stops the others; recorded with its cause
            self.fail(trailer, problem)

    def record(self, row: LedgerRow) -> None:
        self.rows[row.trailer] = row
        if self.watchdog is not None:
            self.watchdog.ends(row.trailer)
        if self.progress is not None:
            words = row.error or ", ".join(f"{key} {value}" for key, value in row.facts.items())
            self.progress.step(row.trailer, words if row.status == OK else f"{row.status}: {words}")

    def fail(self, trailer: str, problem: Exception) -> None:
        """Record that ``trailer`` failed. Raises ``problem`` if it would affect every other trailer too."""
        if isinstance(problem, SystemicError):
            raise problem
        found = systemic(problem, self.layout.root) if isinstance(problem, OSError) else None
        if found is not None:
            log.info("%s: %s: %s", self.stage, trailer, problem)
            raise found from problem
        if self.ledger is None:
            raise problem
        if not isinstance(problem, TrailerError):
            log.error("%s: %s: unexpected error", self.stage, trailer, exc_info=problem)
        status = DEAD if isinstance(problem, TrailerError) and problem.dead else FAILED
        words = str(problem) if isinstance(problem, TrailerError) else f"unexpected {type(problem).__name__}: {problem}"
        # For an unexpected error only its class, because its message contains paths and numbers.
        reason = problem.reason if isinstance(problem, TrailerError) else f"unexpected {type(problem).__name__}"
        facts = {"reason": reason}
        if isinstance(problem, DownloadError):
            facts["sentence"] = problem.sentence
        self.record(LedgerRow(trailer, status, facts=facts, error=f"{self.stage}: {words}"))

    def close(self) -> None:
        """Stop the progress and the watchdog; ``finish`` calls this too."""
        if self.progress is not None:
            self.progress.close()
        if self.watchdog is not None:
            self.watchdog.close()
            self.watchdog = None

    def finish(self) -> None:
        """Write the ledger.

        Raises:
            SystemicError: too many trailers failed. No ledger is written; finished products are kept.
        """
        self.close()
        if self.ledger is None:
            return
        rows = [self.with_product(self.rows[trailer]) for trailer in self.trailers]
        failed = [row for row in rows if row.status == FAILED]
        tried = sum(row.status != SKIPPED for row in rows)
        # A single failure says nothing about the cause: a shard may have only one trailer to make, as with posters.
        allowed = max(self.max_failed_fraction * tried, 1) if self.max_failed_fraction else 0
        if len(failed) > allowed:
            raise SystemicError(
                f"{self.stage}: {len(failed)} of {tried} trailers failed, more than max_failed_fraction "
                f"{self.max_failed_fraction:g} allows. The first: {failed[0].error.rstrip('.')}. Fix the "
                "cause and rerun; finished products are kept."
            )
        if failed:
            self.count_attempt()
        write_ledger(self.ledger, rows)
        counts = {status: sum(row.status == status for row in rows) for status in (OK, DEAD, FAILED, SKIPPED)}
        log.info("%s: %s", self.stage, ", ".join(f"{count} {status}" for status, count in counts.items()))

    def with_product(self, row: LedgerRow) -> LedgerRow:
        """``row``, or a failure if its product was removed meanwhile: a ledger must not list missing products."""
        if row.status != OK or not row.path or (self.layout.root / row.path).exists():
            return row
        words = f"{self.stage}: {self.layout.root / row.path}: was removed while the stage ran. Rerun the stage."
        return LedgerRow(row.trailer, FAILED, facts={"reason": "product removed"}, error=words)

    def count_attempt(self) -> None:
        """Make Snakemake run this shard again, through a parameter of the rule."""
        increase_attempts(self.beside_ledger("attempts"))


def run_stage(stage: Stage, arguments: argparse.Namespace) -> None:
    """Bring the products of one stage up to date, for the shard or trailer in ``arguments``."""
    work = ShardRun.from_flags(stage.name, arguments)
    work.skipped = {**{trailer: why for trailer in work.trailers if (why := stage.skips(trailer))}, **work.skipped}
    work.remove_crashing_files(stage)
    try:
        stage.make_all(work.to_make(stage.existing, stage), work)
        work.finish()
    finally:
        work.close()
