"""sha256 of large files without reading them each time that Snakemake plans."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from trailers.machine.notice import notice_if_slow
from trailers.store.atomic import write_text
from trailers.store.fingerprint import sha256_of
from trailers.store.text import size_text

CACHE = Path(".snakemake") / "trailers" / "digests.json"  # of the working folder, as what else Snakemake remembers


def remembered_sha256(path: Path, cache: Path = CACHE) -> str:
    """The sha256 of ``path``, read anew only when its size, time or inode is another than in ``cache``; "" without it.

    Writes ``cache`` where that can be written.
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
    with contextlib.suppress(OSError):  # a folder that is only read; the digest is known all the same
        write_text(cache, json.dumps({**known, key: [identity, digest]}, indent=1, sort_keys=True))
    return digest


def read_cache(cache: Path) -> dict[str, object]:
    try:
        known = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
