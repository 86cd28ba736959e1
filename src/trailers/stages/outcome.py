"""The outcome of the trailers of a study, from the rows of its ledgers: failures, warnings, suspicious patterns.

Rows are grouped by their reasons; sentences are never parsed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from trailers.stages import registry
from trailers.stages.registry import Key
from trailers.store.ledger import DEAD, FAILED, OK, LedgerRow
from trailers.web.uniform import uniform_deaths

WARNING = "warning"  # in place of a status, for a trailer that is ok
Rows = Mapping[Key, Mapping[str, LedgerRow]]  # stage and variant -> trailer -> its row, in the manifest's order


@dataclass(frozen=True)
class Group:
    """Trailers with the same stage, status and reason, and the sentence for each."""

    stage: str
    status: str  # dead, failed or warning
    reason: str
    trailers: tuple[tuple[str, str], ...]  # id, sentence


def stage_name(key: Key) -> str:
    """The name of the stage that wrote the ledgers ``key``, without its variant."""
    entry = registry.find(key)
    return entry.name if entry else key[0]


def sentence(key: Key, row: LedgerRow) -> str:
    """The sentence about a trailer in the ledger ``key``."""
    return registry.without_name(key, row.error) or row.warnings


def troubles(rows: Rows) -> list[Group]:
    """Why trailers are dead or failed, the most common reason first; a reason on several variants counts once."""
    return grouped(rows, lambda row: [(row.status, row.reason)] if row.status in (DEAD, FAILED) else [])


def warnings(rows: Rows) -> list[Group]:
    """Warnings about trailers that are ok, the most common first."""
    return grouped(rows, lambda row: [(WARNING, reason) for reason in warned(row)])


def warned(row: LedgerRow) -> list[str]:
    """The kinds of warning: limits that a download does not meet, and one kind for all sentences of normalise."""
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
    """One sentence for each outcome that suspiciously many trailers of a stage share."""
    found = []
    for key in sorted(rows, key=registry.order):
        for end in uniform_deaths(map(as_kind, rows[key].values()) if is_made_here(key) else rows[key].values()):
            quoted = f': "{end.sentence}"' if end.sentence and end.sentence != end.reason else ""
            found.append(
                f"{' '.join(key)}: {end.trailers:,} of {end.tried:,} trailers are {end.status} for the same reason, "
                f"{end.in_a_row:,} of them in a row: {end.reason or 'no reason recorded'}{quoted}. The trailers are "
                "probably not the cause."
            )
    return found


def is_made_here(key: Key) -> bool:
    """Whether the sentences of a stage are this project's; those of a download come from a site and say more."""
    entry = registry.find(key)
    return entry is None or entry.command != "download"


def as_kind(row: LedgerRow) -> LedgerRow:
    """``row`` with its reason as its sentence, because the sentence has paths and numbers of the trailer."""
    return replace(row, facts={"reason": row.reason, "sentence": row.reason})


def nothing_usable(rows: Rows, trailers: Sequence[str]) -> str:
    """One sentence if a stage has finished and no trailer is ok in it, otherwise "".

    Only stages that every study has are considered: posters, for example, are optional.
    """
    for key in sorted(rows, key=registry.order):
        entry = registry.find(key)
        of_stage = [rows[key].get(trailer) for trailer in trailers]
        if entry is None or not entry.always or not of_stage or None in of_stage:
            continue
        known = [row for row in of_stage if row is not None]
        if not any(row.status == OK for row in known):
            counts = Counter((row.status, row.reason) for row in known)
            reasons = ", ".join(f"{count:,} {status}: {reason}" for (status, reason), count in counts.most_common())
            return f"none of {len(known):,} trailers is ok in {' '.join(key)} ({reasons})"
    return ""
