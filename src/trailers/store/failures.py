"""Why a job failed: its error message, kept until the job succeeds.

results/failures/{stage}/.../{shard}       for results/ledger/{stage}/.../{shard}.tsv
results/failures/{path}                    for any other file below results/ that a job makes
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from trailers.store.atomic import TEMPORARY, write_text
from trailers.store.shards import NAME

FOLDER = "failures"


def record_failure(arguments: argparse.Namespace, sentence: str) -> None:
    """Record ``sentence`` for every file that the command with ``arguments`` should have made below results/."""
    for path in failure_files(arguments):
        with contextlib.suppress(OSError):  # the command itself reports a full disk
            write_text(path, f"{' '.join(sentence.split())}\n")


def clear_failure(arguments: argparse.Namespace) -> None:
    """Remove what ``record_failure`` recorded, because the command with ``arguments`` has succeeded."""
    for path in failure_files(arguments):
        with contextlib.suppress(NotADirectoryError, IsADirectoryError):  # the note of another command
            path.unlink(missing_ok=True)


def failure_files(arguments: argparse.Namespace) -> Iterator[Path]:
    """The files that record the failure of a command; empty for a command that makes nothing below results/."""
    root = getattr(arguments, "results", None)
    outputs = [*(getattr(arguments, "ledger", None) or ()), getattr(arguments, "output", None)]
    for output in outputs:
        if isinstance(root, Path) and isinstance(output, Path) and output.is_relative_to(root):
            below = output.relative_to(root)
            if not below.parts:
                continue  # no job makes the results as a whole
            is_ledger = below.parts[:1] == ("ledger",)
            yield root / FOLDER / (below.relative_to("ledger").with_suffix("") if is_ledger else below)


def read_failures(root: Path, has_shard: Callable[[str], bool] | None = None) -> dict[str, str]:
    """Failed job (stage, variant and shard, or a path) -> its message, for jobs that have not succeeded since.

    Args:
        root: the results.
        has_shard: whether a shard of this name still exists; failures of other shards are left out. None keeps all.
    """
    folder = root / FOLDER
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8").strip()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not path.name.startswith(TEMPORARY)
        and (has_shard is None or NAME.fullmatch(path.name) is None or has_shard(path.name))
    }
