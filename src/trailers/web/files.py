"""Downloads one plain file with a known digest; an interrupted download is resumed."""

from __future__ import annotations

import hashlib
import http.client
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from trailers.errors import MACHINE, StoreError

log = logging.getLogger(__name__)

TIMEOUT_S = 60
TRIES = 5
WAIT_S = 1.0  # before the second try; doubles
BLOCK = 1 << 20
PARTIAL = ".partial"


def md5_of(path: Path) -> str:
    """Hexadecimal MD5 of a file, which the host publishes; it protects only against accidental damage."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def size_of(url: str) -> int | None:
    """The size in bytes that ``url`` states; None if it does not, or cannot be reached."""
    request = urllib.request.Request(checked(url), headers={"User-Agent": "trailers"}, method="HEAD")  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            return int(answer.headers["Content-Length"])
    except (OSError, http.client.HTTPException, TypeError, ValueError):
        return None


def checked(url: str) -> str:
    if not url.startswith(("https://", "http://")):
        raise StoreError("is not a web link", where=url, remedy="Give a link that starts with https://.")
    return url


def fetch(url: str, path: Path, *, md5: str, report: Callable[[int, int], None]) -> None:
    """Download ``url`` to ``path``, resuming an earlier try; ``path`` appears only if its MD5 is right.

    Args:
        url: address of the file.
        path: path of the finished file; unfinished bytes are in ``{path}.partial``.
        md5: expected MD5.
        report: called with the number of bytes so far and in total, 0 if unknown.

    Raises:
        StoreError: the file cannot be downloaded, or is another file than expected.
        OSError: this machine cannot write it.
    """
    partial = path.with_name(path.name + PARTIAL)
    for number in range(TRIES):
        try:
            receive(url, partial, report)
            break
        except (OSError, http.client.HTTPException) as problem:
            if isinstance(problem, OSError) and problem.errno in MACHINE:
                raise OSError(problem.errno, problem.strerror, str(partial)) from problem
            final = isinstance(problem, urllib.error.HTTPError) and problem.code < 500 and problem.code != 429
            if final or number == TRIES - 1:
                remedy = f"Rerun the command to resume, or put the file at {path}."
                raise StoreError(f"cannot be fetched: {problem}", where=url, remedy=remedy) from None
            log.info("%s: %s; retrying", url, problem)
            time.sleep(WAIT_S * 2**number)
    found = md5_of(partial)
    if found != md5:
        partial.unlink()
        raise StoreError(f"has MD5 {found}, expected {md5}", where=url, remedy="Fetch it again, or ask its publisher.")
    partial.rename(path)


def receive(url: str, partial: Path, report: Callable[[int, int], None]) -> None:
    """Append the missing bytes of ``url`` to ``partial``. Raises OSError or HTTPException."""
    have = partial.stat().st_size if partial.exists() else 0
    headers = {"User-Agent": "trailers", **({"Range": f"bytes={have}-"} if have else {})}
    request = urllib.request.Request(checked(url), headers=headers)  # noqa: S310
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_S)  # noqa: S310
    except urllib.error.HTTPError as problem:
        if problem.code == 416 and have:  # no byte is missing; the digest is checked later
            return
        raise
    with answer:
        # A server that ignores Range sends the whole file. The MD5 shows in the end if two versions were joined.
        resumed = answer.status == 206 and have > 0
        done = have if resumed else 0
        size = done + int(answer.headers.get("Content-Length") or 0)
        with partial.open("ab" if resumed else "wb") as file:
            while block := answer.read(BLOCK):
                file.write(block)
                done += len(block)
                report(done, size)
        if done < size:
            raise OSError(f"the connection broke after {done:,} of {size:,} bytes")
