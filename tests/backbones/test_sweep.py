"""Every name of timm and torchvision gives vectors of the stated length, or is refused in one sentence.

Nothing is downloaded. A fixed sample always runs; all names take about an hour:

    pytest -m sweep -n 2 tests/backbones/test_sweep.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm

from trailers.backbones import torchvision
from trailers.backbones.embedder import Embedder
from trailers.backbones.network import make_network
from trailers.backbones.precision import sample_clips
from trailers.backbones.rows import find_row
from trailers.errors import TrailerError

NOWHERE = Path("no-such-folder")
# One of each family. Those marked are refused: the output is not one vector, or the crop is not supported.
SAMPLE = {
    "timm:beit_base_patch16_224.in22k_ft_in22k": 768,
    "timm:convnext_tiny.fb_in1k": 768,
    "timm:deit_tiny_patch16_224.fb_in1k": 192,
    "timm:efficientnet_b0.ra_in1k": 1280,
    "timm:mobilenetv3_small_050.lamb_in1k": 1024,
    "timm:regnety_002.pycls_in1k": 368,
    "timm:resnet18.a1_in1k": 512,
    "timm:vit_small_patch14_dinov2.lvd142m": 384,
    "timm:qwen3_vit_88m_enc.qwen3_5_0_8b": "refused",
    "timm:deepseek_vit_412m.deepseek_v4_1_flash": "refused",
    "torchvision:regnet_y_400mf": 440,
    "torchvision:mnasnet0_5": 1280,
    "torchvision:densenet121": 1024,
    "torchvision:mvit_v2_s": 768,
    "torchvision:s3d": 1024,
}


def features_of(name: str) -> int | str:
    """The length of the backbone's vectors, or "refused" if one sentence gives the reason."""
    try:
        row = find_row(name, NOWHERE)
    except TrailerError as problem:
        return "refused" if name in str(problem) and "\n" not in str(problem) else f"bad message: {problem}"
    assert row.about.parameters > 0
    assert row.about.multiply_adds > 0
    return row.features


@pytest.mark.parametrize(("name", "features"), SAMPLE.items())
def test_a_network_of_each_family_is_described_or_refused(name, features):
    assert features_of(name) == features


@pytest.mark.sweep
@pytest.mark.parametrize("name", [f"timm:{name}" for name in timm.list_models(pretrained=True)])
def test_every_network_of_timm_is_described_or_refused(name):
    found = features_of(name)
    assert isinstance(found, int) or found == "refused"


@pytest.mark.sweep
@pytest.mark.parametrize("name", [f"torchvision:{name}" for name in torchvision.names()])
def test_every_network_of_torchvision_is_described_or_refused(name):
    found = features_of(name)
    assert isinstance(found, int) or found == "refused"


@pytest.mark.parametrize(
    "name",
    ["timm:resnet18.a1_in1k", "timm:vit_tiny_patch16_224.augreg_in21k_ft_in1k", "torchvision:regnet_y_400mf"],
)
def test_random_weights_give_a_finite_vector_of_the_stated_length(name):
    row = find_row(name, NOWHERE)
    embedder = Embedder(row, make_network(row, None), precision="float32", batch_clips=1)
    vectors = embedder(sample_clips(row, 1, shown_frames=4))
    assert vectors.shape == (1, row.features)
    assert np.isfinite(vectors).all()
