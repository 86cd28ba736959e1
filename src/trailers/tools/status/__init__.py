"""Tell how far a run is: for each stage what is done, what is not, how fast it goes and how long it will take.

in   the manifest, the ledgers, names, sizes and times of the products; nothing is opened but ledgers
out  a table on the screen; jobs may run meanwhile

    ok       in a ledger, with its product         waiting  in no ledger yet
    dead     permanent: removed, private, no video made     of those waiting: the product is there, its shard at work
    failed   transient: the next run tries again   a minute products of the last ten minutes
    skipped  the stage before was not ok           left     waiting that is not made, at that rate
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trailers.domain import folder_name
from trailers.errors import ConfigError, StoreError
from trailers.plan.studies import plan_here
from trailers.stages import registry
from trailers.store.atomic import TEMPORARY
from trailers.store.layout import Layout
from trailers.store.ledger import DEAD, FAILED, OK, SKIPPED, LedgerRow, read_ledger
from trailers.store.manifest import read_manifest

log = logging.getLogger(__name__)

WINDOW_S = 600.0  # the rate is that of the last ten minutes
SHOWN = 5  # commonest reasons


@dataclass
class Files:
    """What lies in one folder of products."""

    done_s: dict[str, float] = field(default_factory=dict)  # trailer -> when its product appeared
    size: int = 0  # bytes, of all files


def list_files(folder: Path, suffix: str) -> Files:
    found = Files()
    if not folder.is_dir():
        return found
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # renamed while we looked
                continue
            if not entry.is_file(follow_symlinks=False):
                continue
            found.size += status.st_size
            if entry.name.endswith(suffix) and not entry.name.startswith(TEMPORARY):
                found.done_s[entry.name.removesuffix(suffix)] = status.st_mtime
    return found


@dataclass(frozen=True)
class Line:
    """One stage, on one clip strategy and backbone where it has them."""

    key: tuple[str, ...]
    counts: Counter[str]  # status -> trailers
    waiting: int
    made: int  # of the waiting
    a_minute: float
    size: int  # bytes on disk
    expected_size: int  # bytes when all is done

    @property
    def left_s(self) -> float | None:
        """Seconds until the waiting are made; none when nothing moves."""
        todo = self.waiting - self.made
        return 60 * todo / self.a_minute if self.a_minute else (0 if todo == 0 else None)


def measure(
    layout: Layout, key: tuple[str, ...], trailers: Sequence[str], now_s: float
) -> tuple[Line, dict[str, LedgerRow]]:
    """The line of one stage, and the rows of its ledgers."""
    rows = read_rows(layout, key, set(trailers))
    files = list_files(layout.root.joinpath(*key), suffix_of(layout, key))
    counts = Counter(row.status for row in rows.values())
    waiting = [trailer for trailer in trailers if trailer not in rows]
    made = sum(trailer in files.done_s for trailer in waiting)
    done = counts[OK] + made
    # What is dead or skipped will have no product; the waiting are taken to go as the others did.
    decided = counts[OK] + counts[DEAD] + counts[SKIPPED]
    hoped = counts[OK] + counts[FAILED] + len(waiting) * (counts[OK] / decided if decided else 1)
    ours = sum(trailer in files.done_s for trailer in trailers)
    size = round(files.size * ours / len(files.done_s)) if files.done_s else 0
    line = Line(
        key, counts, len(waiting), made,
        rate(list(files.done_s.values()), now_s), size, round(size * max(1, hoped / done)) if done else 0,
    )  # fmt: skip
    return line, rows


def suffix_of(layout: Layout, key: tuple[str, ...]) -> str:
    """How the file is called whose appearance says that a trailer is done."""
    entry = registry.find(key)
    return entry.on_disk(layout, key[1:]).suffix() if entry else ""


def read_rows(layout: Layout, key: tuple[str, ...], trailers: set[str]) -> dict[str, LedgerRow]:
    """Trailer -> its row; where shards have changed and two ledgers have it, that of the younger."""
    rows: dict[str, LedgerRow] = {}
    ledgers = [
        path for path in layout.root.joinpath("ledger", *key).glob("*.tsv") if not path.name.startswith(TEMPORARY)
    ]
    for path in sorted(ledgers, key=lambda path: (path.stat().st_mtime_ns, path.name)):
        try:
            found = read_ledger(path)
        except StoreError as problem:
            log.warning("status: %s", problem)
            continue
        rows.update({trailer: row for trailer, row in found.items() if trailer in trailers})
    return rows


def rate(times_s: Sequence[float], now_s: float) -> float:
    """Products a minute over the last ten minutes, or since the first where that is less."""
    recent = [time_s for time_s in times_s if now_s - WINDOW_S < time_s <= now_s]
    if len(recent) < 2:
        return 0.0
    began_s = now_s - WINDOW_S if len(recent) < sum(time_s <= now_s for time_s in times_s) else min(recent)
    return 60 * (len(recent) - (began_s == min(recent))) / max(now_s - began_s, 1.0)


def keys(layout: Layout, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Stages and variants: all that config.yaml asks for, and what else has ledgers."""
    asked = list(registry.asked([(clips, folder_name(backbone)) for clips, backbone in pairs]))
    there = [path.parent.relative_to(layout.root / "ledger").parts for path in (layout.root / "ledger").rglob("*.tsv")]
    known = [key for key in dict.fromkeys([*asked, *sorted(there)]) if registry.find(key)]
    return sorted(known, key=lambda key: registry.order(key)[0])


