"""Differences between timm and the publishers of weights, and which of both is followed here.

The default is the publisher's evaluation, as far as the network determines it. The table in docs/backbones.md is made
from this one. Standard library only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """``built`` replaces the library's defaults when the network is made; it shapes the vectors."""

    family: str  # for people
    models: re.Pattern[str]  # of timm
    library: str  # what timm does
    publisher: str  # what the publisher does
    project: str  # which of the two the project uses, and how to choose the other
    source: str  # where the publisher states it; Markdown
    built: tuple[tuple[str, str], ...] = ()
    framing: tuple[tuple[str, str | float], ...] = ()  # timm's words for how a picture is resized and cropped


def models(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)


# timm calls these "natively QuickGELU", and has models of other names with QuickGELU and the same weights.
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

MOBILE = models(r"\w+_mci_?\w+\.\w+")
PE_CORE = models(r"vit_pe_core_\w+\.\w+")
SHORT_SIDE = models(rf"(?!{PE_CORE.pattern}){PROJECTING.pattern}")


def link(repository: str, commit: str, path: str) -> str:
    """A link to a publisher's file at the commit at which it was read."""
    return f"[{path.rsplit('/', 1)[-1]}](https://github.com/{repository}/blob/{commit}/{path})"


def dinov3(path: str) -> str:
    return link("facebookresearch/dinov3", "6876159", path)


CLIP_TRANSFORM = link("openai/CLIP", "d05afc4", "clip/clip.py")
CLIP_MODEL = link("openai/CLIP", "d05afc4", "clip/model.py")
MOBILE_CLIP = link("apple/ml-mobileclip", "4144bb1", "mobileclip/__init__.py")
PE_TRANSFORM = link("facebookresearch/perception_models", "3e352cc", "core/vision_encoder/transforms.py")
PE_MODEL = link("facebookresearch/perception_models", "3e352cc", "core/vision_encoder/pe.py")
SIGLIP_DEMO = link("google-research/big_vision", "0127fb6", "big_vision/configs/proj/image_text/SigLIP2_demo.ipynb")
DINOV2 = link("facebookresearch/dinov2", "b8931f7", "dinov2/data/transforms.py")

DIFFERENCES = (
    Difference(
        "DINOv3 (ViT)", models(r"vit_\w+_dinov3(_qkvb)?\.(lvd1689m|sat493m)"),
        "mean of the patch tokens", "class token",
        "class token; `?pool=avg` for the mean", dinov3("dinov3/models/vision_transformer.py"), (("pool", "token"),),
    ),
    Difference(
        "DINOv3", models(r"\w+_dinov3(_qkvb)?\.(lvd1689m|sat493m)|convnext_\w+\.dinov3_lvd1689m"),
        "the whole short side, bicubic",
        "the whole picture, squashed, bilinear; to classify ImageNet, 224x224 out of a short side of 256, bicubic",
        "as timm", f"{dinov3('README.md')}, {dinov3('dinov3/data/transforms.py')}",
    ),
    Difference(
        "CLIP of OpenAI, MetaCLIP, DFN, one of LAION", QUICK_GELU,
        "GELU", "QuickGELU", "QuickGELU, as in timm's `..._quickgelu_...`",
        f"{CLIP_MODEL}; the others: `quick_gelu` in OpenCLIP's pretrained.py", (("activation", "quick_gelu"),),
    ),
    Difference(
        "CLIP, MobileCLIP, ViTamin, PE core", PROJECTING,
        "projection as classifier", "projection into the space shared with text",
        "before the projection, as with every backbone; `?head=keep` for the shared space", f"{CLIP_MODEL}, {PE_MODEL}",
    ),
    Difference(
        "CLIP, MobileCLIP, ViTamin", SHORT_SIDE,
        "some cropped out of a larger picture", "the whole short side", "the whole short side",
        f"{CLIP_TRANSFORM}, {MOBILE_CLIP}; ViTamin: OpenCLIP's pretrained.py", framing=(("crop_pct", 1.0),),
    ),
    Difference(
        "MobileCLIP", MOBILE, "bicubic", "bilinear", "bilinear", MOBILE_CLIP, framing=(("interpolation", "bilinear"),),
    ),
    Difference(
        "PE core", PE_CORE,
        "the whole short side, bicubic", "the whole picture, squashed, bilinear",
        "the whole picture, squashed, bilinear", PE_TRANSFORM,
        framing=(("crop_mode", "squash"), ("crop_pct", 1.0), ("interpolation", "bilinear")),
    ),
    Difference(
        "SigLIP, SigLIP 2", models(r"vit_\w+_siglip_(gap_)?\d+\.(v2_)?webli(_i18n)?"),
        "some cropped out of a larger picture, bicubic", "the whole picture, squashed, bilinear",
        "the whole picture, squashed, bicubic as in OpenCLIP", SIGLIP_DEMO,
        framing=(("crop_mode", "squash"), ("crop_pct", 1.0)),
    ),
    Difference(
        "DINOv2", models(r"vit_\w+_dinov2\.lvd142m"),
        "518x518", "224x224 out of a short side of 256", "518x518; `?size=224` for 224x224", DINOV2,
    ),
)  # fmt: skip


def differences(library: str, model: str) -> tuple[Difference, ...]:
    """The differences of a model; none for libraries other than timm."""
    if library != "timm":
        return ()
    return tuple(difference for difference in DIFFERENCES if difference.models.fullmatch(model))


def built(library: str, model: str) -> dict[str, str]:
    """The values that replace the library's defaults when the network of ``model`` is made."""
    return {key: value for difference in differences(library, model) for key, value in difference.built}


def framing(library: str, model: str) -> dict[str, str | float]:
    """The values that replace the library's defaults for resize and crop, with the library's keys."""
    return {key: value for difference in differences(library, model) for key, value in difference.framing}
