"""Estimates how much disk space a study needs, from measured sizes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from trailers.backbones import own
from trailers.backbones.rows import ROWS, recorded, sketch
from trailers.domain import ClipStrategy
from trailers.errors import TrailerError
from trailers.machine.trouble import existing
from trailers.plan.study import Pair

# The published set has 12,000 trailers of 407.61 h in all, cut into 1.8 million Shot-24 clips (Sec. 3, 7.1).
MEAN_S = 122.3
CLIPS_PER_SECOND = 1.23
# Bytes per second of video, measured with the settings of config.yaml on 435 s of openly licensed
# trailers and scenes of 272 to 720 lines. A site's 720p may be larger.
VIDEO_BYTES = {"download": 145_000, "normalise": 156_000, "shots": 460, "clips": 30}
VECTOR_BYTES = 4
# A page with its pictures has 118 to 355 kB for trailers of 26 to 171 s, limited by pages.largest_kb. Pages are always
# counted: it is not known whether `snakemake pages` will be run, and they take a hundredth of the space.
PAGE_BYTES = 350_000


def bytes_per_trailer(pairs: Sequence[Pair], weights_dir: Path) -> dict[str, int]:
    """Stage -> bytes on disk for a trailer of average length; backbones that are not known yet count as 0."""
    needed = {stage: round(rate * MEAN_S) for stage, rate in VIDEO_BYTES.items()}
    needed["clips"] *= len({clips for clips, _ in pairs}) or 1
    needed["pages"] = PAGE_BYTES
    needed["embed"] = 0
    for clips, backbone in pairs:
        with contextlib.suppress(TrailerError):  # reported by ``check_backbones``
            vectors = CLIPS_PER_SECOND * 24 / ClipStrategy.parse(clips).frames * MEAN_S
            # Each vector is stored once per trailer and once in the pack for training.
            needed["embed"] += round(2 * vectors * VECTOR_BYTES * features_of(backbone, weights_dir))
    return needed


def features_of(backbone: str, weights_dir: Path) -> int:
    """F of a backbone if it is known without importing its library, otherwise 0. Raises TrailerError."""
    if backbone in ROWS:
        return ROWS[backbone].features
    if own.is_own(backbone):
        return sketch(backbone).features
    row = recorded(backbone, weights_dir)
    return row.features if row is not None else 0


def nearest_folder(path: Path) -> Path:
    """``path``, or the nearest existing folder above it."""
    return existing(path.absolute())


def finished(results: Path) -> set[str]:
    """The trailers that have their 24 fps video, which takes most of the space."""
    folder = results / "normalise"
    if not folder.is_dir():
        return set()
    with os.scandir(folder) as entries:
        return {entry.name.removesuffix(".mp4") for entry in entries if entry.name.endswith(".mp4")}
