"""What the ledgers claim, and the problems that are found."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from trailers.domain import is_safe_id
from trailers.errors import StoreError
from trailers.stages import registry
from trailers.stages.registry import Key
from trailers.stages.stage import Problem, own_files
from trailers.store.layout import Layout
from trailers.store.ledger import OK, LedgerRow, read_ledger


@dataclass(frozen=True)
class Found:
    """A problem, and the stage and trailer that it concerns."""

    problem: Problem
    folder: str  # of the stage
    key: Key = ()
    trailer: str = ""  # its shards have to be rerun


@dataclass
class Claims:
    """The content of the ledgers: stage and variant -> trailer -> its row in every ledger that has it."""

    rows: dict[Key, dict[str, dict[Path, LedgerRow]]] = field(default_factory=dict)

    def add(self, key: Key, path: Path) -> None:
        for trailer, row in read_ledger(path).items():
            self.rows.setdefault(key, {}).setdefault(trailer, {})[path] = row

    def ledgers(self, key: Key, trailer: str) -> list[Path]:
        return list(self.rows.get(key, {}).get(trailer, ()))

    def ok(self, key: Key, trailer: str) -> dict[Path, LedgerRow]:
        """The ledgers in which ``trailer`` is ok, of this manifest and shard size or of others, and their rows."""
        rows = self.rows.get(key, {}).get(trailer, {})
        return {path: row for path, row in rows.items() if row.status == OK}


def read_claims(layout: Layout) -> tuple[Claims, list[Found]]:
    """The content of all ledgers, and the damaged ones as problems."""
    claims, wrong = Claims(), []
    for path in own_files(layout.root / "ledger", "**/*.tsv"):
        try:
            claims.add(path.relative_to(layout.root / "ledger").parts[:-1], path)
        except StoreError as problem:
            wrong.append(Found(Problem(path, problem.what, (path,)), "ledger"))
    return claims, wrong


def keys_on_disk(layout: Layout, claims: Claims) -> list[Key]:
    """Stages and variants that have products or ledgers, in running order."""
    found = set(claims.rows)
    for entry in registry.STAGES:
        folder = layout.root / entry.ledgers
        places = folder.glob("/".join("*" * len(entry.axes))) if entry.axes else [folder]
        for path in places:
            if path.is_dir() and not path.name.startswith("."):
                found.add((entry.ledgers, *path.relative_to(folder).parts))
    return sorted((key for key in found if registry.find(key)), key=registry.order)


def trailers_of(layout: Layout, key: Key, claims: Claims) -> list[str]:
    """The trailers with a file of this stage or an ok row."""
    existing = {path.name.split(".")[0] for path in layout.root.joinpath(*key).glob("*.*") if path.is_file()}
    claimed = {trailer for trailer in claims.rows.get(key, ()) if claims.ok(key, trailer)}
    return sorted(name for name in existing | claimed if is_safe_id(name))
