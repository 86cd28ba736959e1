"""Check every product on disk; with --repair, remove exactly the wrong ones.

in   everything below results/
out  one line per problem; exit status 1 if there is any

Each stage checks that its products are whole, that their checksums are right, and that they were made from the
current products of the previous stage. Every product must also match its ledger. Temporary files of killed jobs and
times in the future are listed too. Files are read in a child process, so that a file that crashes its library is
reported like any other problem.

The next `snakemake` run makes removed products again: --repair also raises the number of attempts of their shards,
which makes Snakemake rerun them. Files that this project did not make are never removed, and links are not followed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from trailers.errors import ConfigError
from trailers.stages import registry
from trailers.store.layout import Layout
from trailers.tools.verify.claims import Claims, Found, keys_on_disk, read_claims
from trailers.tools.verify.folder import from_the_future, leftovers, other_files, others, repair, shard_lists
from trailers.tools.verify.products import examine, examine_study

LEFTOVER_S = 600  # a temporary file of a process that has ended is left over if it was not written to for this time
SHOWN = 5  # number of files that are named as left alone
UNCHECKED = (
    "whether products match the settings of config.yaml (run `snakemake -n`)",
    "reports, tables, figures and exports, which can be made again",
    "weights of backbones (`python -m trailers doctor`)",
)


def folders() -> list[str]:
    """The values that --stages accepts."""
    return [*dict.fromkeys(entry.ledgers for entry in registry.STAGES), *others()]


def find_all(layout: Layout, claims: Claims, wanted: Sequence[str], *, deep: bool, older_s: float) -> Iterator[Found]:
    for key in keys_on_disk(layout, claims):
        if key[0] in wanted:
            yield from examine(layout, claims, key, deep=deep)
    for entry in registry.STUDY_STAGES:
        if entry.name in wanted:
            yield from examine_study(layout, entry)
    yield from (found for found in shard_lists(layout) if found.folder in wanted)
    yield from (found for found in from_the_future(layout) if found.folder in wanted)
    yield from leftovers(layout.root, older_s=older_s)


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="FOLDER", help="folder of all products"
    )
    parser.add_argument(
        "--stages", nargs="+", choices=folders(), default=folders(), help="check only these stages (default: all)"
    )
    parser.add_argument("--deep", action="store_true", help="also read all videos completely and compare their sha256")
    parser.add_argument("--repair", action="store_true", help="remove wrong products; the next run makes them again")
    parser.add_argument(
        "--older-s", type=float, default=LEFTOVER_S, metavar="S",
        help="age of temporary files that count as left over (%(default)s); younger ones may be in use",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    layout = Layout(arguments.results)
    if not layout.root.is_dir():
        raise ConfigError("is not a directory", where=layout.root, remedy="Give the results folder with --results.")
    claims, damaged = read_claims(layout)
    found = [item for item in damaged if item.folder in arguments.stages]
    found += find_all(layout, claims, arguments.stages, deep=arguments.deep, older_s=arguments.older_s)
    for item in found:
        print(f"{item.problem.path}: {item.problem.what}")
    status = conclude(found, layout, claims, is_repaired=arguments.repair)
    keys = [key for key in keys_on_disk(layout, claims) if key[0] in arguments.stages]
    for line in not_checked(other_files(layout, claims, keys), deep=arguments.deep):
        print(line)
    return status


def conclude(found: Sequence[Found], layout: Layout, claims: Claims, *, is_repaired: bool) -> int:
    """Repairs if requested, and prints a summary; returns the exit status."""
    if not found:
        print("No problems found.")
        return 0
    problems = "1 problem" if len(found) == 1 else f"{len(found):,} problems"
    if not is_repaired:
        print(f"{problems}. --repair removes what is damaged; rerun snakemake afterwards.")
        return 1
    removed, refused = repair(found, layout, claims)
    for problem in refused:
        print(f"not removed: {problem}")
    if removed:
        files = "1 file is" if len(removed) == 1 else f"{len(removed):,} files are"
        print(f"{problems}; {files} removed. Rerun snakemake to make them again.")
    else:
        print(f"{problems}; no file had to be removed. Rerun snakemake.")
    return 1 if refused else 0


def not_checked(files: Sequence[Path], *, deep: bool) -> Iterator[str]:
    """The lines that list what was not checked."""
    if files:
        shown = ", ".join(map(str, files[:SHOWN])) + (", ..." if len(files) > SHOWN else "")
        yield f"Left alone, because they are not products: {shown} ({len(files):,} in all)."
    digests = () if deep else ("the sha256 of videos (--deep)",)
    yield f"Not checked: {'; '.join((*digests, *UNCHECKED))}."
