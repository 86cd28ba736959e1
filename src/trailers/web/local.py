"""Videos and posters on this machine: read, never altered."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trailers.web.reasons import LinkError


def find_local(base: Path, url: str) -> tuple[Path, dict[str, Any]]:
    """The file that ``url`` names, relative to ``base``, and what is known of it without reading it.

    Raises:
        LinkError: there is no file that can be read.
    """
    source = base / url
    try:
        found = source.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise LinkError("not found", f"{source} does not exist", sentence="does not exist") from None
    except OSError as problem:
        raise LinkError("other", f"{source}: {problem.strerror}", sentence=str(problem.strerror)) from None
    if not stat.S_ISREG(found.st_mode):
        raise LinkError("not found", f"{source} is not a file", sentence="is not a file")
    if not os.access(source, os.R_OK):
        raise LinkError(
            "other", f"{source} cannot be read for lack of permission", sentence="cannot be read for lack of permission"
        )
    facts = {"url": url, "final_url": "", "extractor": "file", "format": ""}
    return source, {**facts, "source_bytes": found.st_size, "source_mtime_ns": found.st_mtime_ns}


def version_of(base: Path, url: str) -> tuple[int, int] | None:
    """Size and time of the file that ``url`` names, which tell that it was replaced; None where it is not there."""
    try:
        found = (base / url).stat()
    except (OSError, ValueError):
        return None
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def recorded_versions(facts: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Path, as the manifest has it -> size and time, of each file that a receipt speaks of, the refused ones too."""
    kept = [facts] if facts.get("extractor") == "file" else []
    items = [*kept, *facts.get("refused", ())]
    return {item["url"]: (item["source_bytes"], item["source_mtime_ns"]) for item in items if "source_mtime_ns" in item}


def has_changed(base: Path, facts: Mapping[str, Any]) -> bool:
    """Whether a file that a receipt speaks of has another size or time now; one that is gone has done its part."""
    recorded = recorded_versions(facts)
    return any(version_of(base, url) not in (None, version) for url, version in recorded.items())


def is_same_file(base: Path, facts: Mapping[str, Any], product: Path) -> bool:
    """Whether ``product`` is a hard link to the user's own file, as earlier versions made them."""
    try:
        return facts.get("extractor") == "file" and product.samefile(base / facts["url"])
    except OSError:
        return False


def reference_to(base: Path, url: str, folder: Path) -> str:
    """How a receipt in ``folder`` names the file: as the manifest does, absolute or relative, so that both can move."""
    source = base / url
    return str(source) if Path(url).is_absolute() else os.path.relpath(source.absolute(), folder.absolute())
