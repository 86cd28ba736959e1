"""Fetch and check weights once, on a machine with network access, so that compute nodes do not need it.

in   the links of the backbones
out  {weights_dir}/{file}              as published, or the folder of a repository
     {weights_dir}/{backbone}.json     sha256, size and link, and for a library's model its description

Existing correct files are kept, and damaged ones are fetched again. For weights without a link, the error message says
where to get them.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import logging
import re
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trailers.backbones.hub_fetch import fetch_tokenizer, fetch_weights, is_on_hub
from trailers.backbones.names import parse
from trailers.backbones.repository import LockedFile, lock_files
from trailers.backbones.repository_fetch import fetch_repository, has_repository
from trailers.backbones.row import About, Row
from trailers.backbones.rows import ROWS, described, find_row, recorded, row_values
from trailers.backbones.weights import (
    FETCH_REMEDY,
    check_weights,
    lock_at,
    lock_path,
    posing_as,
    read_lock,
    weights_path,
)
from trailers.config import defaults
from trailers.domain import folder_name
from trailers.errors import MACHINE, WeightsError
from trailers.store.atomic import atomic, write_text
from trailers.store.text import size_text

log = logging.getLogger(__name__)

TIMEOUT_S = 60
TRIES = 4
WAIT_S = 1.0  # before the second try; doubles
BLOCK = 2**20

SHA256 = re.compile(r'"?([0-9a-f]{64})"?', re.ASCII)


def add_flags(parser: argparse.ArgumentParser) -> None:
    section = defaults("embed")
    names = section.get("backbones") or list(ROWS)
    parser.add_argument("--backbones", nargs="+", default=names, help=f"names ({' '.join(names)})")
    folder = section.get("weights_dir", "weights")
    parser.add_argument("--weights-dir", type=Path, default=Path(folder), help=f"folder of the weights ({folder})")
    parser.add_argument("--check", action="store_true", help="check existing files; fetch nothing")


def run(arguments: argparse.Namespace) -> int:
    """Tries every backbone, then raises the error of the first one that failed."""
    problems = []
    for name in dict.fromkeys(arguments.backbones):
        try:
            if not arguments.check:
                remove_damaged_record(name, arguments.weights_dir)
            if not arguments.check and has_repository(name):
                fetch_repository_if_needed(name, arguments.weights_dir)
                continue
            row = find_row(name, arguments.weights_dir) if arguments.check else whole_row(name, arguments.weights_dir)
            if arguments.check:
                log.info("weights: %s: present, sha256 %s", name, check_weights(row, arguments.weights_dir))
            else:
                fetch_if_needed(row, arguments.weights_dir)
        except WeightsError as problem:
            log.info("weights: %s: %s", name, problem)
            problems.append(problem)
    if problems:
        raise problems[0]
    return 0


def remove_damaged_record(name: str, folder: Path) -> None:
    """Removes an unreadable record of a backbone's weights; it is later written again from the weights."""
    path = folder / f"{folder_name(name)}.json"
    try:
        lock_at(path)
        recorded(name, folder)
    except WeightsError as problem:
        if path.is_dir() and not path.is_symlink():
            raise
        log.warning("weights: %s: %s: it will be removed and written again", name, problem.what)
        path.unlink()


def whole_row(name: str, folder: Path) -> Row:
    """The row called ``name``; one that an earlier version recorded without ``about`` is described again."""
    row = find_row(name, folder)
    parsed = None if row.name in ROWS or row.make is not None else parse(row.name)
    return described(parsed, folder) if parsed is not None and row.about == About() else row


def fetch_if_needed(row: Row, folder: Path) -> None:
    """Keeps correct weights, fetches missing or damaged ones, and records them."""
    path = weights_path(row, folder)
    lock = read_lock(row, folder)
    revision = "" if lock is None else lock.revision
    try:
        found = check_weights(row, folder)
        log.info("weights: %s: present, sha256 %s", row.name, found)
    except WeightsError as problem:
        if not row.weights.url:
            raise
        if path.exists():
            log.info("weights: %s: fetched again: %s", row.name, problem)
        pinned = row.weights.sha256 or (lock.sha256 if lock is not None else "")
        if is_on_hub(row):
            row, found, revision = fetch_weights(row, path, pinned=pinned, revision=revision)
        else:
            found = fetch(row, path, pinned=pinned)
    if path.parent == folder:
        write_lock(row, folder, found, revision, fetch_tokenizer(row, folder))


