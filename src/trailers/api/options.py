"""Settings of a call, which override those of config.yaml, and the bar that shows its progress."""

from __future__ import annotations

import dataclasses
import difflib
import sys
from collections.abc import Mapping
from typing import Any, TypeVar

from trailers.config import defaults
from trailers.errors import ConfigError
from trailers.settings import from_section

Chosen = TypeVar("Chosen")
Working = TypeVar("Working")


def settings_of(
    section: str, kinds: tuple[type[Chosen], type[Working]], changes: Mapping[str, Any]
) -> tuple[Chosen, Working]:
    """The settings of ``section`` in config.yaml with ``changes``, as one dataclass for each of ``kinds``.

    Raises:
        ConfigError: a setting does not exist or has an invalid value.
    """
    known = {field.name for kind in kinds for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for name in changes:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            first = f"Did you mean {close[0]}? " if close else ""
            raise ConfigError(f"{section} has no setting '{name}'", remedy=f"{first}Known settings: {listed(known)}.")
    values = {**defaults(section), **changes}
    return from_section(kinds[0], values), from_section(kinds[1], values)


def listed(names: set[str]) -> str:
    return ", ".join(sorted(names))


def bar(words: str, *, total: int, unit: str, shown: bool | None) -> Any:
    """A tqdm bar; if ``shown`` is None, it is drawn only in a terminal or a notebook."""
    from tqdm.auto import tqdm

    is_shown = sys.stderr.isatty() or is_notebook() if shown is None else shown
    return tqdm(total=total, desc=words, unit=unit, disable=not is_shown)


def is_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return "IPKernelApp" in getattr(shell, "config", {})
