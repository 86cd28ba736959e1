"""What the ledgers contain about each trailer: how far it got, its flags, and sentences about every stage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trailers.reporting.local_paths import without_local_paths
from trailers.stages import registry
from trailers.stages.registry import Key
from trailers.store.layout import Layout
from trailers.store.ledger import DEAD, FAILED, OK, LedgerRow, read_ledger
from trailers.store.text import size_text

Rows = Mapping[Key, Mapping[str, LedgerRow]]  # stage and variant -> trailer -> its row
ABSENT = "absent"  # the trailer is not in any ledger
OPTIONAL_STAGES = ("posters", "pages", "quality")  # a trailer is ok without them
ON_PAGE = ("normalise", "shots", "clips", "pages", "quality")  # the page of a trailer itself shows their results
FACTS = {"clips": "clips", "F": "numbers per vector", "precision": "precision"}  # of embeddings, in words


@dataclass(frozen=True)
class Outcome:
    """Status, stage, reason and sentence of the first stage that a trailer did not pass; ok if it passed all."""

    status: str
    stage: str = ""
    reason: str = ""
    sentence: str = ""


def read_rows(ledgers: Iterable[Path], layout: Layout) -> Rows:
    """The rows of all ledgers by stage and variant, in running order. Raises StoreError for one that is damaged."""
    found: dict[Key, dict[str, LedgerRow]] = {}
    for path in ledgers:
        key = path.resolve().relative_to((layout.root / "ledger").resolve()).parts[:-1]
        found.setdefault(key, {}).update(read_ledger(path))
    return {key: found[key] for key in sorted(found, key=registry.order)}


def outcome(trailer: str, rows: Rows) -> Outcome:
    for key, table in rows.items():
        if key[0] in OPTIONAL_STAGES:
            continue
        row = table.get(trailer)
        if row is None:
            return Outcome(
                ABSENT, key[0], "not in any ledger", "No ledger contains this trailer; the run is not finished."
            )
        if row.status in (DEAD, FAILED):
            sentence = str(without_local_paths(registry.without_name(key, row.error)))
            return Outcome(row.status, key[0], row.reason, sentence)
    return Outcome(OK)


def flags_of(trailer: str, rows: Rows) -> dict[str, str]:
    """Flag -> sentence: what the stages found doubtful in a trailer that is ok."""
    found: dict[str, str] = {}
    for key, table in rows.items():
        row = table.get(trailer)
        if row is None or row.status != OK:
            continue
        for note in row.facts.get("quality") or () if key == ("download",) else ():
            found[str(note)] = f"The published video is {note}."
        flagged = row.facts.get("flags")
        if isinstance(flagged, Mapping):
            names = {plain(str(name)): str(reason) for name, reason in flagged.items()}
            found.update({name: f"{name.capitalize()}: {reason}." for name, reason in names.items()})
        if row.warnings:
            found[f"{key[0]} warning"] = str(without_local_paths(row.warnings))
    return found


def plain(flag: str) -> str:
    """The name of a flag with blanks instead of underscores."""
    return flag.replace("_", " ")


def stage_sentences(trailer: str, rows: Rows, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Sentences about each stage, in running order, as the page of a trailer shows them.

    Args:
        facts: of the trailer's receipt.
    """
    entries = []
    for key, table in rows.items():
        row = table.get(trailer)
        if row is None or (row.status == OK and key[0] in ON_PAGE):
            continue
        if row.status != OK:
            words = [f"{row.status}: {without_local_paths(registry.without_name(key, row.error))}"]
        elif key == ("download",):
            words = download_sentences(facts)
        else:
            words = fact_sentences(row)
        entry: dict[str, Any] = {"name": " ".join(key), "status": row.status, "told": words}
        if key == ("download",):
            entry |= {"first": True, **linked(facts)}
        entries.append(entry)
    return entries


def download_sentences(facts: Mapping[str, Any]) -> list[str]:
    """Sentences about the video as published."""
    size, duration = int(facts.get("bytes") or 0), facts.get("duration_s")
    words = [size_text(size) + (f", {duration:.1f} s" if duration else "") + "."]
    if facts.get("format"):
        words.append(f"Format {facts['format']}.")
    refused = facts.get("refused") or ()
    if refused:
        words.append(f"{len(refused)} other link{'s' if len(refused) > 1 else ''} refused.")
    if facts.get("extractor") == "file":
        words.append(f"A file on this machine: {Path(str(facts.get('url', ''))).name}.")
    return words


def linked(facts: Mapping[str, Any]) -> dict[str, str]:
    """The link that was downloaded, if it is a web link."""
    url = str(facts.get("final_url") or facts.get("url") or "")
    return {"link": url} if url.startswith(("https://", "http://")) else {}


def fact_sentences(row: LedgerRow) -> list[str]:
    """One sentence with the facts of a ledger row that are listed in ``FACTS``; empty without such facts."""
    known = [(words, row.facts[fact]) for fact, words in FACTS.items() if fact in row.facts]
    parts = [f"{value:,} {words}" if isinstance(value, int) else f"{words} {value}" for words, value in known]
    return [", ".join(parts) + "."] if parts else []


def facts_at(key: Key, trailer: str, rows: Rows) -> Mapping[str, Any]:
    row = rows.get(key, {}).get(trailer)
    return row.facts if row is not None and row.status == OK else {}


def first_key(stage: str, rows: Rows) -> Key:
    """The first variant of a stage that has ledgers."""
    return next((key for key in rows if key[0] == stage), (stage,))


def has_page(trailer: str, rows: Rows) -> bool:
    row = rows.get(("pages",), {}).get(trailer)
    return row is not None and row.status == OK


def optional_ledgers(layout: Layout, shards: Sequence[str]) -> list[Path]:
    """The existing ledgers of stages that not every run includes."""
    entries = (entry for entry in registry.STAGES if not entry.always and not entry.axes)
    paths = (layout.ledger(entry.ledgers, shard) for entry in entries for shard in shards)
    return [path for path in paths if path.exists()]
