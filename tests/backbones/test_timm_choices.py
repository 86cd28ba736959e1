"""The effect of the choices in a timm name on the network, and invalid choices."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models import get_pretrained_cfg

from trailers.backbones import publishers
from trailers.backbones.network import make_network
from trailers.backbones.row import Row
from trailers.backbones.rows import find_row
from trailers.backbones.timm_choices import PROJECTIONS
from trailers.errors import ConfigError

NOWHERE = Path("no-such-folder")
DINO = "timm:vit_small_patch14_dinov2.lvd142m"
DINO_3 = "timm:vit_small_patch16_dinov3.lvd1689m"
CLIP = "timm:vit_xsmall_patch16_clip_224.tinyclip_yfcc15m"
NAMES = timm.list_models(pretrained=True)


@pytest.mark.parametrize(
    ("name", "features", "crop", "pooling"),
    [
        (DINO, 384, 518, "token"),
        (f"{DINO}?size=224", 384, 224, "token"),
        (f"{DINO}?pool=avg&size=224", 384, 224, "avg"),
        (DINO_3, 384, 256, "token"),
        (f"{DINO_3}?pool=avg", 384, 256, "avg"),
        (CLIP, 256, 224, "token"),
        (f"{CLIP}?head=keep", 512, 224, "token"),
        ("timm:vit_base_patch16_siglip_224.webli", 768, 224, "map"),
        ("timm:vit_base_patch16_siglip_224.webli?pool=avg", 768, 224, "avg"),
        ("timm:resnet50_clip.openai?head=keep&size=288", 1024, 288, "token"),
        ("timm:convnext_tiny.fb_in1k?pool=max&size=384", 768, 384, "max"),
        ("timm:swin_tiny_patch4_window7_224.ms_in1k?size=448", 768, 448, "avg"),
    ],
)
def test_a_choice_is_described(name: str, features: int, crop: int, pooling: str) -> None:
    row = find_row(name, NOWHERE)
    assert (row.name, row.features, row.transform.crop, row.about.pooling) == (name, features, (crop, crop), pooling)
    assert row.about.multiply_adds > 0


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (f"{DINO}?size=518", f"size=518 is what this model does by default. Write {DINO}."),
        (f"{DINO}?pool=token&size=224", f"pool=token is what this model does by default. Write {DINO}?size=224."),
        (f"{DINO_3}?pool=token", f"pool=token is what this model does by default. Write {DINO_3}."),
        (f"{DINO}?pool=map", "does not offer pool=map. It pools by token and offers avg and max."),
        (f"{DINO}?size=7", "does not offer size=7. It cannot take 7x7 pixels"),
        (f"{DINO}?head=keep", "does not offer head=keep. Its published head is not a projection"),
        (
            f"{CLIP}?head=keep&pool=avg",
            "its projection works only with its own pooling. Choose head or pool, not both.",
        ),
        ("timm:convnext_tiny.fb_in1k?pool=token", "It pools by avg and offers max."),
        ("timm:vit_base_patch16_siglip_224.webli?pool=token", "It pools by map and offers avg and max."),
        ("timm:deit_tiny_distilled_patch16_224.fb_in1k?pool=avg", "It pools by token and offers nothing else."),
    ],
)
def test_a_choice_that_a_model_does_not_offer_is_refused(name: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find_row(name, NOWHERE)
    assert str(caught.value).startswith(f"{name}: ")
    assert sentence in str(caught.value)


def saved(name: str, folder: Path, **more: object) -> tuple[Row, torch.nn.Module]:
    """The row of ``name`` with saved random weights, and timm's network with the same weights."""
    row = find_row(name, NOWHERE)
    row = dataclasses.replace(row, weights=dataclasses.replace(row.weights, sha256="", file="w.safetensors"))
    torch.manual_seed(1)
    whole = timm.create_model(row.model, pretrained=False, **more).eval()
    save_file(whole.state_dict(), folder / "w.safetensors")
    return row, whole


def picture(size: int) -> torch.Tensor:
    return torch.randn((1, 3, size, size), generator=torch.Generator().manual_seed(2))


def test_dinov3_gives_the_class_token_as_its_publisher_does(tmp_path: Path) -> None:
    row, whole = saved(DINO_3, tmp_path)
    mean, _ = saved(f"{DINO_3}?pool=avg", tmp_path)
    with torch.inference_mode():
        tokens = whole.forward_features(picture(256))
        torch.testing.assert_close(make_network(row, tmp_path)(picture(256)), tokens[:, 0])
        torch.testing.assert_close(make_network(mean, tmp_path)(picture(256)), tokens[:, 5:].mean(1))


def test_another_size_interpolates_the_positions_of_published_weights(tmp_path: Path) -> None:
    row, whole = saved(f"{DINO}?size=224", tmp_path)
    network = make_network(row, tmp_path)
    assert (whole.pos_embed.shape[1], network.pos_embed.shape[1]) == (1 + 37 * 37, 1 + 16 * 16)
    with torch.inference_mode():
        vectors = network(picture(224))
    assert vectors.shape == (1, 384)
    assert torch.isfinite(vectors).all()


def test_a_kept_head_projects_as_in_timms_network(tmp_path: Path) -> None:
    row, whole = saved(f"{CLIP}?head=keep", tmp_path)
    with torch.inference_mode():
        torch.testing.assert_close(make_network(row, tmp_path)(picture(224)), whole(picture(224)))


def test_clip_of_openai_computes_as_it_was_trained_with_quickgelu(tmp_path: Path) -> None:
    row, _ = saved("timm:vit_base_patch32_clip_224.openai?head=keep", tmp_path)
    theirs = timm.create_model("vit_base_patch32_clip_quickgelu_224.openai", pretrained=False).eval()
    network = make_network(row, tmp_path)
    theirs.load_state_dict(network.state_dict())
    with torch.inference_mode():
        torch.testing.assert_close(network(picture(224)), theirs(picture(224)))


def test_models_use_quickgelu_exactly_if_timm_notes_it() -> None:
    expected = {name for name in NAMES if "QuickGELU" in str(get_pretrained_cfg(name).notes)}
    assert {name for name in NAMES if publishers.QUICK_GELU.fullmatch(name)} == {
        name for name in expected if "quickgelu" not in name
    }


def test_models_have_a_projection_exactly_if_timm_lists_its_outputs() -> None:
    expected = {name for name in NAMES if get_pretrained_cfg(name).num_classes in PROJECTIONS}
    assert {name for name in NAMES if publishers.PROJECTING.fullmatch(name)} == expected


def test_a_network_built_as_published_has_a_new_fingerprint() -> None:
    assert find_row(DINO_3, NOWHERE).identity()["built"] == {"pool": "token"}
    assert "built" not in find_row(DINO, NOWHERE).identity()