def fetch_repository_if_needed(text: str, folder: Path) -> None:
    """Keeps a correct repository, fetches a missing or damaged one, and records it."""
    name = parse(text)
    assert name is not None
    row, revision, is_new = fetch_repository(name, folder)
    found = check_weights(row, folder)
    if not is_new:
        log.info("weights: %s: present, sha256 %s", row.name, found)
    write_lock(row, folder, found, revision)


def write_lock(
    row: Row, folder: Path, sha256: str, revision: str = "", tokenizer: Mapping[str, LockedFile] | None = None
) -> None:
    """Records the weights, or every file of a repository, and the tokenizer that belongs to weights."""
    path = weights_path(row, folder)
    status = path.stat()
    lock: dict[str, Any] = {
        "file": path.name,
        "sha256": sha256,
        "bytes": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "url": row.weights.url,
    }
    if row.is_repository:
        files = lock_files(path)
        lock |= {"revision": revision, "files": {name: asdict(file) for name, file in files.items()}}
        lock |= {"bytes": sum(file.bytes for file in files.values())}
    elif revision or tokenizer:
        lock |= {"revision": revision, "files": {name: asdict(file) for name, file in (tokenizer or {}).items()}}
    values: dict[str, Any] = {"lock": lock}
    if row.name not in ROWS and row.make is None:
        values["row"] = row_values(row)
    text = json.dumps(values, indent=1, sort_keys=True) + "\n"
    target = lock_path(row, folder)
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        write_text(target, text)


def fetch(row: Row, path: Path, *, pinned: str) -> str:
    """Downloads the weights to ``path`` and returns their sha256; tries again if the network fails.

    Args:
        row: the backbone.
        path: where they go.
        pinned: first digits of the expected sha256; if empty, the digits that the host announces are expected.

    Raises:
        WeightsError: they cannot be downloaded, or are not the expected ones.
    """
    if not row.weights.url.startswith(("https://", "http://")):
        raise WeightsError(f"{row.name}: '{row.weights.url}' is not a web link. Correct the row's weights.")
    for number in range(TRIES):
        try:
            return download(row, path, pinned)
        except (OSError, http.client.HTTPException) as problem:
            if isinstance(problem, OSError) and problem.errno in MACHINE:
                raise
            final = isinstance(problem, urllib.error.HTTPError) and problem.code < 500 and problem.code != 429
            if final or number == TRIES - 1:
                raise WeightsError(
                    f"{row.name}: {row.weights.url} cannot be fetched: {problem}. {FETCH_REMEDY}, or put the file "
                    f"at {path}."
                ) from None
            log.info("weights: %s: %s; retrying", row.name, problem)
            time.sleep(WAIT_S * 2**number)
    raise AssertionError("the last try returns or raises")


def download(row: Row, path: Path, pinned: str) -> str:
    request = urllib.request.Request(row.weights.url, headers={"User-Agent": "trailers"})  # noqa: S310  scheme checked
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer, atomic(path) as temporary:  # noqa: S310
        size = int(answer.headers.get("Content-Length") or 0)
        log.info("weights: %s: fetching %s%s", row.name, row.weights.url, f", {size_text(size)}" if size else "")
        digest, count = hashlib.sha256(), 0
        with temporary.open("wb") as file:
            while block := answer.read(BLOCK):
                file.write(block)
                digest.update(block)
                count += len(block)
        if size and count < size:
            raise OSError(f"the connection broke after {count:,} of {size:,} bytes")
        check_fetched(row, temporary, digest.hexdigest(), pinned or announced_digits(answer.headers))
    log.info("weights: %s: %s, %s, sha256 %s", row.name, path, size_text(count), digest.hexdigest())
    return digest.hexdigest()


def announced_digits(headers: Any) -> str:
    """The sha256 that Hugging Face announces with a file; empty on other sites."""
    announced = SHA256.fullmatch(headers.get("X-Linked-Etag") or "")
    return announced[1] if announced else ""


def check_fetched(row: Row, file: Path, found: str, wanted: str) -> None:
    kind = posing_as(file)
    if kind or not found.startswith(wanted):
        what = f"is {kind}" if kind else f"has sha256 {found[:16]}..., not {wanted[:16]}"
        raise WeightsError(f"{row.name}: the file from {row.weights.url} {what}. It was discarded; check the link.")
