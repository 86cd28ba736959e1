"""Warnings about backbones for which frames of the 24 fps videos are enlarged. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from trailers.backbones.names import Name, parse
from trailers.backbones.row import Row
from trailers.backbones.rows import ROWS, recorded

USUAL = 224  # side in px that most networks with several sizes accept


def short_side_of(row: Row) -> int:
    """The shorter side in px to which a frame is resized for ``row``."""
    return min(row.transform.resize)


def enlargement_warning(name: str, side: int, kept: int | None) -> str:
    """A warning with a remedy if frames are enlarged for a backbone; otherwise empty.

    Args:
        name: name of the backbone.
        side: the shorter side in px to which frames are resized for it.
        kept: that of the 24 fps videos, ``normalise.short_side``; None means that of each video, which is not known.
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
    """The name of the same timm model at the usual size; empty for other libraries and if the name chooses a size."""
    parsed = None if name in ROWS else parse(name)
    if parsed is None or parsed.library != "timm" or parsed.choice("size"):
        return ""
    return str(Name(parsed.library, parsed.model, tuple(sorted((*parsed.choices, ("size", str(USUAL)))))))


def enlarged(names: Iterable[str], weights_dir: Path, kept: int | None) -> list[str]:
    """A warning per backbone that is known without importing a library. Raises WeightsError."""
    rows = [ROWS[name] if name in ROWS else recorded(name, weights_dir) for name in dict.fromkeys(names)]
    found = [enlargement_warning(row.name, short_side_of(row), kept) for row in rows if row is not None]
    return [words for words in found if words]
