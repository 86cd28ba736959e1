"""The encoders of transformers that can be backbones, and how each makes one vector of a clip or a picture.

A network is taken apart by its kind (``model_type`` of its configuration): which class of the library loads it, which
of its parts sees pictures, and what becomes of the vectors of all places. The first way of pooling is the default, the
one of the publisher's own evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn

Read = Callable[[Any], "torch.Tensor"]  # the library's output -> float (N, F)


@dataclass(frozen=True)
class Output:
    """What is taken of an encoder: the vectors after ``layer`` of its layers (None: after all and the norm), pooled."""

    pool: str
    layer: int | None = None


@dataclass(frozen=True)
class Kind:
    """One ``model_type``.

    Args:
        dimensions: 2 for pictures, 3 for clips.
        network: the class of transformers that holds the encoder.
        pools: names of choices, the default first; ``space`` is the projection that is shared with text.
        first_place: how many vectors stand before those of the places: the class token, registers.
        frames: the field of the configuration that holds the number of frames.
        any_frames: whether the network takes other numbers of frames too, multiples of ``tubelet_size``.
        classifier: the class whose classifying layer is taken off where the weights were published for it.
        has_text: whether a network of text with the same space is beside it.
        sizes: whether pictures may have other sizes: ``any``, or ``asked`` where the library must be asked to fit its
            vectors of positions to them.
        layers: where the part that sees pictures has the list of its layers; empty where they give no such vectors.
        norm: what that part calls the norm behind the last layer; empty where it has none.
    """

    dimensions: int
    network: str
    pools: tuple[str, ...]
    first_place: int = 0
    frames: str = ""
    any_frames: bool = False
    classifier: str = ""
    has_text: bool = False
    sizes: str = ""
    layers: str = "layers"
    norm: str = "layernorm"


KINDS: Mapping[str, Kind] = {
    "clip": Kind(
        2, "CLIPModel", ("space", "token"), 1, has_text=True, sizes="asked", layers="encoder.layers",
        norm="post_layernorm",
    ),
    "siglip": Kind(
        2, "SiglipModel", ("map", "avg"), has_text=True, sizes="asked", layers="encoder.layers", norm="post_layernorm"
    ),
    "dinov2": Kind(2, "Dinov2Model", ("token", "avg"), 1, sizes="any", layers="encoder.layer"),
    "dinov2_with_registers": Kind(
        2, "Dinov2WithRegistersModel", ("token", "avg"), 1, sizes="any", layers="encoder.layer"
    ),
    "dinov3_vit": Kind(2, "DINOv3ViTModel", ("token", "avg"), 1, sizes="any", layers="model.layer", norm="norm"),
    "dinov3_convnext": Kind(2, "DINOv3ConvNextModel", ("avg",), 1, sizes="any", layers=""),
    "vit": Kind(2, "ViTModel", ("token", "avg"), 1, sizes="asked"),
    "ijepa": Kind(2, "IJepaModel", ("avg",), sizes="asked"),
    "vjepa2": Kind(
        3, "VJEPA2Model", ("avg",), frames="frames_per_clip", any_frames=True, layers="layer",
        classifier="VJEPA2ForVideoClassification",
    ),
    "videomae": Kind(
        3, "VideoMAEModel", ("avg",), frames="num_frames", layers="encoder.layer",
        classifier="VideoMAEForVideoClassification",
    ),
    "timesformer": Kind(3, "TimesformerModel", ("token", "avg"), 1, frames="num_frames", layers="encoder.layer"),
    "vivit": Kind(3, "VivitModel", ("token", "avg"), 1, frames="num_frames"),
}  # fmt: skip


def kind_of(config: Mapping[str, Any]) -> Kind | None:
    """The kind of a network by its configuration; None where it is none of those that can be backbones."""
    return KINDS.get(str(config.get("model_type")))


def is_classifier(config: Mapping[str, Any]) -> bool:
    """Whether the weights were published with a classifying layer, and with what stands before it."""
    kind = kind_of(config)
    return kind is not None and bool(kind.classifier) and kind.classifier in (config.get("architectures") or ())


def pools_of(config: Mapping[str, Any], *, is_inner: bool = False) -> tuple[str, ...]:
    """The ways of pooling that this network has, the default first; ``is_inner``: of a layer before its last."""
    kind = kind_of(config)
    if kind is None:
        return ()
    if is_inner:  # what was trained to pool fits the last layer only
        return ("token", "avg") if kind.first_place else ("avg",)
    # A trained pooling by attention comes with V-JEPA 2 only where it was trained to classify.
    return ("map", *kind.pools) if is_classifier(config) and kind.network == "VJEPA2Model" else kind.pools


def network_class(config: Mapping[str, Any], output: Output) -> str:
    """The class of transformers that the weights are loaded into."""
    kind = kind_of(config)
    assert kind is not None
    is_default = output == Output(pools_of(config)[0])
    return kind.classifier if is_classifier(config) and is_default else kind.network


def encoder_of(network: nn.Module, config: Mapping[str, Any], output: Output, *, is_resized: bool = False) -> nn.Module:
    """The part of ``network`` that sees pictures, and gives float (N, F) for (N, 3, H, W) or (N, 3, T, H, W).

    Args:
        network: of one of ``KINDS``.
        config: its configuration.
        output: its pool is one of ``pools_of``.
        is_resized: whether pictures have another size than the network was trained on.
    """
    from torch import nn

    kind = kind_of(config)
    assert kind is not None
    inner: Any = network
    more = {"interpolate_pos_encoding": True} if is_resized and kind.sizes == "asked" else {}
    if type(network).__name__ == kind.classifier:
        inner.classifier = nn.Identity()
        return wrapped([inner], lambda found: found.logits, is_video=True)
    seeing = inner.encoder if kind.network == "VJEPA2Model" else inner.vision_model if kind.has_text else inner
    if hasattr(inner, "pooler"):
        inner.pooler = None  # a layer of classifiers, which these weights often lack
    if output.layer is not None:
        shorten(seeing, kind, output.layer)
    parts = [seeing] + ([inner.visual_projection] if output.pool == "space" else [])
    registers = int(config.get("num_register_tokens") or 0) if kind.first_place else 0
    read: Read
    if kind.network == "DINOv3ConvNextModel":
        read = first  # the mean over the places, with the last norm
    elif kind.has_text and output.layer is None and output.pool != "avg":
        read = pooled
    else:
        read = first if output.pool == "token" else average(kind.first_place + registers)
    return wrapped(parts, read, is_video=kind.dimensions == 3, more=more)


def shorten(seeing: nn.Module, kind: Kind, layer: int) -> None:
    """Take off what comes after ``layer`` layers: what is left gives ``hidden_states[layer]`` of the library."""
    from torch import nn

    holder, _, last = kind.layers.rpartition(".")
    owner: Any = seeing.get_submodule(holder)
    setattr(owner, last, getattr(owner, last)[:layer])
    if getattr(seeing, kind.norm, None) is not None:  # of some VideoMAE it is none
        setattr(seeing, kind.norm, nn.Identity())
    if getattr(seeing, "use_head", False):  # SigLIP's pooling by attention
        seeing.use_head, seeing.head = False, None  # type: ignore[assignment]


def is_text_aligned(config: Mapping[str, Any], output: Output) -> bool:
    """Whether vectors that are taken so lie in the space that the network shares with text."""
    kind = kind_of(config)
    return kind is not None and kind.has_text and output == Output(kind.pools[0])


def text_part_of(network: nn.Module) -> nn.Module:
    """The part of ``network`` that reads text: token numbers and their mask, int64 (n, tokens), -> float (n, F)."""
    from torch import nn

    whole: Any = network
    # SigLIP projects in its text model, and reads padding like other tokens, as it was trained.
    has_projection = type(network).__name__ == "CLIPModel"

    class TextTower(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.text_model, self.logit_scale = whole.text_model, whole.logit_scale
            self.projection = whole.text_projection if has_projection else nn.Identity()

        def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            more = {"attention_mask": mask} if has_projection else {}
            found: torch.Tensor = self.projection(self.text_model(input_ids=tokens, **more).pooler_output)
            return found

    return TextTower()


def pooled(output: Any) -> torch.Tensor:
    """What the network itself makes of all places."""
    vector: torch.Tensor = output.pooler_output
    return vector


def first(output: Any) -> torch.Tensor:
    """The vector of the class token."""
    vector: torch.Tensor = output.last_hidden_state[:, 0]
    return vector


def average(start: int) -> Read:
    """The mean of the vectors of all places, which begin at ``start``."""

    def read(output: Any) -> torch.Tensor:
        vector: torch.Tensor = output.last_hidden_state[:, start:].mean(dim=1)
        return vector

    return read


def wrapped(parts: list[nn.Module], read: Read, *, is_video: bool, more: Mapping[str, bool] | None = None) -> nn.Module:
    """The first of ``parts``, given ``more`` too, what is read of its output, then the others."""
    from torch import nn

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = nn.ModuleList(parts)

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            # The library has frames before channels.
            x = read(self.parts[0](pixels.transpose(1, 2) if is_video else pixels, **(more or {})))
            for part in list(self.parts)[1:]:
                x = part(x)
            return x

    return Encoder()
