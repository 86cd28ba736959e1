"""Ledgers always agree with the products, in any sequence of runs with other settings, shard sizes and manifests."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from pathlib import Path

import pytest

from trailers.errors import StoreError, SystemicError
from trailers.stages import registry
from trailers.stages.currency import read_attempts
from trailers.stages.registry import Entry
from trailers.stages.shard import ShardRun, run_stage
from trailers.stages.stage import Stage
from trailers.store.fingerprint import fingerprint
from trailers.store.layout import Layout
from trailers.store.ledger import FAILED, OK, LedgerRow, read_ledger, write_ledger
from trailers.store.shards import make_shards

KILLED: set[str] = set()  # trailers on which the process dies, after its product is written


class Killed(BaseException):
    """Like kill -9: nothing catches it."""


class Text(Stage):
    """A stage whose product is one line, its fingerprint."""

    def path(self, trailer: str) -> Path:
        return self.layout.root / self.folder / f"{trailer}.txt"

    def products(self, trailer: str) -> tuple[Path, ...]:
        return (self.path(trailer),)

    def read(self, trailer: str) -> LedgerRow:
        if not self.path(trailer).exists():
            raise StoreError("does not exist", where=self.path(trailer))
        return self.row(trailer, self.path(trailer).read_text(), {})

    def make(self, trailer: str) -> LedgerRow:
        self.path(trailer).parent.mkdir(parents=True, exist_ok=True)
        self.path(trailer).write_text(self.fingerprint(trailer))
        if f"{self.name} {trailer}" in KILLED:
            raise Killed
        return self.read(trailer)


class First(Text):
    name, folder, schema = "first", "first", "first/1"
    links: Mapping[str, str]

    def inputs(self, trailer: str) -> tuple[Path, ...]:
        return ()

    def fingerprint(self, trailer: str) -> str:
        return fingerprint(self.schema, self.settings, self.links[trailer])


class Second(Text):
    name, folder, schema = "second", "second", "second/1"

    def source(self, trailer: str) -> Path:
        return self.layout.root / "first" / f"{trailer}.txt"

    def inputs(self, trailer: str) -> tuple[Path, ...]:
        return (self.source(trailer),)

    def fingerprint(self, trailer: str) -> str:
        return fingerprint(self.schema, self.settings, self.source(trailer).read_text())


@dataclasses.dataclass(frozen=True)
class Request:
    """What one run of Snakemake is request to make."""

    links: tuple[tuple[str, str], ...]
    size: int = 2
    first: str = "default"
    second: str = "default"

    @property
    def shards(self) -> dict[str, tuple[str, ...]]:
        return make_shards([trailer for trailer, _ in self.links], size=self.size)


@dataclasses.dataclass
class Folder:
    """A results folder, and what Snakemake records of each ledger's job: parameters and input."""

    layout: Layout
    remembered: dict[Path, tuple[object, ...]] = dataclasses.field(default_factory=dict)

    def run(self, request: Request) -> list[str]:
        """Run every job that Snakemake would run; returns their names."""
        ran = []
        for shard, members in request.shards.items():
            path = self.layout.shard(shard)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(members) + "\n")
        # Snakemake reads all attempts before the first job starts.
        attempts = {
            (folder, shard): read_attempts(self.layout.attempts(folder, shard))
            for folder in ("first", "second") for shard in request.shards
        }  # fmt: skip
        for folder in ("first", "second"):
            for shard in request.shards:
                ledger, upstream = self.layout.ledger(folder, shard), self.layout.ledger("first", shard)
                settings = (request.first, request.links) if folder == "first" else (request.second,)
                known = (settings, attempts[folder, shard], folder == "first" or upstream.read_text())
                if ledger.exists() and self.remembered.get(ledger) == known:
                    continue
                ledger.unlink(missing_ok=True)  # Snakemake does this before a job
                self.job(request, folder, shard)
                self.remembered[ledger] = known
                ran.append(f"{folder} {shard[:5]}")
        return ran

    def job(self, request: Request, folder: str, shard: str) -> None:
        stage = First(self.layout, (), {"x": request.first}) if folder == "first" else Second(
            self.layout, (), {"x": request.second}
        )  # fmt: skip
        if isinstance(stage, First):
            stage.links = dict(request.links)
        work = ShardRun(stage.name, list(request.shards[shard]), self.layout, self.layout.ledger(folder, shard))
        stage.make_all(work.to_make(stage.existing, stage), work)
        work.finish()

    def check(self, request: Request) -> None:
        """Every product is the one that ``request`` requires, and every ledger on disk lists only existing products."""
        for trailer, link in request.links:
            first = fingerprint("first/1", {"x": request.first}, link)
            second = fingerprint("second/1", {"x": request.second}, first)
            assert (self.layout.root / "first" / f"{trailer}.txt").read_text() == first
            assert (self.layout.root / "second" / f"{trailer}.txt").read_text() == second
        for folder in ("first", "second"):
            assert all(self.layout.ledger(folder, shard).exists() for shard in request.shards)
        self.check_ledgers()

    def check_ledgers(self) -> None:
        for path in (self.layout.root / "ledger").rglob("*.tsv"):
            for trailer, row in read_ledger(path).items():
                assert (self.layout.root / row.path).read_text() == row.fingerprint, (path, trailer)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Folder:
    monkeypatch.setattr(
        registry, "STAGES",
        [Entry("first", "first", "", f"{__name__}:First"), Entry("second", "second", "", f"{__name__}:Second")],
    )  # fmt: skip
    KILLED.clear()
    return Folder(Layout(tmp_path / "results"))


