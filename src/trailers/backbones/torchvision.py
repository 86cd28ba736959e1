"""torchvision: any of its image and video models by name; ``torchvision_rows`` has the names."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

from trailers.backbones.meta import count, on_meta
from trailers.backbones.names import Choices, Name
from trailers.backbones.row import About, Row, Transform, Weights
from trailers.backbones.torchvision_rows import ROWS, VIDEO, is_2d, names, tagged
from trailers.domain import FPS
from trailers.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

__all__ = ["ROWS", "VIDEO", "describe", "is_2d", "make", "names"]

INSIDE = ("googlenet", "inception_v3")  # have one more input transform in the network with published weights


def describe(model: str, choices: Choices = ()) -> Row:
    """The row of any torchvision model, with its default weights or those of a tag. Raises ConfigError."""
    from torchvision import models

    bare, weights = tagged(model)
    preset = weights.transforms()
    video = bare in models.list_models(module=models.video)
    side = list(preset.crop_size)
    transform = Transform(
        tuple(preset.resize_size), (side[0], side[-1]), tuple(preset.mean), tuple(preset.std),
        preset.interpolation.value, not video and bool(preset.antialias),
    )  # fmt: skip
    file = weights.url.rsplit("/", 1)[1]
    digits = file.rsplit("-", 1)[-1].split(".")[0]
    source = Weights(weights.name, file, weights.url, digits if is_hex(digits) else "", "BSD-3-Clause")
    least = int(weights.meta.get("min_temporal_size") or 1) if video else 1
    exact = least if bare.startswith("mvit") else None
    row = Row(
        str(Name("torchvision", model, choices)), "torchvision", model, 3 if video else 2, 1, transform, source,
        exact if video else 1, max(least, 2 if bare.startswith("swin3d") else 1) if video else 1,
        batch_cpu=2 if video else 16, batch_cuda=16 if video else 128,
    )  # fmt: skip
    features, parameters, multiply_adds = measure(row)
    fps, clip_frames = training_of(weights) if video else (None, None)
    about = About(pooling_of(bare), "left out", fps, clip_frames, parameters, multiply_adds)
    return dataclasses.replace(row, features=features, about=about)


def is_hex(digits: str) -> bool:
    return len(digits) >= 8 and all(letter in "0123456789abcdef" for letter in digits)


def measure(row: Row) -> tuple[int, int, int]:
    """F, parameters and multiply-adds of one clip that shows 24 frames, of a network that takes no memory."""
    network = on_meta(lambda: make(row, None)).eval()
    frames = () if row.dimensions == 2 else (row.wanted_frames(FPS),)
    parameters, multiply_adds, vectors = count(network, (1, 3, *frames, *row.transform.crop))
    return int(vectors.shape[1]), parameters, multiply_adds


def training_of(weights: Any) -> tuple[float | None, int | None]:
    """Frame rate and frames per clip, from the text that torchvision publishes with weights of video models."""
    words = str(weights.meta.get("_docs", ""))
    fps, frames = re.search(r"frame_rate=([\d.]+)", words), re.search(r"clip_len=(\d+)", words)
    return float(fps[1]) if fps else None, int(frames[1]) if frames else None


def pooling_of(bare: str) -> str:
    if bare.startswith(("vit_", "mvit_")):
        return "token"
    return "hidden layers over all places" if bare.startswith(("alexnet", "vgg")) else "avg"


def whole(model: str) -> nn.Module:
    from torchvision import models

    bare, weights = tagged(model)
    # The values that the library itself sets for published weights.
    more: dict[str, Any] = {"transform_input": True} if bare in INSIDE else {}
    if bare.startswith("vit_"):
        more["image_size"] = weights.meta["min_size"][0]
    network: nn.Module = models.get_model(bare, weights=None, **more)
    return network


def behead(network: nn.Module) -> int:
    """Removes the classifying layer and returns F.

    The last linear layer of the head is removed; earlier layers of the head (a norm, a hidden
    layer) are kept. SqueezeNet classifies by a convolution, which is removed with its dropout.
    """
    from torch import nn

    for name in ("fc", "classifier", "heads", "head"):
        head = getattr(network, name, None)
        if isinstance(head, nn.Linear):
            setattr(network, name, nn.Identity())
            return int(head.in_features)
        if isinstance(head, nn.Sequential):
            last = next((key for key, layer in reversed(head._modules.items()) if isinstance(layer, nn.Linear)), None)
            if last is not None:
                features = int(head._modules[last].in_features)  # type: ignore[arg-type]
                head._modules[last] = nn.Identity()
                return features
            convolution = next((layer for layer in head if isinstance(layer, nn.Conv2d | nn.Conv3d)), None)
            if convolution is not None:
                keep_pools(network, name, head)
                return int(convolution.in_channels)
    raise ConfigError(
        f"torchvision's {type(network).__name__} has no classifying layer to remove. Choose another backbone."
    )


def keep_pools(network: nn.Module, name: str, head: nn.Sequential) -> None:
    """Keeps only pooling layers. S3D pools before its head and averages over time after it; SqueezeNet in its head."""
    from torch import nn

    pools = [layer for layer in head if isinstance(layer, nn.AdaptiveAvgPool2d)]
    setattr(network, name, nn.Sequential(*pools))


def make(row: Row, weights: Path | None) -> nn.Module:
    """The network without its classifying layer."""
    network = whole(row.model) if weights is None else published_network(row, weights)
    behead(network)
    return network


def published_network(row: Row, path: Path) -> nn.Module:
    """The whole network with its published weights, by the library's own loader.

    The loader renames the keys of old checkpoints (DenseNet), checks their version (MNASNet), and removes
    auxiliary classifiers (GoogLeNet).
    """
    from torchvision import models

    from trailers.backbones.weights import load_state

    bare = row.model.partition(".")[0]
    weights = models.get_model_weights(bare)[row.weights.name]
    # The loader asks its weights for their state, which it would download.
    weights.get_state_dict = lambda **_: load_state(path)
    try:
        network: nn.Module = models.get_model(bare, weights=weights)
    finally:
        del weights.get_state_dict
    return network
