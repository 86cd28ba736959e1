"""Remove the absolute paths of this machine from texts that go into a report."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# An absolute path with one or more folders; in a web address the slashes follow other characters.
ABSOLUTE = re.compile(r"(?:file://|(?<![\w.:/~-]))~?/(?:[^\s/:;,'\"()<>]+/)+([^\s/:;,'\"()<>]*)")


def without_local_paths(value: Any) -> Any:
    """``value`` with all absolute paths made relative to the working folder, or reduced to the file's name."""
    if isinstance(value, str):
        return ABSOLUTE.sub(r"\1", value.replace(f"{Path.cwd()}/", ""))
    if isinstance(value, Mapping):
        return {key: without_local_paths(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(without_local_paths(held) for held in value)
    return value


def shown_path(path: Path) -> str:
    """The path relative to the working folder; only its name if it is elsewhere."""
    return str(path.resolve().relative_to(Path.cwd())) if path.resolve().is_relative_to(Path.cwd()) else path.name
