"""Backbones of every library pass the same checks, and random weights are reproducible."""

from __future__ import annotations

from pathlib import Path

import pytest

from backbone_lab import check_contract, check_precision
from open_clip_lab import make_open_clip
from repository_lab import RECIPES, make_repository
from trailers.backbones.network import make_network
from trailers.backbones.rows import ROWS, find_row

NOWHERE = Path("no-such-folder")
OWN = """
from trailers.backbones.row import Row, Transform, Weights

def build():
    from torch import nn
    return nn.Sequential(nn.Conv3d(3, 8, (2, 8, 8), 8), nn.AdaptiveAvgPool3d(1), nn.Flatten())

net = Row(
    "", "own", "net", 3, 8, Transform((36,), (32, 32), (0.5, 0.4, 0.3), (0.5, 0.5, 0.5)), Weights("mine", "net.pth"), 4,
    make=build,
)
"""


LARGER = ("swin3d_s", "swin3d_b", "slowfast_r101")  # than another backbone of the same family and code


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.sweep if name in LARGER else ()) for name in ROWS]
)
def test_a_built_in_backbone_passes_the_common_checks(name: str) -> None:
    check_contract(ROWS[name], make_network(ROWS[name], None))


@pytest.mark.parametrize(
    "name",
    [
        "timm:resnet18.a1_in1k", "timm:vit_tiny_patch16_224.augreg_in21k_ft_in1k?pool=avg",
        "timm:vit_small_patch14_dinov2.lvd142m?size=98", "torchvision:regnet_y_400mf",
        "torchvision:shufflenet_v2_x0_5",
    ],
)  # fmt: skip
def test_a_model_of_timm_or_torchvision_passes_the_common_checks(name: str) -> None:
    row = find_row(name, NOWHERE)
    # In batches with fewer than two pictures per thread, the last bits of RegNet's grouped convolutions depend on the
    # place in the batch; the default batches of a backbone are larger.
    check_contract(row, make_network(row, None), batch_clips=4)


@pytest.mark.parametrize("name", [*RECIPES, "vjepa2?layer=1", "clip?layer=1&pool=avg"])
def test_an_encoder_of_transformers_passes_the_common_checks(name: str, tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra huggingface")
    recipe = name.partition("?")[0]
    make_repository(recipe, tmp_path / f"transformers-lab++{recipe}")
    row = find_row(f"transformers:lab/{name}", tmp_path)
    network = make_network(row, tmp_path)
    check_contract(row, network)
    check_precision(row, network)


@pytest.mark.parametrize("has_weights", [True, False])
def test_a_tower_of_open_clip_passes_the_common_checks(
    has_weights: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("open_clip", reason="needs the extra open-clip")
    row = find_row("open_clip:tiny/drawn", make_open_clip(tmp_path, monkeypatch))
    network = make_network(row, tmp_path if has_weights else None)
    check_contract(row, network)
    check_precision(row, network)


def test_a_network_of_the_user_passes_the_common_checks(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    row = find_row(f"{tmp_path}/mine.py:net", NOWHERE)
    network = make_network(row, None)
    check_contract(row, network)
    check_precision(row, network)


def test_random_weights_are_reproducible_and_do_not_change_torchs_generators() -> None:
    import torch

    row = ROWS["shufflenet_v2_x1_0"]
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first = make_network(row, None).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    second = make_network(row, None).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
