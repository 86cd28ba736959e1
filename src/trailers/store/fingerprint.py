"""What a product was made from, in sixteen hexadecimal digits.

A fingerprint digests the stage's schema version, the settings that shape the product and the
fingerprints of what it read. It never digests paths or times, so results can move.
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
        schema: stage and version, such as ``shots/1``; bump it when the stage's behaviour changes.
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
