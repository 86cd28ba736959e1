"""open_clip:ARCHITECTURE/TAG: image towers of OpenCLIP, with the projection into the space they share with text.

Architectures and tags are those that the installed package lists; the weights are one file of Hugging Face each.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trailers.backbones.names import Choices, Name, unknown_model
from trailers.backbones.row import About, Row, Transform, Weights
from trailers.backbones.weights import load_state
from trailers.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

EXTRA = "pip install 'trailers[open-clip]'."
FILE = "open_clip_model.safetensors"
STAND_IN = {"context_length": 8, "vocab_size": 8, "width": 8, "heads": 1, "layers": 1}
LINK = "https://huggingface.co/{repository}/resolve/main/{file}"


def require(name: str) -> None:
    """Raises ConfigError if the library is not installed."""
    try:
        import open_clip  # noqa: F401
    except ImportError:
        raise ConfigError("needs the package open_clip_torch", where=name, remedy=EXTRA) from None


def is_2d(_: str) -> bool:
    """Whether a model takes single pictures: all do."""
    return True


def names() -> list[str]:
    """Every architecture with published weights, as ARCHITECTURE/TAG."""
    import open_clip

    return [f"{architecture}/{tag}" for architecture, tag in open_clip.list_pretrained()]


def describe(model: str, choices: Choices = ()) -> Row:
    """The row of any model that OpenCLIP lists, from its configuration there. Raises ConfigError."""
    name = Name("open_clip", model, choices)
    require(str(name))
    known = names()
    if model not in known:
        raise unknown_model("open_clip", model, known)
    architecture, _, tag = model.partition("/")
    settings, published = configuration(architecture), published_settings(architecture, tag)
    check_activation(name, settings, published, known)
    file = f"open_clip-{architecture}--{tag}.safetensors"
    repository = str(published.get("hf_hub") or "").strip("/")
    if repository.count("/") != 1:
        raise ConfigError("has no safetensors weights on Hugging Face", where=str(name), remedy="Choose another tag.")
    weights = Weights(tag, file, LINK.format(repository=repository, file=FILE))
    transform = transform_of(name, settings, published)
    row = Row(str(name), "open_clip", model, 2, int(settings["embed_dim"]), transform, weights)
    return dataclasses.replace(row, about=about_of(row))


def about_of(row: Row) -> About:
    """The description of the tower; counted on a network that takes no memory."""
    import torch

    from trailers.backbones.meta import count

    # With the stand-in, because making the text tower would take longer than counting.
    with torch.device("meta"):
        tower = image_tower(drawn_model(row, text_cfg=STAND_IN, device="meta"))
        parameters, multiply_adds, _ = count(tower, (1, 3, *row.transform.crop))
    return About("its own way", "kept: the projection shared with text", None, None, parameters, multiply_adds)


def configuration(architecture: str) -> dict[str, Any]:
    import open_clip

    return dict(open_clip.get_model_config(architecture))


def published_settings(architecture: str, tag: str) -> dict[str, Any]:
    from open_clip.pretrained import get_pretrained_cfg

    return dict(get_pretrained_cfg(architecture, tag))


def check_activation(name: Name, settings: dict[str, Any], published: dict[str, Any], known: list[str]) -> None:
    """Raises ConfigError if weights that were trained with QuickGELU would run with another activation.

    The library only warns about it, and its vectors then differ from the publisher's.
    """
    is_quick, wants_quick = bool(settings.get("quick_gelu")), bool(published.get("quick_gelu"))
    if is_quick == wants_quick:
        return
    architecture, _, tag = name.model.partition("/")
    other = f"{architecture}-quickgelu/{tag}" if wants_quick else f"{architecture.removesuffix('-quickgelu')}/{tag}"
    raise ConfigError(
        f"these weights were trained with {'QuickGELU' if wants_quick else 'GELU'}, which this architecture lacks",
        where=str(name), remedy=f"Write open_clip:{other}." if other in known else "Choose another architecture.",
    )  # fmt: skip


def transform_of(name: Name, settings: dict[str, Any], published: dict[str, Any]) -> Transform:
    """The transform of the library's own evaluation."""
    size = settings["vision_cfg"].get("image_size", 224)
    height, width = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
    mode = published.get("resize_mode") or "shortest"
    if mode not in ("shortest", "squash") or (mode == "shortest" and height != width):
        raise ConfigError(f"crops its frames in a way ({mode}) that is not supported", where=str(name))
    return Transform(
        (height,) if mode == "shortest" else (height, width), (height, width),
        levels(published["mean"]), levels(published["std"]), published.get("interpolation") or "bicubic",
    )  # fmt: skip


def levels(values: Any) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def make(row: Row, weights: Path | None) -> nn.Module:
    """The image tower with its projection."""
    return image_tower(with_stand_in(row, weights) if text_repository(row) else whole_model(row, weights))


def image_tower(whole: Any) -> nn.Module:
    """The part of ``whole`` that sees pictures and gives one vector per picture."""
    from torch import nn

    class ImageTower(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.visual = whole.visual

        def forward(self, pixels: Any) -> Any:
            found = self.visual(pixels)
            return found[0] if isinstance(found, tuple) else found  # CoCa also gives the vectors of the positions

    return ImageTower()


def text_repository(row: Row) -> str:
    """The repository of Hugging Face that states the text tower's architecture; empty if the package states it."""
    return str(configuration(row.model.partition("/")[0]).get("text_cfg", {}).get("hf_model_name") or "")


def whole_model(row: Row, weights: Path | None, **more: Any) -> nn.Module:
    """Both towers, with the given or random weights; nothing is fetched. Raises ConfigError.

    Args:
        row: a row of this library.
        weights: the file of weights; None for random ones.
        more: parts of the architecture that replace those of the package.
    """
    network = drawn_model(row, **more)
    if weights is not None:
        import open_clip

        with quiet():
            open_clip.load_checkpoint(network, str(weights), strict=True, weights_only=True)
    return network


def drawn_model(row: Row, **more: Any) -> nn.Module:
    require(row.name)
    import open_clip

    with quiet():
        network: nn.Module = open_clip.create_model(
            row.model.partition("/")[0], load_weights=False, pretrained_image=False, pretrained_text=False, **more
        )
    return network.eval()


def with_stand_in(row: Row, weights: Path | None) -> nn.Module:
    """The image tower with a small stand-in for a text tower that only Hugging Face describes."""
    network: Any = drawn_model(row, text_cfg=STAND_IN)
    if weights is not None:
        prefix = "visual."
        state = load_state(weights)
        towers = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        network.visual.load_state_dict(towers, strict=True)
    whole: nn.Module = network
    return whole


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Inside, log records of the library are dropped; important problems are raised as errors.

    The library uses the root logger, whose filters do not apply to records of other loggers.
    """

    def is_of_another(record: logging.LogRecord) -> bool:
        return "open_clip" not in Path(record.pathname).parts

    root = logging.getLogger()
    root.addFilter(is_of_another)
    try:
        yield
    finally:
        root.removeFilter(is_of_another)
