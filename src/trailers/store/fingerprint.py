"""The fingerprint of a product, in sixteen hexadecimal digits: a digest of what it was made from.

It covers the stage's schema, the settings that shape the product and the fingerprints of what the stage read, but
never paths or times, so results can be moved.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any


def fingerprint(schema: str, settings: Any, *read: str) -> str:
    """Sixteen hexadecimal digits.

    Args:
        schema: stage and version, such as ``shots/1``; increase the number when the stage's behaviour changes.
        settings: a settings dataclass, or a mapping of plain values.
        read: fingerprints or sha256 sums of everything the stage reads, in a fixed order.
    """
    if dataclasses.is_dataclass(settings) and not isinstance(settings, type):
        settings = dataclasses.asdict(settings)
    text = json.dumps([schema, settings, list(read)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
