"""Show the progress of a run: for each stage what is done, what is not, its rate and the time left.

in   the manifest, the ledgers, names, sizes and times of the products; only ledgers are opened
out  a table on the screen; jobs may be running. Exit status 1 if a stage is finished without a single ok trailer

    ok       in a ledger, with its product           waiting     not in a ledger yet
    dead     permanent: removed, private, no video   made        waiting, but the product exists already
    failed   temporary: the next run tries again     per minute  products, over the last ten minutes
    skipped  the stage before was not ok             left        time for products still to be made, at this rate

Below the table: time left of the whole run, disk, failed jobs with their errors, problems shared by many trailers,
and every reason with its count. `--list dead --csv` names the trailers.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from trailers.domain import folder_name
from trailers.errors import ConfigError, TrailerError
from trailers.plan.studies import Plan, plan_here
from trailers.stages import registry
from trailers.stages.outcome import Rows, alarms, nothing_usable, troubles, warnings
from trailers.store.failures import read_failures
from trailers.store.layout import Layout
from trailers.store.ledger import read_ledger
from trailers.store.manifest import read_manifest
from trailers.store.text import size_text
from trailers.tools.status.lines import Line, measure
from trailers.tools.status.listing import COLUMNS, LISTED, as_csv, as_text, listed
from trailers.tools.status.text import table, time_left


def keys(layout: Layout, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Stages and variants that config.yaml requests, and all others that have ledgers."""
    configured = list(registry.keys_for([(clips, folder_name(backbone)) for clips, backbone in pairs]))
    folder = layout.root / "ledger"
    existing = [path.parent.relative_to(folder).parts for path in folder.rglob("*.tsv")]
    known = [key for key in dict.fromkeys([*configured, *sorted(existing)]) if registry.find(key)]
    return sorted(known, key=lambda key: registry.order(key)[0])


def reasons(rows: Rows) -> Iterator[str]:
    """The reasons of dead and failed trailers and the warnings of ok ones, most frequent first, with counts."""
    for group in troubles(rows):
        yield f"{len(group.trailers):>7,} {group.status} in {group.stage}: {group.reason}"
    for group in warnings(rows):
        yield f"{len(group.trailers):>7,} with a warning of {group.stage}: {group.reason}"


def metrics(layout: Layout) -> Iterator[str]:
    """One line per experiment whose training has started."""
    for folder in sorted((layout.root / "classify").glob("*/")):
        done = sorted(path.parent.name for path in folder.glob("split*/metrics.json"))
        begun = sorted(path.name for path in folder.glob("split*/"))
        yield f"classify {folder.name}: {len(done)} of {len(begun)} started splits done"


LIST_HINT = "`python -m trailers status --list dead` and `--list failed` name them."


@dataclass(frozen=True)
class Measured:
    """Everything that was read for one table."""

    trailers: Sequence[str]
    lines: tuple[Line, ...]
    rows: Rows
    others: Mapping[str, Sequence[str]] = field(default_factory=dict)  # of stages that do not process all trailers

    def counted(self, stage: str) -> Sequence[str]:
        """The trailers or titles that a stage processes."""
        return self.others.get(stage, self.trailers)


def look(
    layout: Layout,
    trailers: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    now_s: float,
    with_poster: Sequence[str] | None = None,
    titles: Sequence[str] = (),
) -> Measured:
    """Measure every stage; without ``with_poster`` every trailer may have a poster. ``titles`` are searched for."""
    lines, rows = [], {}
    others = {"search": titles, "posters": trailers if with_poster is None else with_poster}
    for key in keys(layout, pairs):
        counted = others.get(key[0], trailers)
        line, found = measure(layout, key, counted, now_s)
        lines.append(line)
        rows[key] = {trailer: found[trailer] for trailer in counted if trailer in found}
    return Measured(trailers, tuple(lines), rows, others)


def describe(
    layout: Layout,
    trailers: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    now_s: float,
    with_poster: Sequence[str] | None = None,
) -> Iterator[str]:
    """All lines that are shown."""
    return shown(layout, look(layout, trailers, pairs, now_s, with_poster))


