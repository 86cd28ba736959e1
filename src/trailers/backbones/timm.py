"""timm: any of its image models by name, including the image towers of CLIP and SigLIP."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from trailers.backbones.names import Choices, Name, parse, unknown_model
from trailers.backbones.publishers import framing
from trailers.backbones.row import About, Row, Transform, Weights
from trailers.backbones.timm_choices import build, check_choices, create, finish, measure, settings_of
from trailers.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

HUB = "https://huggingface.co/{repository}/resolve/main/{file}"

ROWS = (
    Row(
        "swin_tiny_patch4_window7_224.ms_in1k", "timm", "swin_tiny_patch4_window7_224.ms_in1k", 2, 768,
        # 224 / 0.9, rounded down.
        Transform((248,), (224, 224), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bicubic"),
        Weights(
            "ms_in1k", "swin_tiny_patch4_window7_224.ms_in1k.safetensors",
            HUB.format(repository="timm/swin_tiny_patch4_window7_224.ms_in1k", file="model.safetensors"), licence="MIT",
        ),
        paper="Swin-2D", about=About("avg", "left out", parameters=27_519_354, multiply_adds=4_489_798_656),
    ),
)  # fmt: skip


def names() -> list[str]:
    """Every model with published weights, as architecture.tag."""
    import timm

    return list(timm.list_models(pretrained=True))


def is_2d(_: str) -> bool:
    """Whether a model takes single pictures: all do."""
    return True


def describe(model: str, choices: Choices = ()) -> Row:
    """The row of any timm model, from the configuration published with its weights. Raises ConfigError."""
    import timm

    known = names()
    if model not in known:
        raise unknown_model("timm", model, known)
    name = Name("timm", model, choices)
    settings = settings_of(model)
    check_choices(name, settings)
    data = {**timm.data.resolve_data_config(pretrained_cfg=settings), **framing("timm", model)}
    _, height, width = data["input_size"]
    if name.choice("size"):
        height = width = int(name.choice("size"))
    transform = Transform(
        resize_of(model, data, (height, width)), (height, width),
        tuple(data["mean"]), tuple(data["std"]), data["interpolation"],
    )  # fmt: skip
    features, about = measure(name, (height, width))
    return Row(str(name), "timm", model, 2, features, transform, source(model, settings), about=about)


def resize_of(model: str, data: dict[str, Any], size: tuple[int, int]) -> tuple[int, ...]:
    """The size to which timm's evaluation transform resizes before it crops ``size``."""
    scaled = tuple(math.floor(side / data["crop_pct"]) for side in size)
    if data["crop_mode"] == "squash":
        return scaled
    if data["crop_mode"] == "center" and scaled[0] == scaled[1]:
        return scaled[:1]
    raise ConfigError(f"timm:{model} crops its frames in a way ({data['crop_mode']}) that is not supported.")


def source(model: str, settings: dict[str, Any]) -> Weights:
    tag = model.partition(".")[2] or str(settings.get("tag") or "default")
    licence = str(settings.get("license") or "not stated")
    repository = settings.get("hf_hub_id")
    if repository:
        if repository.endswith("/"):
            repository += model
        file = settings.get("hf_hub_filename") or "model.safetensors"
        suffix = file.rsplit(".", 1)[-1]
        return Weights(tag, f"{model}.{suffix}", HUB.format(repository=repository, file=file), licence=licence)
    url = settings.get("url") or ""
    if not url:
        raise ConfigError(f"timm:{model} has no published weights. Choose another backbone.")
    return Weights(tag, f"{model}.{url.rsplit('.', 1)[-1]}", url, licence=licence)


def make(row: Row, weights: Path | None) -> nn.Module:
    """The network without its classifying layer, as the name of ``row`` chooses."""
    name = parse(row.name) or Name("timm", row.model)
    if weights is None:
        return build(name)
    # With the published number of classes timm loads strictly, through the model's own filter of
    # old checkpoints; without classes it would accept missing keys.
    overlay: dict[str, Any] = {"file": str(weights)}
    if weights.suffix == ".safetensors":
        overlay["custom_load"] = False  # that is for files in the format of another framework
    network = create(name, pretrained=True, pretrained_cfg_overlay=overlay)
    finish(network, name)
    return network
