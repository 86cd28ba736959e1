"""torchvision: the rows it gives, and any other of its image and video models by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trailers.backbones.row import Row, Transform, Weights
from trailers.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

IMAGENET: dict[str, Any] = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
KINETICS: dict[str, Any] = {"mean": (0.43216, 0.394666, 0.37645), "std": (0.22803, 0.22145, 0.216989)}
URL = "https://download.pytorch.org/models/"


def published(name: str, file: str) -> Weights:
    """torchvision's file names end in the first eight digits of their sha256."""
    return Weights(name, file, URL + file, file.rsplit("-", 1)[1].split(".")[0], licence="BSD-3-Clause")


def image(resize: int) -> Transform:
    return Transform((resize,), (224, 224), **IMAGENET)


def swin3d(name: str, features: int, file: str, **more: Any) -> Row:
    transform = Transform((256,), (224, 224), antialias=False, **IMAGENET)
    weights = published("KINETICS400_V1", file)
    # Two frames make one token.
    return Row(name, "torchvision", name, 3, features, transform, weights, None, 2, batch_cuda=16, **more)


ROWS = (
    Row(
        "shufflenet_v2_x1_0", "torchvision", "shufflenet_v2_x1_0", 2, 1024, image(256),
        published("IMAGENET1K_V1", "shufflenetv2_x1-5666bf0f80.pth"), paper="ShuffleNet-2D", batch_cpu=32,
    ),
    Row(
        # V1, the weights of the paper's time; torchvision:resnet50 takes the newer V2.
        "resnet50", "torchvision", "resnet50", 2, 2048, image(256),
        published("IMAGENET1K_V1", "resnet50-0676ba61.pth"), paper="ResNet",
    ),
    Row(
        "r2plus1d_18", "torchvision", "r2plus1d_18", 3, 512,
        Transform((128, 171), (112, 112), antialias=False, **KINETICS),
        published("KINETICS400_V1", "r2plus1d_18-91a641e6.pth"), None, paper="ResNet-2+1D", batch_cpu=2, batch_cuda=32,
    ),
    swin3d("swin3d_t", 768, "swin3d_t-7615ae03.pth", paper="Swin-3D", batch_cpu=1),
    swin3d("swin3d_s", 768, "swin3d_s-da41c237.pth", batch_cpu=1),
    swin3d("swin3d_b", 1024, "swin3d_b_1k-24f7c7c6.pth", batch_cpu=1),
    Row(
        "s3d", "torchvision", "s3d", 3, 1024, Transform((256, 256), (224, 224), antialias=False, **KINETICS),
        published("KINETICS400_V1", "s3d-d76dad2f.pth"), None, 14, batch_cpu=2, batch_cuda=32,
    ),
    Row(
        "mvit_v2_s", "torchvision", "mvit_v2_s", 3, 768,
        Transform((256,), (224, 224), (0.45, 0.45, 0.45), (0.225, 0.225, 0.225), antialias=False),
        published("KINETICS400_V1", "mvit_v2_s-ae3be167.pth"), 16, batch_cpu=2, batch_cuda=32,
    ),
)  # fmt: skip

# Its video models, known without importing it.
VIDEO = ("mc3_18", "mvit_v1_b", "mvit_v2_s", "r2plus1d_18", "r3d_18", "s3d", "swin3d_b", "swin3d_s", "swin3d_t")

# What the library itself sets for published weights: one more input transform inside the network, a larger picture.
INSIDE: dict[str, dict[str, Any]] = {
    "googlenet": {"transform_input": True},
    "inception_v3": {"transform_input": True},
    "vit_h_14": {"image_size": 518},
}


def names() -> list[str]:
    """The models that can be backbones: image and video classification."""
    from torchvision import models

    return sorted(models.list_models(module=models) + models.list_models(module=models.video))


def describe(model: str) -> Row:
    """The row of any torchvision model, with its default weights."""
    from torchvision import models

    weights = next(iter(models.get_model_weights(model)), None)
    if weights is None:
        raise ConfigError(f"torchvision:{model} has no published weights. Choose another backbone.")
    weights = getattr(type(weights), "DEFAULT", weights)
    preset = weights.transforms()
    video = model in models.list_models(module=models.video)
    side = list(preset.crop_size)
    transform = Transform(
        tuple(preset.resize_size), (side[0], side[-1]), tuple(preset.mean), tuple(preset.std),
        preset.interpolation.value, not video and bool(preset.antialias),
    )  # fmt: skip
    file = weights.url.rsplit("/", 1)[1]
    digits = file.rsplit("-", 1)[-1].split(".")[0]
    source = Weights(weights.name, file, weights.url, digits if is_hex(digits) else "", "BSD-3-Clause")
    least = int(weights.meta.get("min_temporal_size") or 1) if video else 1
    exact = least if model.startswith("mvit") else None
    return Row(
        f"torchvision:{model}", "torchvision", model, 3 if video else 2, features_of(model), transform, source,
        exact if video else 1, max(least, 2 if model.startswith("swin3d") else 1) if video else 1,
        batch_cpu=2 if video else 16, batch_cuda=16 if video else 128,
    )  # fmt: skip


def is_hex(digits: str) -> bool:
    return len(digits) >= 8 and all(letter in "0123456789abcdef" for letter in digits)


def features_of(model: str) -> int:
    """F, read off the last layer of a network that takes no memory."""
    from trailers.backbones.meta import without_memory

    with without_memory():
        return behead(whole(model))


def whole(model: str) -> nn.Module:
    from torchvision import models

    network: nn.Module = models.get_model(model, weights=None, **INSIDE.get(model, {}))
    return network


def behead(network: nn.Module) -> int:
    """Take the classifying layer off and give F.

    The last linear layer of the head goes; what stands before it in the head (a norm, a hidden
    layer) stays. SqueezeNet classifies by a convolution, which goes with its dropout.
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
        f"torchvision's {type(network).__name__} has no classifying layer to take off. Choose another backbone."
    )


def keep_pools(network: nn.Module, name: str, head: nn.Sequential) -> None:
    """Leave only what pools. S3D pools before its head and means over time after it; SqueezeNet pools in its head."""
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

    That renames the keys of old checkpoints (DenseNet), asks for their version (MNASNet), and takes
    auxiliary classifiers off (GoogLeNet).
    """
    from torchvision import models

    from trailers.backbones.weights import load_state

    weights = models.get_model_weights(row.model)[row.weights.name]
    # The loader asks its weights for their state, which it would download.
    weights.get_state_dict = lambda **_: load_state(path)
    try:
        network: nn.Module = models.get_model(row.model, weights=weights)
    finally:
        del weights.get_state_dict
    return network
