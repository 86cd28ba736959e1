"""The encoders of transformers that can be backbones, and how each gives one vector per clip or picture.

The kind of a network (``model_type`` of its configuration) decides which class of the library loads it, which of its
parts sees pictures, and how the vectors of all positions are pooled. The first pooling is the default, that of the
publisher's own evaluation.
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
    """The output that is used: the vectors after ``layer`` layers (None: after all and the norm), pooled."""

    pool: str
    layer: int | None = None


@dataclass(frozen=True)
class Kind:
    """One ``model_type``.

    Args:
        dimensions: 2 for pictures, 3 for clips.
        network: the class of transformers that contains the encoder.
        pools: names of choices, the default first; ``space`` is the projection that is shared with text.
        first_place: number of vectors before those of the positions: the class token, registers.
        frames: the key of the configuration with the number of frames.
        any_frames: whether the network also takes other numbers of frames, multiples of ``tubelet_size``.
        classifier: the class whose classifying layer is removed, if the weights were published with one.
        has_text: whether the model has a text network with the same space.
        sizes: whether pictures may have other sizes: ``any``, or ``asked`` if the library needs a flag to interpolate
            its position embeddings.
        layers: path of the list of layers in the part that sees pictures; empty if inner layers cannot be used.
        norm: name of the norm after the last layer in that part; empty if there is none.
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
    """The kind of a network by its configuration; None if it cannot be a backbone."""
    return KINDS.get(str(config.get("model_type")))


def is_classifier(config: Mapping[str, Any]) -> bool:
    """Whether the weights were published with a classifying layer and the pooling before it."""
    kind = kind_of(config)
    return kind is not None and bool(kind.classifier) and kind.classifier in (config.get("architectures") or ())


def pools_of(config: Mapping[str, Any], *, is_inner: bool = False) -> tuple[str, ...]:
    """The poolings that this network has, the default first; ``is_inner``: those of a layer before its last."""
    kind = kind_of(config)
    if kind is None:
        return ()
    if is_inner:  # a trained pooling fits only the last layer
        return ("token", "avg") if kind.first_place else ("avg",)
    # V-JEPA 2 has a trained attention pooling only if it was trained to classify.
    return ("map", *kind.pools) if is_classifier(config) and kind.network == "VJEPA2Model" else kind.pools


def network_class(config: Mapping[str, Any], output: Output) -> str:
    """The class of transformers into which the weights are loaded."""
    kind = kind_of(config)
    assert kind is not None
    is_default = output == Output(pools_of(config)[0])
    return kind.classifier if is_classifier(config) and is_default else kind.network


def encoder_of(network: nn.Module, config: Mapping[str, Any], output: Output, *, is_resized: bool = False) -> nn.Module:
    """The part of ``network`` that sees pictures: (N, 3, H, W) or (N, 3, T, H, W) -> float (N, F).

    Args:
        network: a network of one of ``KINDS``.
        config: its configuration.
        output: the output to use; its pool is one of ``pools_of``.
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
    """Removes everything after ``layer`` layers; the rest gives ``hidden_states[layer]`` of the library."""
    from torch import nn

    holder, _, last = kind.layers.rpartition(".")
    owner: Any = seeing.get_submodule(holder)
    setattr(owner, last, getattr(owner, last)[:layer])
    if getattr(seeing, kind.norm, None) is not None:  # some VideoMAE have none
        setattr(seeing, kind.norm, nn.Identity())
    if getattr(seeing, "use_head", False):  # SigLIP's pooling by attention
        seeing.use_head, seeing.head = False, None  # type: ignore[assignment]


def is_text_aligned(config: Mapping[str, Any], output: Output) -> bool:
    """Whether these vectors are in the space that the network shares with text."""
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
    """The vector into which the network itself pools all positions."""
    vector: torch.Tensor = output.pooler_output
    return vector


def first(output: Any) -> torch.Tensor:
    """The vector of the class token."""
    vector: torch.Tensor = output.last_hidden_state[:, 0]
    return vector


def average(start: int) -> Read:
    """The mean of the vectors of all positions, which begin at ``start``."""

    def read(output: Any) -> torch.Tensor:
        vector: torch.Tensor = output.last_hidden_state[:, start:].mean(dim=1)
        return vector

    return read


def wrapped(parts: list[nn.Module], read: Read, *, is_video: bool, more: Mapping[str, bool] | None = None) -> nn.Module:
    """A network that applies the first of ``parts`` (with arguments ``more``), ``read``, and then the other parts."""
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
