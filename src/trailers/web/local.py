"""Finds videos and posters on this machine, which are only read."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trailers.web.reasons import LinkError

# A link to itself or a name that is too long is treated like a missing file.
IMPOSSIBLE = (errno.ELOOP, errno.ENAMETOOLONG)


def find_local(base: Path, url: str) -> tuple[Path, dict[str, Any]]:
    """The file that ``url`` names, relative to ``base``, and facts that are known without reading it.

    Raises:
        LinkError: it does not exist or cannot be read.
    """
    source = base / url
    try:
        found = source.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise LinkError("not found", f"{source} does not exist", sentence="does not exist") from None
    except OSError as problem:
        if problem.errno in IMPOSSIBLE:
            sentence = f"cannot be opened: {problem.strerror}"
            raise LinkError("not found", f"{source} {sentence}", sentence=sentence) from None
        raise LinkError("other", f"{source}: {problem.strerror}", sentence=str(problem.strerror)) from None
    if not stat.S_ISREG(found.st_mode):
        raise LinkError("not found", f"{source} is not a file", sentence="is not a file")
    if not os.access(source, os.R_OK):
        sentence = "cannot be read: permission denied"
        raise LinkError("other", f"{source} {sentence}", sentence=sentence)
    facts = {"url": url, "final_url": "", "extractor": "file", "format": ""}
    return source, {**facts, "source_bytes": found.st_size, "source_mtime_ns": found.st_mtime_ns}


def version_of(base: Path, url: str) -> tuple[int, int] | None:
    """Size and time of the file that ``url`` names, which show when it was replaced; None if it does not exist."""
    try:
        found = (base / url).stat()
    except (OSError, ValueError):
        return None
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def recorded_versions(facts: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Path as in the manifest -> (size, time), for each file in the facts of a receipt, including refused files."""
    kept = [facts] if facts.get("extractor") == "file" else []
    items = [*kept, *facts.get("refused", ())]
    return {item["url"]: (item["source_bytes"], item["source_mtime_ns"]) for item in items if "source_mtime_ns" in item}


def has_changed(base: Path, facts: Mapping[str, Any]) -> bool:
    """Whether a file in the facts of a receipt has another size or time now; files that were removed do not count."""
    recorded = recorded_versions(facts)
    return any(version_of(base, url) not in (None, version) for url, version in recorded.items())


def check_unchanged(base: Path, facts: Mapping[str, Any]) -> None:
    """Raise LinkError if the user's file was changed or removed while it was read; the next run reads it again."""
    if version_of(base, facts["url"]) != (facts["source_bytes"], facts["source_mtime_ns"]):
        sentence = "was changed or removed while it was read"
        raise LinkError("other", f"{base / facts['url']} {sentence}", sentence=sentence)


def is_same_file(base: Path, facts: Mapping[str, Any], product: Path) -> bool:
    """Whether ``product`` is a hard link to the user's own file; earlier versions made such links."""
    try:
        return facts.get("extractor") == "file" and product.samefile(base / facts["url"])
    except OSError:
        return False


def reference_to(base: Path, url: str, folder: Path) -> str:
    """The path of the file for a receipt in ``folder``; relative if it is relative in the manifest, so that both can
    be moved together.
    """
    source = base / url
    return str(source) if Path(url).is_absolute() else os.path.relpath(source.absolute(), folder.absolute())
