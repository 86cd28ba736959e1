"""The sha256 of large files, which are not read again each time Snakemake plans."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from trailers.machine.notice import notice_if_slow
from trailers.store.atomic import write_text
from trailers.store.fingerprint import sha256_of
from trailers.store.text import size_text

CACHE = Path(".snakemake") / "trailers" / "digests.json"  # in the working folder, like Snakemake's own records


def remembered_sha256(path: Path, cache: Path = CACHE) -> str:
    """The sha256 of ``path``, or "" if it does not exist.

    It is computed only if size, time or inode of the file differ from those in ``cache``, which is updated if it can be
    written.
    """
    try:
        status = path.stat()
    except OSError:
        return ""
    identity = [status.st_size, status.st_mtime_ns, status.st_ino]
    known = read_cache(cache)
    key = str(path.absolute())
    entry = known.get(key)
    if isinstance(entry, list) and len(entry) == 2 and entry[0] == identity and isinstance(entry[1], str):
        return entry[1]
    try:
        with notice_if_slow(f"computing the sha256 of {path}, {size_text(status.st_size)}, once"):
            digest = sha256_of(path)
    except OSError:
        return ""
    with contextlib.suppress(OSError):  # a read-only folder; then the digest is computed each time
        write_text(cache, json.dumps({**known, key: [identity, digest]}, indent=1, sort_keys=True))
    return digest


def read_cache(cache: Path) -> dict[str, object]:
    try:
        known = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
