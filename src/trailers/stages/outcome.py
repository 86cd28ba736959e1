"""What became of the trailers of a study, from the rows of its ledgers: what went wrong, and what needs a look.

Rows are put together by their typed reasons; no sentence is taken apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from trailers.stages import registry
from trailers.stages.registry import Key
from trailers.store.ledger import DEAD, FAILED, OK, LedgerRow
from trailers.web.uniform import uniform_deaths

WARNING = "warning"  # of a trailer that is ok
Rows = Mapping[Key, Mapping[str, LedgerRow]]  # stage and variant -> trailer -> its row, in the manifest's order


@dataclass(frozen=True)
class Group:
    """Trailers of which a stage says the same, with its sentence for each."""

    stage: str
    status: str  # dead, failed or warning
    reason: str
    trailers: tuple[tuple[str, str], ...]  # id, sentence


def stage_name(key: Key) -> str:
    """The stage that wrote the ledgers ``key``, without its variant."""
    entry = registry.find(key)
    return entry.name if entry else key[0]


def sentence(key: Key, row: LedgerRow) -> str:
    """What the ledger ``key`` says of a trailer."""
    return registry.without_name(key, row.error) or row.warnings


def troubles(rows: Rows) -> list[Group]:
    """Why trailers were lost, the commonest reason first. The same trouble on several variants counts once."""
    return grouped(rows, lambda row: [(row.status, row.reason)] if row.status in (DEAD, FAILED) else [])


def warnings(rows: Rows) -> list[Group]:
    """What trailers that are ok have to be told of, the commonest first."""
    return grouped(rows, lambda row: [(WARNING, reason) for reason in warned(row)])


def warned(row: LedgerRow) -> list[str]:
    """The quality that a download misses, and what normalise says, which holds numbers of this trailer."""
    if row.status != OK:
        return []
    return [*map(str, row.facts.get("quality") or ()), *(["see each trailer"] if row.warnings else [])]


def grouped(rows: Rows, kinds: Callable[[LedgerRow], Iterable[tuple[str, str]]]) -> list[Group]:
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    for key in sorted(rows, key=registry.order):
        for row in rows[key].values():
            for kind in kinds(row):
                found.setdefault((stage_name(key), *kind), {}).setdefault(row.trailer, sentence(key, row))
    groups = [Group(*kind, tuple(trailers.items())) for kind, trailers in found.items()]
    return sorted(groups, key=lambda group: -len(group.trailers))  # stable: the earlier stage first


def alarms(rows: Rows) -> list[str]:
    """A sentence for each end that suspiciously many trailers of a stage share."""
    found = []
    for key in sorted(rows, key=registry.order):
        for end in uniform_deaths(map(as_kind, rows[key].values()) if is_made_here(key) else rows[key].values()):
            said = f': "{end.sentence}"' if end.sentence and end.sentence != end.reason else ""
            found.append(
                f"{' '.join(key)}: {end.trailers:,} of {end.tried:,} trailers are {end.status} for the same reason, "
                f"{end.in_a_row:,} of them in a row: {end.reason or 'no reason recorded'}{said}. The cause is probably "
                "not the trailers."
            )
    return found


def is_made_here(key: Key) -> bool:
    """Whether a stage answers for itself; a download's sentences are what a site says, and tell more than reasons."""
    entry = registry.find(key)
    return entry is None or entry.command != "download"


def as_kind(row: LedgerRow) -> LedgerRow:
    """``row`` with its reason for a sentence: its own holds the trailer's paths and numbers."""
    return replace(row, facts={"reason": row.reason, "sentence": row.reason})


def nothing_usable(rows: Rows, trailers: Sequence[str]) -> str:
    """One sentence where a stage is through and not one trailer came through it; else empty.

    A trailer may go without a poster, so stages that not every study has do not count.
    """
    for key in sorted(rows, key=registry.order):
        entry = registry.find(key)
        of_stage = [rows[key].get(trailer) for trailer in trailers]
        if entry is None or not entry.always or not of_stage or None in of_stage:
            continue
        known = [row for row in of_stage if row is not None]
        if not any(row.status == OK for row in known):
            counts = Counter((row.status, row.reason) for row in known)
            told = ", ".join(f"{count:,} {status}: {reason}" for (status, reason), count in counts.most_common())
            return f"none of {len(known):,} trailers got through {' '.join(key)} ({told})"
    return ""
