"""Backbones that see trailers larger than they are kept: what is to be said of them. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from trailers.backbones.names import Name, parse
from trailers.backbones.row import Row
from trailers.backbones.rows import ROWS, recorded

USUAL = 224  # px of the side that most networks of several sizes take


def short_side_of(row: Row) -> int:
    """The shorter side, in pixels, that a frame is resized to for ``row``."""
    return min(row.transform.resize)


def enlargement_warning(name: str, side: int, kept: int | None) -> str:
    """One sentence when frames are enlarged for a backbone, and the remedy; empty when they are not.

    Args:
        name: of the backbone.
        side: the shorter side, in pixels, that frames are resized to for it.
        kept: that of the 24 fps videos, ``normalise.short_side``; None keeps each video's own, which is not known.
    """
    if kept is None or side <= kept:
        return ""
    smaller = smaller_name(name)
    other = f" or, where the model offers it, write {smaller}" if smaller else ""
    return (
        f"{name} takes frames with a short side of {side} px, but normalise.short_side keeps {kept}: frames are "
        f"enlarged, which adds time and no detail. Raise normalise.short_side to {side}{other}."
    )


def smaller_name(name: str) -> str:
    """The same model of timm at the usual size; empty for others, and where the name chooses a size."""
    parsed = None if name in ROWS else parse(name)
    if parsed is None or parsed.library != "timm" or parsed.choice("size"):
        return ""
    return str(Name(parsed.library, parsed.model, tuple(sorted((*parsed.choices, ("size", str(USUAL)))))))


def enlarged(names: Iterable[str], weights_dir: Path, kept: int | None) -> list[str]:
    """A sentence per backbone, of those that are known without importing a library. Raises WeightsError."""
    rows = [ROWS[name] if name in ROWS else recorded(name, weights_dir) for name in dict.fromkeys(names)]
    told = [enlargement_warning(row.name, short_side_of(row), kept) for row in rows if row is not None]
    return [words for words in told if words]