def table(lines: Sequence[Line]) -> Iterator[str]:
    """The lines of the table, columns aligned."""
    rows = [["", OK, DEAD, FAILED, SKIPPED, "waiting", "made", "a minute", "left", "on disk", "in the end"]]
    for line in lines:
        counts = [f"{line.counts[status]:,}" for status in (OK, DEAD, FAILED, SKIPPED)]
        speed = f"{line.a_minute:.1f}" if line.a_minute and line.waiting else "-"
        sizes = [in_words(size) for size in (line.size, line.expected_size)]
        todo = [f"{line.waiting:,}", f"{line.made:,}", speed, duration(line.left_s)]
        rows.append([" ".join(line.key), *counts, *todo, *sizes])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        yield "  ".join(cells).rstrip()


def in_words(size: float) -> str:
    """A number of bytes."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB" if size else "-"


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min" if seconds else "-"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes < 48 * 60 else f"{minutes / 1440:.1f} d"


def reasons(rows: dict[tuple[str, ...], dict[str, LedgerRow]]) -> Iterator[str]:
    """The commonest reasons, most first."""
    found: Counter[str] = Counter()
    for key, of_stage in rows.items():
        for row in of_stage.values():
            if row.status in (DEAD, FAILED):
                words = str(row.facts.get("reason") or re.split(r"[:(]", registry.without_name(key, row.error))[0])
                found[f"{row.status} in {' '.join(key)}: {words.strip()[:60]}"] += 1
    for words, count in sorted(found.items(), key=lambda item: (-item[1], item[0]))[:SHOWN]:
        yield f"{count:>7,} {words}"


def metrics(layout: Layout) -> Iterator[str]:
    """Experiments whose training has begun."""
    for folder in sorted((layout.root / "classify").glob("*/")):
        done = sorted(path.parent.name for path in folder.glob("split*/metrics.json"))
        begun = sorted(path.name for path in folder.glob("split*/"))
        yield f"classify {folder.name}: {len(done)} of {len(begun)} splits done that have begun"


def describe(
    layout: Layout,
    trailers: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    now_s: float,
    with_poster: Sequence[str] | None = None,
) -> Iterator[str]:
    """Everything that is shown, line by line; without ``with_poster`` every trailer may have a poster."""
    lines, rows = [], {}
    for key in keys(layout, pairs):
        counted = with_poster if key[0] == "posters" and with_poster is not None else trailers
        line, rows[key] = measure(layout, key, counted, now_s)
        lines.append(line)
    yield f"{len(trailers):,} trailers"
    yield from table(lines)
    yield from metrics(layout)
    used, expected = sum(line.size for line in lines), sum(line.expected_size for line in lines)
    free = shutil.disk_usage(layout.root).free
    yield f"disk: {in_words(used)} used, about {in_words(expected)} in the end, {in_words(free)} free"
    if expected - used > free:
        yield "disk: what is still to come does not fit. Make room, or move the results, before it is full."
    yield from reasons(rows)


def known_trailers(layout: Layout, manifest: Path) -> list[str]:
    """The trailers of the manifest; without one, those of the ledgers of the stage download."""
    if manifest.exists():
        return [trailer.trailer for trailer in read_manifest(manifest, links=False)]
    found: dict[str, None] = {}
    for path in sorted((layout.root / "ledger" / "download").glob("*.tsv")):
        found.update(dict.fromkeys(read_ledger(path)))
    return list(found)


def known_posters(manifest: Path) -> list[str] | None:
    """The trailers that have a poster; none is known without a manifest."""
    if not manifest.exists():
        return None
    return [trailer.trailer for trailer in read_manifest(manifest, links=False) if trailer.poster]


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--manifest", type=Path, metavar="CSV", help="whose trailers are counted (config.yaml: manifest)"
    )
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="FOLDER", help="where products live")
    parser.add_argument(
        "--every-s", type=float, metavar="S", help="show it again every so many seconds, until interrupted"
    )


def run(arguments: argparse.Namespace) -> None:
    layout = Layout(arguments.results)
    if not layout.root.is_dir():
        raise ConfigError(f"{layout.root}: there is no such folder. Name the results with --results.")
    asked = plan_here().users
    manifest = arguments.manifest or asked.manifest
    while True:
        trailers, posters = known_trailers(layout, manifest), known_posters(manifest)
        for line in describe(layout, trailers, asked.pairs, time.time(), posters):
            print(line)
        if arguments.every_s is None:
            return
        print(flush=True)
        time.sleep(arguments.every_s)
