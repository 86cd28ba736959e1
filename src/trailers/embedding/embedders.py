"""Settings, weights and networks of an embedding, and the attributes that record them in each file."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trailers import __version__
from trailers.backbones.row import RANDOM_SEED, RANDOM_WEIGHTS, Row
from trailers.backbones.weights import weights_sha256
from trailers.settings import setting

if TYPE_CHECKING:
    import numpy as np

    from trailers.backbones.embedder import Embedder

log = logging.getLogger(__name__)

# Packages that compute the vectors. Their versions are recorded, but are not part of the fingerprint: the vectors of
# another version are within the tolerance.
PACKAGES = ("torch", "torchvision", "timm", "pytorchvideo", "av", "numpy")
# Packages that only the backbones of one library need.
OPTIONAL_PACKAGES = {"transformers": ("transformers",), "open_clip": ("open_clip_torch",)}


def versions(library: str = "") -> dict[str, str]:
    """Version of this project and of every package that computes the vectors of a backbone of ``library``."""
    names = (*PACKAGES, *OPTIONAL_PACKAGES.get(library, ()))
    return {"trailers": __version__, **{name: version(name) for name in names}}


@dataclass(frozen=True)
class Settings:
    """options that change the vectors"""

    precision: str = setting("auto (the fastest precision within tolerance) or float32")
    random_weights: bool = setting(
        "seeded random weights instead of published ones, for trials; recorded in every file"
    )


@dataclass(frozen=True)
class Effort:
    """performance options (do not change the vectors)"""

    weights_dir: str = setting("folder of the weights")
    device: str = setting("auto, cpu or cuda")
    batch_clips: int | None = setting("clips per batch (by default the measured value of each backbone)")


def weights_of(row: Row, settings: Settings, effort: Effort) -> str:
    """sha256 of the weights, or ``RANDOM_WEIGHTS`` for random ones.

    Raises:
        WeightsError: they are missing or damaged.
    """
    return RANDOM_WEIGHTS if settings.random_weights else weights_sha256(row, Path(effort.weights_dir))


def make_embedders(
    rows: Iterable[Row],
    settings: Settings,
    effort: Effort,
    real_clips: Callable[[Row], np.ndarray | None] | None = None,
) -> dict[str, Embedder]:
    """An embedder per row, by its name. Imports torch.

    Args:
        rows: may contain the same backbone several times.
        settings: options that change the vectors.
        effort: performance options, which do not change them.
        real_clips: gives a few clips of the shard, on which a reduced precision is tested.
    """
    from trailers.backbones.embedder import Embedder
    from trailers.backbones.network import make_network
    from trailers.machine.device import choose_device
    from trailers.machine.memory import keep_freed_memory

    device = choose_device(effort.device, setting="embed.device")
    if device == "cpu":
        keep_freed_memory()
    embedders = {}
    for row in {row.name: row for row in rows}.values():
        network = make_network(row, None if settings.random_weights else Path(effort.weights_dir))
        made = Embedder(
            row,
            network,
            device=device,
            precision=settings.precision,
            batch_clips=effort.batch_clips,
            real_clips=real_clips(row) if real_clips and settings.precision == "auto" else None,
        )
        log.info("embed: %s: %s on %s, %d clips per batch", row.name, made.precision, device, made.batch_clips)
        embedders[row.name] = made
    return embedders


def origin(row: Row, weights_sha256: str, settings: Settings, precision: str) -> dict[str, Any]:
    """The attributes of a file from which its vectors can be traced, except the source video."""
    return {
        "backbone": row.name,
        "F": row.features,
        "weights": f"random, seed {RANDOM_SEED}" if settings.random_weights else row.weights.name,
        "weights_sha256": weights_sha256,
        "transform": str(row.transform),
        **row.facts(),
        "precision": precision,
        "versions": json.dumps(versions(row.library), sort_keys=True),
    }
