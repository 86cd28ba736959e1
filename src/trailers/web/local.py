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
        raise LinkError("other", f"{source} may not be read", sentence="may not be read")
    facts = {"url": url, "final_url": "", "extractor": "file", "format": ""}
    return source, {**facts, "source_bytes": found.st_size, "source_mtime_ns": found.st_mtime_ns}


def has_changed(base: Path, facts: Mapping[str, Any]) -> bool:
    """Whether the file that was downloaded has another size or time now; one that is gone has done its part."""
    if facts.get("extractor") != "file":
        return False
    try:
        found = (base / facts["url"]).stat()
    except OSError:
        return False
    return (found.st_size, found.st_mtime_ns) != (facts.get("source_bytes"), facts.get("source_mtime_ns"))


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
