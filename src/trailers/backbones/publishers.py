"""Where timm's own way with published weights differs from their publisher's, and which of both is taken here.

The default is the publisher's evaluation, as far as it is the network's own doing. The table in docs/backbones.md is
made of this one. Standard library only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """``built`` is what the network is made with in place of the library's default; it shapes the vectors."""

    family: str  # for people
    models: re.Pattern[str]  # of timm
    library: str  # what timm does
    publisher: str  # what the publisher does
    here: str  # which of both, and what to write for the other
    built: tuple[tuple[str, str], ...] = ()
    framing: tuple[tuple[str, str | float], ...] = ()  # timm's words for how a picture is resized and cropped


def models(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)


# timm says of these that they are "natively QuickGELU", and has models of another name with it and the same weights.
QUICK_GELU = models(
    r"vit_\w+_clip_\d+\.(openai|metaclip_400m|metaclip_2pt5b)"
    r"|vit_base_patch32_clip_224\.laion400m_e32"
    r"|vit_huge_patch14_clip_(224|378)\.dfn5b|vit_large_patch14_clip_224\.dfn2b"
    r"|vit_huge_patch14_clip_224\.metaclip2_worldwide"
)

PROJECTING = models(
    r"(?!\w+\.\w+_ft_in\d+)"  # those were trained further, as classifiers
    r"((vit_\w+_clip_\w+|eva\w+_clip_\w+|\w+_mci_?\w+|vitamin_\w+|vit_pe_core_\w+|resnet\w+_clip)\.\w+"
    r"|convnext_\w+\.clip_\w+)"
)

DIFFERENCES = (
    Difference(
        "DINOv3 (ViT)", models(r"vit_\w+_dinov3(_qkvb)?\.(lvd1689m|sat493m)"),
        "mean of the patch tokens", "class token",
        "class token; `?pool=avg` for the mean", (("pool", "token"),),
    ),
    Difference(
        "CLIP of OpenAI, MetaCLIP, DFN, one of LAION", QUICK_GELU,
        "GELU", "QuickGELU", "QuickGELU, as in timm's `..._quickgelu_...`", (("activation", "quick_gelu"),),
    ),
    Difference(
        "CLIP, MobileCLIP, ViTamin, PE core", PROJECTING,
        "projection as classifier", "projection into the space shared with text",
        "before the projection, as with every backbone; `?head=keep` for the shared space",
    ),
    Difference(
        "CLIP, MobileCLIP, ViTamin, PE core", PROJECTING,
        "some cropped out of a larger picture", "the whole short side", "the whole short side",
        framing=(("crop_pct", 1.0),),
    ),
    Difference(
        "SigLIP, SigLIP 2", models(r"vit_\w+_siglip_(gap_)?\d+\.(v2_)?webli(_i18n)?"),
        "some cropped out of a larger picture", "the whole picture, squashed", "the whole picture, squashed",
        framing=(("crop_mode", "squash"), ("crop_pct", 1.0)),
    ),
    Difference(
        "DINOv2", models(r"vit_\w+_dinov2\.lvd142m"),
        "518x518", "224x224 out of a short side of 256", "518x518; `?size=224` for 224x224",
    ),
)  # fmt: skip


def differences(library: str, model: str) -> tuple[Difference, ...]:
    """What is to be said of a model; nothing for other libraries than timm."""
    if library != "timm":
        return ()
    return tuple(difference for difference in DIFFERENCES if difference.models.fullmatch(model))


def built(library: str, model: str) -> dict[str, str]:
    """What the network of ``model`` is made with in place of its library's default."""
    return {key: value for difference in differences(library, model) for key, value in difference.built}


def framing(library: str, model: str) -> dict[str, str | float]:
    """What a picture is cut with in place of the library's default, in its own words."""
    return {key: value for difference in differences(library, model) for key, value in difference.framing}
