"""The contract of every stage that makes something of each trailer.

A stage is told where the results are, which variant it is (the clip strategy, the backbone) and its
settings. It says which files it makes of a trailer, what they must carry to be up to date, and how to
make and check them. Everything else is done once for all stages: ``shard`` decides what is made and
writes the ledger, ``registry`` lists the stages, and verify, status and report ask that list.

    up to date   every product is there, whole, and carries the stage's fingerprint of the trailer
    outdated     whole, but made with other settings or from other inputs
    missing      at least one product is not there
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
PATIENCE_S = 60.0  # for the headers of one HDF5 file: damaged ones can make the library search for ever


@dataclass(frozen=True)
class Problem:
    """What is wrong with a product on disk, and what repairs it."""

    path: Path
    what: str
    remove: tuple[Path, ...] = ()  # files of the project's own that go, so that the next run makes them again
    reruns: bool = True  # whether the trailer's shard has to run again
    touch: tuple[Path, ...] = ()  # files that stay and get the time of now


def own_files(folder: Path, pattern: str) -> list[Path]:
    """The finished files below ``folder`` that match ``pattern``, sorted."""
    return [path for path in sorted(folder.glob(pattern)) if not path.name.startswith(TEMPORARY)]


def check_owner(trailer: str, described: Mapping[str, Any], path: Path) -> None:
    """Raises StoreError unless the product at ``path``, which says ``described`` of itself, is ``trailer``'s."""
    if described.get("trailer") != trailer:
        remedy = "Remove it and rerun snakemake."
        raise StoreError(f"belongs to {described.get('trailer')}", where=path, remedy=remedy)


def deadly_files(stage: Stage, trailers: Iterable[str]) -> Iterator[tuple[str, Path, Died]]:
    """The HDF5 files that end or hang the process that opens them, of the stage's products and what it reads.

    They are opened in a child; call it before threads are started.
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
    """The loop over a shard, as a stage sees it."""

    trailers: list[str]  # all of the shard
    layout: Layout

    def starts(self, trailer: str) -> None:
        """Work on ``trailer`` begins now; if the process hangs or dies, it is this trailer that is recorded."""

    def record(self, row: LedgerRow) -> None:
        """``trailer`` is done."""

    def fail(self, trailer: str, problem: Exception) -> None:
        """``trailer`` came to nothing. Raises what would stop every other trailer too."""


class Stage(ABC):
    """One stage on one variant. Without settings it can only be looked at: products, read and check.

    Args:
        layout: the results folder.
        variant: a value for each of ``axes``.
        settings: options that change the products; None for a stage that is only looked at.
        effort: performance options, which do not change them.
    """

    name: ClassVar[str]  # in messages and ledgers
    folder: ClassVar[str]  # of its products and ledgers, below results/ and results/ledger/
    schema: ClassVar[str]  # such as "shots/1"; the number grows when the same settings give other products
    axes: ClassVar[tuple[str, ...]] = ()  # what its variants are named for: clips, backbone

    def __init__(self, layout: Layout, variant: Sequence[str] = (), settings: Any = None, effort: Any = None) -> None:
        if len(variant) != len(self.axes):
            raise ValueError(f"{self.name} has the axes {self.axes}, got the variant {tuple(variant)}")
        self.layout = layout
        self.variant = tuple(variant)
        self.settings = settings
        self.effort = effort

    @abstractmethod
    def products(self, trailer: str) -> tuple[Path, ...]:
        """The files made of ``trailer``, in the order in which they appear: with the last one there, all are."""

    @abstractmethod
    def inputs(self, trailer: str) -> tuple[Path, ...]:
        """The products of other stages that ``make`` reads."""

    def variants(self, axes: Sequence[str]) -> list[tuple[str, ...]]:
        """The variants of a stage with these axes whose products this one may read; none where it has other axes."""
        own = dict(zip(self.axes, self.variant, strict=True))
        return [tuple(own[axis] for axis in axes)] if set(axes) <= set(own) else []

    def shared(self) -> tuple[Path, ...]:
        """Files in the folder of its products that are of no single trailer and made elsewhere."""
        return ()

    def skips(self, trailer: str) -> str:  # noqa: ARG002  for stages that leave some trailers out
        """Why there is nothing to make of ``trailer``; empty where there is."""
        return ""

    @abstractmethod
    def fingerprint(self, trailer: str) -> str:
        """What a product must carry to be up to date. Raises TrailerError where an input is missing or damaged."""

    @abstractmethod
    def read(self, trailer: str) -> LedgerRow:
        """The ledger row of the products on disk, whatever settings made them.

        Raises:
            StoreError: one is missing, damaged, or another trailer's; ``where`` is its path.
        """

    @abstractmethod
    def make(self, trailer: str) -> LedgerRow:
        """Make the products, in the order of ``products``.

        Raises:
            TrailerError: it failed; If ``dead`` is set, trying again cannot help.
        """

    def make_all(self, trailers: Sequence[str], work: Work) -> None:
        """Make the products of ``trailers``; a stage whose batches run across trailers has its own."""
        for trailer in trailers:
            work.starts(trailer)
            try:
                work.record(self.make(trailer))
            except Exception as problem:  # noqa: BLE001  one trailer never stops the others; recorded with its cause
                work.fail(trailer, problem)

    def existing(self, trailer: str) -> LedgerRow | None:
        """The row of products that are up to date, else None. Raises TrailerError for those that are damaged."""
        if not all(path.exists() for path in self.products(trailer)):
            return None
        row = self.read(trailer)
        return row if row.fingerprint == self.fingerprint(trailer) else None

    def carried(self, trailer: str) -> str:
        """The fingerprint that the products on disk carry. Raises StoreError as ``read`` does."""
        return self.read(trailer).fingerprint

    def check(self, trailer: str) -> None:
        """Read the products whole and compare them with each other and with what they were made from.

        Raises:
            TrailerError: the first thing that is wrong; ``where`` is the path of the product it is about.
        """
        self.read(trailer)

    def check_digests(self, trailer: str) -> None:  # noqa: B027  most stages have no such files
        """Compare the sha256 of files that ``check`` does not read whole. Raises as ``check`` does."""

    def problems(self, trailer: str, *, deep: bool) -> Iterator[Problem]:
        """What is wrong with the products of ``trailer``.

        Nothing is where there are no products at all: only a ledger says that there should be some.
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
        """Forget that ``trailer`` is dead, so that the next run tries it again."""

    def suffix(self) -> str:
        """What stands after the trailer's id in the name of the product that appears last."""
        return self.products("x")[-1].name.removeprefix("x")

    def row(self, trailer: str, fingerprint: str, facts: dict[str, Any], path: Path | None = None) -> LedgerRow:
        """The row of a trailer that is ok; ``path`` is its main product, the last one unless given."""
        main = path or self.products(trailer)[-1]
        return LedgerRow(trailer, OK, str(main.relative_to(self.layout.root)), fingerprint, facts)
