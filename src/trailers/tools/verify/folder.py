"""Files in the results folder that are not products: shard lists, temporary files, files of the user."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from trailers.errors import StoreError
from trailers.stages import registry
from trailers.stages.currency import increase_attempts
from trailers.stages.registry import Key
from trailers.stages.stage import Problem, own_files
from trailers.store.atomic import TEMPORARY, remove
from trailers.store.layout import Layout
from trailers.store.shards import read_shard
from trailers.tools.verify.claims import Claims, Found, trailers_of

DECLARED = ("ledger", "shards")  # folders of files that Snakemake knows
AHEAD_S = 60  # clocks of several machines differ
TEMPORARY_NAME = re.compile(re.escape(TEMPORARY) + r"(\d+)-[0-9a-f]{8}-.+", re.DOTALL)


def others() -> tuple[str, ...]:
    """The folders of files that Snakemake itself compares."""
    return (*DECLARED, *(entry.name for entry in registry.STUDY_STAGES))


def shard_lists(layout: Layout) -> Iterator[Found]:
    for path in own_files(layout.root / "shards", "*.txt"):
        try:
            read_shard(path)
        except StoreError as problem:
            yield Found(Problem(path, problem.what, (path,)), "shards")


def from_the_future(layout: Layout) -> Iterator[Found]:
    """Files that Snakemake knows and whose time is in the future; until then it refuses to use them."""
    now = time.time()
    for folder in others():
        for path in own_files(layout.root / folder, "**/*.*"):
            ahead_s = path.stat().st_mtime - now if path.is_file() and not path.is_symlink() else 0
            if ahead_s > AHEAD_S:
                words = f"its time is {ahead_s / 3600:.1f} h in the future; a clock was wrong"
                yield Found(Problem(path, words, touch=(path,)), folder)


def leftovers(root: Path, *, older_s: float) -> Iterator[Found]:
    """Temporary files of processes that have ended; ``older_s`` protects files that other hosts are still writing."""
    now = time.time()
    for path in sorted(root.rglob(f"{TEMPORARY}*")):
        match = TEMPORARY_NAME.fullmatch(path.name)
        try:
            age = now - path.lstat().st_mtime
        except FileNotFoundError:  # renamed in the meantime
            continue
        if match and age >= older_s and not is_running(int(match[1])):
            words = f"was left by a process that has ended, {age / 60:.0f} min ago"
            yield Found(Problem(path, words, (path,)), "leftover")


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def other_files(layout: Layout, claims: Claims, keys: Sequence[Key]) -> list[Path]:
    """Files in the folders of products that are not products: files of the user, or videos of an earlier link."""
    found = []
    of_many = {path for entry in registry.STUDY_STAGES for path in entry.module.products(layout)}
    for key in keys:
        entry = registry.find(key)
        assert entry is not None
        stage = entry.on_disk(layout, key[1:])
        own = of_many | {path for trailer in trailers_of(layout, key, claims) for path in stage.products(trailer)}
        own.update(stage.shared())
        files = (path for path in layout.root.joinpath(*key).glob("*") if path.is_file() or path.is_symlink())
        found += [path for path in files if path not in own and not path.name.startswith(".")]
    return sorted(found)


def repair(found: Sequence[Found], layout: Layout, claims: Claims) -> tuple[list[Path], list[StoreError]]:
    """Removes wrong files, and reports that hide them; counts an attempt for every shard that lost something.

    Returns:
        The removed files, and the errors of files that could not be removed.
    """
    removed: list[Path] = []
    refused: list[StoreError] = []
    shards = set()
    for item in found:
        try:
            removed += [path for path in item.problem.remove if remove(path, below=layout.root)]
        except StoreError as problem:
            refused.append(problem)
            continue
        for path in item.problem.touch:
            if path not in removed:
                os.utime(path, follow_symlinks=False)
        if item.problem.reruns:
            for ledger in claims.ledgers(item.key, item.trailer):
                shards.add(ledger.relative_to(layout.root / "ledger").with_suffix(""))
    for shard in sorted(shards):
        increase_attempts(layout.root / "attempts" / shard)
    if any(item.folder in others() and item.problem.remove for item in found):
        # While a finished report exists, Snakemake does not remake missing files that the report was made from.
        for path in own_files(layout.root / "report", "**/index.html"):
            if remove(path, below=layout.root):
                removed.append(path)
    return removed, refused
