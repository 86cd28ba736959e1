"""The genres of a data set: config.yaml, genres. By default the paper's ten.

Their order is the order of columns, of a classifier's outputs and of rows in tables.
"""

from __future__ import annotations

import argparse
import difflib
import functools
import shlex
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from trailers.config import config_files
from trailers.domain import GENRES
from trailers.errors import ConfigError, StoreError
from trailers.yaml_file import read_yaml

FEWEST, MOST = 2, 50
LONGEST = 40  # letters of a name, which is the title of a column and a label in figures
PUNCTUATION = " -_&+.()'"
# Titles of other columns of predictions.csv.
TAKEN, TAKEN_PREFIX = ("trailer", "subset"), "is_"
WHERE = "config.yaml, genres"


def checked_genres(names: Any, where: object = WHERE) -> tuple[str, ...]:
    """The names in the form in which manifests are read: lower case, composed letters.

    Raises:
        ConfigError: it is not a list of names, or a name cannot be used in a manifest or a table.
    """
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        what = f"must be a list of names in quotes, got {str(names)[:80]}"
        raise ConfigError(what, where=where, remedy="Write it like [action, drama].")
    found = tuple(normal_genre(name) for name in names)
    if not FEWEST <= len(found) <= MOST:
        raise ConfigError(
            f"expected {FEWEST} to {MOST} genres, got {len(found):,}", where=where, remedy="Correct the list."
        )
    for name in found:
        check_name(name, where)
    twice = [name for name in found if found.count(name) > 1]
    if twice:
        raise ConfigError(f"'{twice[0]}' is listed twice", where=where, remedy="Remove one; case does not matter.")
    return found


def normal_genre(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip().lower())


def check_name(name: str, where: object) -> None:
    shown = name if len(name) <= LONGEST else f"{name[:LONGEST]}..."
    if not 0 < len(name) <= LONGEST:
        what = f"'{shown}' has {len(name):,} letters"
        raise ConfigError(what, where=where, remedy=f"Give a name of 1 to {LONGEST} letters.")
    strange = [letter for letter in name if not is_plain(letter)]
    if strange or name[0] in PUNCTUATION or name[-1] in " '":
        what = f"'{shown}' cannot be used in manifests and tables"
        remedy = f"Use letters, digits, blanks and {PUNCTUATION.strip()}, and start with a letter or digit."
        raise ConfigError(what, where=where, remedy=remedy)
    if name in TAKEN or name.startswith(TAKEN_PREFIX):
        raise ConfigError(
            f"'{name}' is the name of another column of predictions.csv", where=where, remedy="Rename it."
        )


def is_plain(letter: str) -> bool:
    """Whether it is a letter, a combining mark, a digit, or punctuation that no file format uses as a separator."""
    return unicodedata.category(letter)[0] in "LMN" or letter in PUNCTUATION


def configured_genres() -> tuple[str, ...]:
    """The list of the working folder's config.yaml, otherwise that of the project's. Raises ConfigError."""
    found: Any = None
    for path in config_files():
        status = path.stat()
        own = list_in(path.absolute(), status.st_mtime_ns, status.st_size)
        found = found if own is None else own
    return GENRES if found is None else checked_genres(found)


@functools.cache  # every job asks several times, and reading the file takes longer than the rest
def list_in(path: Path, mtime_ns: int, size: int) -> Any:  # noqa: ARG001  a changed file is another key of the cache
    return read_yaml(path).get("genres")


def add_genres_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--genres", nargs="+", metavar="GENRE", help="genres of the data set (those of config.yaml)")


def genres_of(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The genres that ``--genres`` gives, otherwise the configured ones. Raises ConfigError."""
    given: Sequence[str] | None = arguments.genres
    return configured_genres() if given is None else checked_genres(given, "--genres")


def genres_flag(genres: Iterable[str]) -> str:
    """The flag of a command, quoted for a shell."""
    return shlex.join(["--genres", *genres])


def changed_genres_flag(genres: Sequence[str]) -> str:
    """As ``genres_flag``, but empty for the paper's ten: they are the default, and no finished job reruns."""
    return "" if tuple(genres) == configured_genres() == GENRES else genres_flag(genres)


def near_genre(name: str, genres: Sequence[str]) -> str:
    """The question "Did you mean ...?" for a remedy if ``name`` is similar to one of ``genres``, otherwise empty."""
    near = difflib.get_close_matches(name, genres, n=1)
    return f"Did you mean {near[0]}? " if near else ""


def check_same(found: Sequence[str], wanted: Sequence[str], where: object) -> None:
    """Raises StoreError if ``found``, the genres on which an experiment was trained, are not those of the data set."""
    if tuple(found) == tuple(wanted):
        return
    differences = [f"knows {name}" for name in found if name not in wanted]
    differences += [f"lacks {name}" for name in wanted if name not in found]
    more = f" and {len(differences) - 3:,} more" if len(differences) > 3 else ""
    what = ", ".join(differences[:3]) + more if differences else "has them in another order"
    raise StoreError(
        f"was trained on different genres than config.yaml lists: it {what}", where=where,
        remedy="Rerun snakemake to train it again, or restore the list.",
    )  # fmt: skip
