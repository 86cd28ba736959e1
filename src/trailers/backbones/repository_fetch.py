"""Get a repository into the folder of the weights: fetched at one revision, or accepted if the user put it there."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

from trailers.backbones.names import LIBRARIES, Name, parse
from trailers.backbones.repository import CONFIG, check_complete, check_folder, wanted
from trailers.backbones.row import Row
from trailers.backbones.rows import ROWS, maker_of, recorded, repository_folder
from trailers.backbones.weights import Lock, check_weights, lock_at
from trailers.domain import folder_name
from trailers.errors import WeightsError
from trailers.web.hub import STATE, Listing, endpoint, fetch_file, forget_state, list_repository

log = logging.getLogger(__name__)


def has_repository(text: str) -> bool:
    """Whether everything about the backbone of this name is fetched. Raises ConfigError if the name is not valid."""
    name = None if text in ROWS else parse(text)
    return name is not None and LIBRARIES[name.library].has_repositories


def fetch_repository(name: Name, weights_dir: Path) -> tuple[Row, str, bool]:
    """The row of a repository that is complete on disk, its commit, and whether something was fetched.

    A recorded repository keeps its revision; a folder that the user put there is accepted as it is.

    Raises:
        ConfigError: it cannot be a backbone, or its library is not installed.
        WeightsError: it cannot be fetched, or differs from what was recorded.
    """
    maker = maker_of(name.library)
    maker.require(str(name))
    folder = weights_dir / repository_folder(name)
    known = recorded(str(name), weights_dir)
    lock = lock_at(weights_dir / f"{folder_name(str(name))}.json")
    if known is not None and lock is not None and is_right(known, weights_dir):
        return known, lock.revision, False
    other = lock or lock_of_another_choice(folder)
    if other is None and is_by_hand(folder):
        return maker.describe(name, folder), "", False
    listing = list_repository(name.model, other.revision if other is not None else "")
    fetch_files(name, listing, folder)
    url = f"{endpoint()}/{name.model}"
    row: Row = maker.describe(name, folder, revision=listing.revision, licence=listing.licence, url=url)
    forget_state(folder)
    return row, listing.revision, True


def is_right(row: Row, weights_dir: Path) -> bool:
    try:
        check_weights(row, weights_dir)
    except WeightsError as problem:
        log.info("weights: %s: fetched again: %s", row.name, problem)
        return False
    return True


def lock_of_another_choice(folder: Path) -> Lock | None:
    """The record of the same repository under a name with other choices."""
    for path in sorted(folder.parent.glob(f"{folder.name}*.json")):
        with contextlib.suppress(WeightsError):
            lock = lock_at(path)
            if lock is not None and lock.file == folder.name:
                return lock
    return None


def is_by_hand(folder: Path) -> bool:
    """Whether the folder contains a complete repository that this project has not fetched."""
    if not folder.is_dir() or (folder / STATE).exists():
        return False
    check_folder(folder)
    return True


def fetch_files(name: Name, listing: Listing, folder: Path) -> None:
    """Fetches every used file, small ones first, so that an unusable repository is refused early."""
    by_name = {file.name: file for file in listing.files}
    check_complete(by_name, f"{endpoint()}/{name.model}")
    folder.mkdir(parents=True, exist_ok=True)
    files = sorted((by_name[file] for file in wanted(by_name)), key=lambda file: file.size)
    fetch_file(listing, by_name[CONFIG], folder)
    maker_of(name.library).check_config(name, folder)
    for file in files:
        fetch_file(listing, file, folder)
    check_folder(folder)
