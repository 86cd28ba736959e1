"""The interface of all per-trailer stages.

A stage gets the results folder, its variant (the clip strategy, the backbone) and its settings. It defines which files
it makes for a trailer, the fingerprint that they must have to be up to date, and how they are made and checked.
Everything else is done once for all stages: ``shard`` decides what is made and writes the ledger, ``registry`` lists
the stages, and verify, status and report use that list.

    up to date   all products exist, are complete and have the fingerprint that the stage gives for the trailer
    outdated     complete, but made with other settings or from other inputs
    missing      at least one product does not exist
    damaged      a product cannot be read; it counts as missing and is made again
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from trailers.errors import StoreError, TrailerError
from trailers.machine.survival import Died, survive
from trailers.store.atomic import TEMPORARY
from trailers.store.layout import Layout
from trailers.store.ledger import OK, LedgerRow

HDF5 = ".h5"
PATIENCE_S = 60.0  # for reading the headers of one HDF5 file; the library can loop forever in damaged ones


@dataclass(frozen=True)
class Problem:
    """What is wrong with a product on disk, and how to repair it."""

    path: Path
    what: str
    remove: tuple[Path, ...] = ()  # files of the results to remove, so that the next run makes them again
    reruns: bool = True  # whether the trailer's shard has to run again
    touch: tuple[Path, ...] = ()  # files to keep, with the present time as their time of change


def own_files(folder: Path, pattern: str) -> list[Path]:
    """The finished files below ``folder`` that match ``pattern``, sorted."""
    return [path for path in sorted(folder.glob(pattern)) if not path.name.startswith(TEMPORARY)]


def check_owner(trailer: str, described: Mapping[str, Any], path: Path) -> None:
    """Raise StoreError unless the product at ``path``, with the attributes ``described``, belongs to ``trailer``."""
    if described.get("trailer") != trailer:
        remedy = "Remove it and rerun snakemake."
        raise StoreError(f"belongs to {described.get('trailer')}", where=path, remedy=remedy)


def crashing_files(stage: Stage, trailers: Iterable[str]) -> Iterator[tuple[str, Path, Died]]:
    """The HDF5 files among products and inputs of ``stage`` that crash or hang the process that opens them.

    They are opened in a child process; call this before threads are started.
    """
    files = [
        (trailer, path)
        for trailer in trailers
        for path in (*stage.inputs(trailer), *stage.products(trailer))
        if path.suffix == HDF5 and path.is_file()
    ]
    for (trailer, path), answer in survive(walk_hdf5, files, patience_s=PATIENCE_S):
        if isinstance(answer, Died):
            yield trailer, path, answer


def walk_hdf5(item: tuple[str, Path]) -> None:
    from trailers.store.hdf5 import walk

    walk(item[1])


class Work(Protocol):
    """The part of ``shard.ShardRun`` that a stage uses."""

    trailers: list[str]  # all trailers of the shard
    layout: Layout

    def starts(self, trailer: str) -> None:
        """Report that work on ``trailer`` begins; if the process hangs or dies, it is recorded as the cause."""

    def record(self, row: LedgerRow) -> None:
        """Record the outcome of a finished trailer."""

    def fail(self, trailer: str, problem: Exception) -> None:
        """Record that ``trailer`` failed. Raises ``problem`` if it would affect every other trailer too."""


class Stage(ABC):
    """One stage with one variant. Without settings, only ``products``, ``read`` and ``check`` can be used.

    Args:
        layout: the results folder.
        variant: a value for each of ``axes``.
        settings: options that change the products; None if they are only read and checked.
        effort: performance options, which do not change the products.
    """

    name: ClassVar[str]  # in messages and ledgers
    folder: ClassVar[str]  # of its products and ledgers, below results/ and results/ledger/
    schema: ClassVar[str]  # such as "shots/1"; its number increases when the same settings give different products
    axes: ClassVar[tuple[str, ...]] = ()  # properties that distinguish its variants: clips, backbone

    def __init__(self, layout: Layout, variant: Sequence[str] = (), settings: Any = None, effort: Any = None) -> None:
        if len(variant) != len(self.axes):
            raise ValueError(f"{self.name} has the axes {self.axes}, got the variant {tuple(variant)}")
        self.layout = layout
        self.variant = tuple(variant)
        self.settings = settings
        self.effort = effort

    @abstractmethod
    def products(self, trailer: str) -> tuple[Path, ...]:
        """The files made for ``trailer``, in the order in which they are written: if the last exists, all exist."""

    @abstractmethod
    def inputs(self, trailer: str) -> tuple[Path, ...]:
        """The products of other stages that ``make`` reads."""

    def variants(self, axes: Sequence[str]) -> list[tuple[str, ...]]:
        """The variants of a stage with these axes whose products this stage may read; empty if it has other axes."""
        own = dict(zip(self.axes, self.variant, strict=True))
        return [tuple(own[axis] for axis in axes)] if set(axes) <= set(own) else []

    def shared(self) -> tuple[Path, ...]:
        """Files in the folder of the products that do not belong to a trailer and are made elsewhere."""
        return ()

    def skips(self, trailer: str) -> str:  # noqa: ARG002  for stages that leave some trailers out
        """Why nothing is made for ``trailer``, or ""."""
        return ""

    @abstractmethod
    def fingerprint(self, trailer: str) -> str:
        """The fingerprint of an up-to-date product. Raises TrailerError if an input is missing or damaged."""

    @abstractmethod
    def read(self, trailer: str) -> LedgerRow:
        """The ledger row of the products on disk, also of outdated ones.

        Raises:
            StoreError: a product is missing or damaged, or belongs to another trailer; ``where`` is its path.
        """

    @abstractmethod
    def make(self, trailer: str) -> LedgerRow:
        """Make the products, in the order of ``products``.

        Raises:
            TrailerError: it failed. If ``dead`` is set, trying again cannot help.
        """

    def make_all(self, trailers: Sequence[str], work: Work) -> None:
        """Make the products of ``trailers``; a stage with batches across trailers overrides this."""
        for trailer in trailers:
            work.starts(trailer)
            try:
                work.record(self.make(trailer))
            except Exception as problem:  # noqa: BLE001  one trailer never stops the others; recorded with its cause
                work.fail(trailer, problem)

    def existing(self, trailer: str) -> LedgerRow | None:
        """The row of products that are up to date, otherwise None. Raises TrailerError for damaged products."""
        if not all(path.exists() for path in self.products(trailer)):
            return None
        row = self.read(trailer)
        return row if row.fingerprint == self.fingerprint(trailer) else None

    def stored_fingerprint(self, trailer: str) -> str:
        """The fingerprint in the products on disk. Raises StoreError as ``read`` does."""
        return self.read(trailer).fingerprint

    def check(self, trailer: str) -> None:
        """Read the products completely and compare them with each other and with their inputs.

        Raises:
            TrailerError: the first problem; ``where`` is the path of the product.
        """
        self.read(trailer)

    def check_digests(self, trailer: str) -> None:  # noqa: B027  most stages have no such files
        """Compare the sha256 of files that ``check`` does not read completely. Raises as ``check`` does."""

    def problems(self, trailer: str, *, deep: bool) -> Iterator[Problem]:
        """The problems of the products of ``trailer``.

        None if there are no products at all: only a ledger says whether there should be any.
        """
        products = self.products(trailer)
        there = [path for path in products if path.exists()]
        for path in products if there else ():
            if path not in there:
                yield Problem(path, f"is missing, but {there[0].name} exists")
                return
        if there:
            try:
                self.check(trailer)
                if deep:
                    self.check_digests(trailer)
            except TrailerError as problem:
                named = tuple(path for path in products if problem.where == str(path))
                yield Problem((named or products[-1:])[0], problem.what, named or products)

    def forget(self, trailer: str) -> None:  # noqa: B027  few stages remember what is dead
        """Remove the record that ``trailer`` is dead, so that the next run tries it again."""

    def suffix(self) -> str:
        """What follows the trailer's id in the name of the last product."""
        return self.products("x")[-1].name.removeprefix("x")

    def row(self, trailer: str, fingerprint: str, facts: dict[str, Any], path: Path | None = None) -> LedgerRow:
        """The row of a trailer that is ok; ``path`` is its main product, by default the last one."""
        main = path or self.products(trailer)[-1]
        return LedgerRow(trailer, OK, str(main.relative_to(self.layout.root)), fingerprint, facts)