PLAIN = tuple((trailer, f"link {trailer}") for trailer in "abcd")
A = Request(PLAIN)
OTHERS = {
    "settings of the first stage": Request(PLAIN, first="other"),
    "settings of the second stage": Request(PLAIN, second="other"),
    "shards of one": Request(PLAIN, size=1),
    "shards of one and settings": Request(PLAIN, size=1, first="other"),
    "larger shards and settings of the second stage": Request(PLAIN, size=3, second="other"),
    "a manifest that shares an id": Request((("a", "another link"), ("x", "link x"))),
    "a manifest that shares an id, in shards of one": Request((("x", "link x"), ("d", "another link")), size=1),
    "another order": Request(PLAIN[::-1], first="other"),
    "a manifest that shares an id with its link, and settings": Request((PLAIN[2], ("x", "link x")), second="other"),
}
THIRD = Request((*PLAIN[1:], ("y", "link y")), size=3, first="third")


@pytest.mark.parametrize("other", OTHERS)
def test_after_any_sequence_of_runs_products_and_ledgers_are_those_of_the_last_run(folder, tmp_path, other):
    orders = [*itertools.product((A, OTHERS[other]), repeat=4), *itertools.permutations((A, OTHERS[other], THIRD))]
    for n, order in enumerate(orders):
        current = Folder(Layout(tmp_path / str(n)))
        for request in order:
            current.run(request)
            current.check(request)
        # One more run may be needed for ledgers that the run before the last removed; then nothing is left to do.
        current.run(order[-1])
        assert current.run(order[-1]) == []


def test_a_run_that_replaces_nothing_removes_no_ledger(folder):
    folder.run(A)
    before = {path: path.stat().st_mtime_ns for path in folder.layout.root.rglob("*.*")}
    folder.run(Request(PLAIN, size=1))
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert folder.run(A) == []


def test_only_the_shards_that_lost_a_product_run_again(folder):
    folder.run(A)
    folder.run(Request((("c", "another link"),)))
    assert folder.run(A) == ["first s0001", "second s0001"]


@pytest.mark.parametrize("order", ["AB", "BA"])
@pytest.mark.parametrize("trailer", "ad")
@pytest.mark.parametrize("stage", ["first", "second"])
def test_a_run_that_is_killed_after_a_product_and_before_its_ledger_leaves_no_false_ledger(
    folder, stage, trailer, order
):
    folder.run(A)
    other = Request(PLAIN, size=4, first="other")
    KILLED.add(f"{stage} {trailer}")
    with pytest.raises(Killed):
        folder.run(other)
    folder.check_ledgers()
    KILLED.clear()
    for request in order:
        folder.run({"A": A, "B": other}[request])
        folder.check({"A": A, "B": other}[request])


def test_making_one_trailer_by_name_removes_the_ledger_that_lists_it(folder):
    folder.run(A)
    stage = First(folder.layout, (), {"x": "by hand"})
    stage.links = dict(PLAIN)
    work = ShardRun("first", ["b"], folder.layout)
    stage.make_all(work.to_make(stage.existing, stage), work)
    folder.check_ledgers()
    # The product of the second stage was made from the product that is made again, so it is kept.
    assert folder.run(A) == ["first s0000"]
    folder.check(A)


def forge(folder: Folder, trailer: str) -> None:
    """Replace a product of the first stage without changing any ledger."""
    (folder.layout.root / "first" / f"{trailer}.txt").write_text("0123456789abcdef")


def test_a_product_that_does_not_match_its_ledger_is_never_read(folder):
    folder.run(A)
    forge(folder, "a")
    shard = next(iter(A.shards))
    folder.layout.ledger("second", shard).unlink()
    folder.run(A)
    row = read_ledger(folder.layout.ledger("second", shard))["a"]
    assert row.status == FAILED
    assert "first/a.txt: its fingerprint is 0123456789abcdef, but " in row.error
    assert "another run replaced it. Rerun snakemake to make it again" in row.error
    # The next run makes it again, and the product of the second stage too.
    assert folder.run(A) == ["first s0000", "second s0000"]
    folder.check(A)


def test_a_shard_whose_products_were_all_replaced_fails_and_the_next_run_repairs_it(folder):
    folder.run(A)
    shard = next(iter(A.shards))
    for trailer in "ab":
        forge(folder, trailer)
    folder.layout.ledger("second", shard).unlink()
    with pytest.raises(SystemicError, match=r"2 of 2 trailers failed.*another run replaced it"):
        folder.run(A)
    folder.run(A)
    folder.check(A)


def test_a_damaged_ledger_of_another_shard_does_not_stop_a_run(folder):
    folder.run(A)
    path = folder.layout.ledger("first", "s0009-00000000")
    path.write_text("no ledger\n")
    folder.run(Request(PLAIN, size=1, first="other"))
    assert path.exists()


def test_a_ledger_without_fingerprints_is_kept(folder):
    write_ledger(folder.layout.ledger("first", "s0000"), [LedgerRow("a", OK, "first/a.txt")])
    (folder.layout.root / "first").mkdir()
    forge(folder, "a")
    folder.run(Request(PLAIN, first="other"))
    assert folder.layout.ledger("first", "s0000").exists()


def test_run_stage_compares_fingerprints_and_removes_ledgers(folder):
    import argparse

    from trailers.stages import shard as loop

    folder.run(A)
    parser = argparse.ArgumentParser()
    loop.add_flags(parser)
    stage = Second(folder.layout, (), {"x": "other"})
    run_stage(stage, parser.parse_args(["--trailer", "a", "--results", str(folder.layout.root)]))
    assert not folder.layout.ledger("second", next(iter(A.shards))).exists()
    folder.check_ledgers()
