"""The flags and picture fingerprints of one trailer: JSON, schema ``quality/1``.

results/quality/tt0133093.json   schema, trailer, fingerprint, frames, picture, measures, flags, pictures
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from trailers.errors import StoreError
from trailers.store.atomic import write_text
from trailers.store.json_file import read_product

SCHEMA = "quality/1"
BYTES = 16  # per fingerprint of a picture
REMEDY = "Remove it and rerun the quality stage."


@dataclass(frozen=True)
class FlagRow:
    """One flag with its reason and spans; no spans if it concerns the whole trailer."""

    flag: str
    reason: str
    spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class QualityFile:
    """The content of the file of one trailer."""

    trailer: str
    fingerprint: str
    frames: int
    picture: Mapping[str, int]  # the 24 fps video and the bars in it, px
    measures: Mapping[str, float]
    flags: tuple[FlagRow, ...]
    picture_frames: np.ndarray  # int64 (pictures,), ascending: the frames that were fingerprinted
    prints: Mapping[str, np.ndarray] = field(default_factory=dict)  # view -> uint8 (pictures, 16)

    def __post_init__(self) -> None:
        count = len(self.picture_frames)
        if any(prints.shape != (count, BYTES) or prints.dtype != np.uint8 for prints in self.prints.values()):
            raise ValueError(f"expected fingerprints of {BYTES} bytes each for {count} pictures")
        inside = np.concatenate([[-1], self.picture_frames, [self.frames]])
        if (np.diff(inside) <= 0).any():
            raise ValueError(f"pictures must be ascending frame numbers below {self.frames}")
        ends = [end for row in self.flags for _, end in row.spans]
        if max(ends, default=0) > self.frames:
            raise ValueError(f"a flag reaches frame {max(ends)}, but the trailer has {self.frames} frames")


def write_quality(path: Path, found: QualityFile) -> None:
    """Write ``found``; the same content gives the same bytes."""
    values = {
        "schema": SCHEMA,
        "trailer": found.trailer,
        "fingerprint": found.fingerprint,
        "frames": found.frames,
        "picture": dict(found.picture),
        "measures": dict(found.measures),
        "flags": [
            {"flag": row.flag, "reason": row.reason, "spans": [list(s) for s in row.spans]} for row in found.flags
        ],
        "pictures": {
            "frames": found.picture_frames.tolist(),
            **{view: prints.tobytes().hex() for view, prints in found.prints.items()},
        },
    }
    write_text(path, json.dumps(values, indent=1, ensure_ascii=False) + "\n")


def read_quality(path: Path) -> QualityFile:
    """What ``write_quality`` wrote.

    Raises:
        StoreError: the file is missing, damaged, or of another schema.
    """
    kind = "a quality file"
    values = read_product(path, kind=kind, schema=SCHEMA, command="the quality stage", remedy=REMEDY)
    try:
        return from_values(values)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as problem:
        raise StoreError(f"is damaged: {problem!r}", where=path, remedy=REMEDY) from None


def from_values(values: Mapping[str, Any]) -> QualityFile:
    """Raises KeyError, TypeError, ValueError, AttributeError or OverflowError if ``values`` have another form."""
    pictures = dict(values["pictures"])
    frames = np.asarray(pictures.pop("frames"), np.int64).reshape(-1)
    return QualityFile(
        str(values["trailer"]), str(values["fingerprint"]), int(values["frames"]),
        {str(key): int(value) for key, value in values["picture"].items()},
        {str(key): float(value) for key, value in values["measures"].items()},
        tuple(
            FlagRow(str(row["flag"]), str(row["reason"]), tuple((int(start), int(end)) for start, end in row["spans"]))
            for row in values["flags"]
        ),
        frames,
        {
            str(view): np.frombuffer(bytes.fromhex(text), np.uint8).reshape(len(frames), BYTES)
            for view, text in pictures.items()
        },
    )  # fmt: skip