def shown(layout: Layout, seen: Measured, has_shard: Callable[[str], bool] | None = None) -> Iterator[str]:
    """All lines that are shown for ``seen``; failures of shards that no longer exist are left out."""
    # Without a manifest, only the search has been started.
    lines = [line for line in seen.lines if seen.counted(line.key[0])] if not seen.trailers else seen.lines
    yield heading(seen)
    yield from table(lines)
    yield from metrics(layout)
    yield f"left: {time_left(lines)}"
    used, expected = sum(line.size for line in lines), sum(line.expected_size for line in lines)
    free = shutil.disk_usage(layout.root).free
    yield f"disk: {size_text(used)} used, about {size_text(expected)} at the end, {size_text(free)} free"
    if expected - used > free:
        yield "disk: the rest of the run does not fit. Free some space, or move the results, before the disk is full."
    for job, why in read_failures(layout.root, has_shard).items():
        yield f"a job failed: {job}: {why}"
    for alarm in alarms(seen.rows):
        yield f"check this first: {alarm}"
    yield from reasons(seen.rows)


def heading(seen: Measured) -> str:
    """The number of trailers; without a manifest, the next command."""
    if seen.trailers:
        return f"{len(seen.trailers):,} trailers"
    searched, titles = seen.rows.get(("search",), {}), seen.counted("search")
    if not titles:
        return (
            "no manifest and no titles yet. `trailers manifest` writes a manifest, `trailers titles` a list of titles."
        )
    if len(searched) < len(titles):
        return f"no manifest yet; {len(titles):,} titles. `snakemake search` searches for their trailers."
    return (
        f"no manifest yet; {len(titles):,} titles, searched for. `trailers manifest --titles titles.csv` takes the "
        "best candidates; `trailers review` shows them to a person."
    )


def has_shard(plan: Plan, shard: str) -> bool:
    """Whether this shard exists with the present manifest, titles and shard size; True if that is not known."""
    try:
        plan.members(shard)
    except KeyError:
        return False
    except TrailerError:
        return True
    return True


def known_trailers(layout: Layout, manifest: Path) -> list[str]:
    """The trailers of the manifest; without one, those of the ledgers of the download stage."""
    if manifest.exists():
        return [trailer.trailer for trailer in read_manifest(manifest, links=False, genres=None)]
    found: dict[str, None] = {}
    for path in sorted((layout.root / "ledger" / "download").glob("*.tsv")):
        found.update(dict.fromkeys(read_ledger(path)))
    return list(found)


def known_posters(manifest: Path) -> list[str] | None:
    """The trailers that have a poster; None without a manifest."""
    if not manifest.exists():
        return None
    return [trailer.trailer for trailer in read_manifest(manifest, links=False, genres=None) if trailer.poster]


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--manifest", type=Path, metavar="CSV", help="manifest of the trailers (config.yaml: manifest)")
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="FOLDER", help="folder of all products"
    )
    parser.add_argument(
        "--list", choices=LISTED, metavar="STATUS", help=f"list trailers of this status instead: {', '.join(LISTED)}"
    )
    parser.add_argument("--csv", action="store_true", help=f"with --list: a table of {', '.join(COLUMNS)}")
    parser.add_argument("--every-s", type=float, metavar="S", help="repeat every S seconds until interrupted")


def run(arguments: argparse.Namespace) -> int:
    layout = Layout(arguments.results)
    if not layout.root.is_dir():
        raise ConfigError("does not exist", where=layout.root, remedy="Give the results folder with --results.")
    if arguments.csv and not arguments.list:
        raise ConfigError("needs --list and a status", where="--csv", remedy="For example --list dead --csv.")
    plan = plan_here()
    planned = plan.users
    manifest = arguments.manifest or planned.manifest
    while True:
        trailers, posters = known_trailers(layout, manifest), known_posters(manifest)
        titles = [title.id for title in plan.titles.titles] if plan.titles.path.exists() else []
        seen = look(layout, trailers, planned.pairs, time.time(), posters, titles)
        if arguments.list:
            rows = listed(seen.rows, seen.counted, arguments.list)
            text = as_csv(rows) if arguments.csv else as_text(rows)
            print(text, end="\n" if text else "")
            return 0
        for line in shown(layout, seen, partial(has_shard, plan)):
            print(line)
        lost = nothing_usable(seen.rows, trailers)
        if lost:
            print(f"error: {lost}. {LIST_HINT}", file=sys.stderr)
        if arguments.every_s is None:
            return 1 if lost else 0
        print(flush=True)
        time.sleep(arguments.every_s)
