"""Where a project lies is not a fact about a study: paths of a machine do not go into a report."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# An absolute path of at least one folder; in an address of the web the slashes follow other characters.
ABSOLUTE = re.compile(r"(?:file://|(?<![\w.:/~-]))~?/(?:[^\s/:;,'\"()<>]+/)+([^\s/:;,'\"()<>]*)")


def without_local_paths(value: Any) -> Any:
    """``value`` with absolute paths relative to the working folder, else as bare names; in all that it holds."""
    if isinstance(value, str):
        return ABSOLUTE.sub(r"\1", value.replace(f"{Path.cwd()}/", ""))
    if isinstance(value, Mapping):
        return {key: without_local_paths(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(without_local_paths(held) for held in value)
    return value


def shown_path(path: Path) -> str:
    """As it reads from the working folder; its name where it lies elsewhere."""
    return str(path.resolve().relative_to(Path.cwd())) if path.resolve().is_relative_to(Path.cwd()) else path.name
