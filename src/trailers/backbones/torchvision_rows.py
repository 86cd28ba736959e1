"""torchvision: the built-in rows, the names of all its models, and the published weights of a name."""

from __future__ import annotations

from typing import Any

from trailers.backbones.names import unknown_model
from trailers.backbones.row import About, Row, Transform, Weights
from trailers.errors import ConfigError

IMAGENET: dict[str, Any] = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
KINETICS: dict[str, Any] = {"mean": (0.43216, 0.394666, 0.37645), "std": (0.22803, 0.22145, 0.216989)}
URL = "https://download.pytorch.org/models/"


def published(name: str, file: str) -> Weights:
    """Published weights; torchvision's file names end with the first eight digits of their sha256."""
    return Weights(name, file, URL + file, file.rsplit("-", 1)[1].split(".")[0], licence="BSD-3-Clause")


def image(resize: int) -> Transform:
    return Transform((resize,), (224, 224), **IMAGENET)


def swin3d(name: str, features: int, file: str, counts: tuple[int, int], **more: Any) -> Row:
    transform = Transform((256,), (224, 224), antialias=False, **IMAGENET)
    weights = published("KINETICS400_V1", file)
    # Two frames make one token.
    about = About("avg", "left out", 15, 32, *counts)
    return Row(name, "torchvision", name, 3, features, transform, weights, None, 2, batch_cuda=16, about=about, **more)


ROWS = (
    Row(
        "shufflenet_v2_x1_0", "torchvision", "shufflenet_v2_x1_0", 2, 1024, image(256),
        published("IMAGENET1K_V1", "shufflenetv2_x1-5666bf0f80.pth"), paper="ShuffleNet-2D", batch_cpu=32,
        about=About("avg", "left out", parameters=1_253_604, multiply_adds=143_883_992),
    ),
    Row(
        # V1, the weights of the paper's time; torchvision:resnet50 takes the newer V2.
        "resnet50", "torchvision", "resnet50", 2, 2048, image(256),
        published("IMAGENET1K_V1", "resnet50-0676ba61.pth"), paper="ResNet",
        about=About("avg", "left out", parameters=23_508_032, multiply_adds=4_087_136_256),
    ),
    Row(
        "r2plus1d_18", "torchvision", "r2plus1d_18", 3, 512,
        Transform((128, 171), (112, 112), antialias=False, **KINETICS),
        published("KINETICS400_V1", "r2plus1d_18-91a641e6.pth"), None, paper="ResNet-2+1D", batch_cpu=2, batch_cuda=32,
        about=About("avg", "left out", 15, 16, 31_300_125, 60_778_314_240),
    ),
    swin3d("swin3d_t", 768, "swin3d_t-7615ae03.pth", (27_850_470, 75_856_478_208), paper="Swin-3D", batch_cpu=1),
    swin3d("swin3d_s", 768, "swin3d_s-da41c237.pth", (49_509_078, 142_676_459_520), batch_cpu=1),
    swin3d("swin3d_b", 1024, "swin3d_b_1k-24f7c7c6.pth", (87_638_984, 240_485_138_432), batch_cpu=1),
    Row(
        "s3d", "torchvision", "s3d", 3, 1024, Transform((256, 256), (224, 224), antialias=False, **KINETICS),
        published("KINETICS400_V1", "s3d-d76dad2f.pth"), None, 14, batch_cpu=2, batch_cuda=32,
        about=About("avg", "left out", 15, 128, 7_910_048, 26_967_542_784),
    ),
    Row(
        "mvit_v2_s", "torchvision", "mvit_v2_s", 3, 768,
        Transform((256,), (224, 224), (0.45, 0.45, 0.45), (0.225, 0.225, 0.225), antialias=False),
        published("KINETICS400_V1", "mvit_v2_s-ae3be167.pth"), 16, batch_cpu=2, batch_cuda=32,
        about=About("token", "left out", 7.5, 16, 34_230_144, 64_223_508_672),
    ),
)  # fmt: skip

# The video models of the library, known without importing it.
VIDEO = ("mc3_18", "mvit_v1_b", "mvit_v2_s", "r2plus1d_18", "r3d_18", "s3d", "swin3d_b", "swin3d_s", "swin3d_t")

# Published for other tasks: those of vgg16 are for detection and contain NaN instead of its classifier.
WITHOUT_CLASSIFIER = ("vgg16.IMAGENET1K_FEATURES",)


def names() -> list[str]:
    """The models that can be backbones, image and video classification, each also with every tag of its weights."""
    from torchvision import models

    bare = sorted(models.list_models(module=models) + models.list_models(module=models.video))
    return bare + [f"{model}.{weights.name}" for model in bare for weights in models.get_model_weights(model)]


def is_2d(model: str) -> bool:
    """Whether a model takes single pictures; imports nothing."""
    return model.partition(".")[0] not in VIDEO


def tagged(model: str) -> tuple[str, Any]:
    """The library's own name of ``model``, and its weights: those of the tag after the point, or the default ones.

    Raises:
        ConfigError: model or tag do not exist, the tag is that of the default weights, or it has no classifier.
    """
    from torchvision import models

    known = names()
    if model not in known:
        raise unknown_model("torchvision", model, known)
    bare, _, tag = model.partition(".")
    table = models.get_model_weights(bare)
    if model in WITHOUT_CLASSIFIER:
        raise ConfigError(
            f"{tag} contain no values for the layers after the features", where=f"torchvision:{model}",
            remedy=f"Write torchvision:{bare}.",
        )  # fmt: skip
    if tag and table[tag] is table.DEFAULT:
        raise ConfigError(
            f"{tag} are the default weights of this model", where=f"torchvision:{model}",
            remedy=f"Write torchvision:{bare}.",
        )  # fmt: skip
    return bare, table[tag] if tag else table.DEFAULT
