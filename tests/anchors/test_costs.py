"""Parameters and multiply-adds agree with those published by timm and torchvision within one percent.

Published counts include the last layer; ours do not, so it is added here. Other differences:

* timm counts two multiply-adds for every number that a batch normalisation writes; ours does not, because they can be
  folded into the preceding weights.
* timm does not count the products of attention, which is one fused step there; ours does. So only the parameters of
  networks with attention are compared.
* torchvision's ``_ops`` of video networks are for 16 frames; ours are for the clip length of the weights.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from trailers.backbones.rows import find_row

NOWHERE = Path("no-such-folder")

# Model with a tag, number of classes, and whether its multiply-adds are those of convolutions.
TIMM = (
    ("resnet50.a1_in1k", 1000, True),
    ("resnet18.a1_in1k", 1000, True),
    ("resnext50_32x4d.a1_in1k", 1000, True),
    ("convnext_tiny.fb_in1k", 1000, True),
    ("convnextv2_tiny.fcmae_ft_in22k_in1k", 1000, True),
    ("efficientnet_b0.ra_in1k", 1000, True),
    ("tf_efficientnetv2_s.in21k_ft_in1k", 1000, True),
    ("mobilenetv3_large_100.ra_in1k", 1000, True),
    ("regnety_016.tv2_in1k", 1000, True),
    ("densenet121.ra_in1k", 1000, True),
    ("swin_tiny_patch4_window7_224.ms_in1k", 1000, False),
    ("vit_base_patch16_224.augreg_in21k_ft_in1k", 1000, False),
    ("deit3_small_patch16_224.fb_in1k", 1000, False),
    ("beitv2_base_patch16_224.in1k_ft_in1k", 1000, False),
    ("maxvit_tiny_tf_224.in1k", 1000, False),
)

TORCHVISION = (
    "resnet50", "resnet18", "convnext_tiny", "efficientnet_b0", "mobilenet_v3_large", "regnet_y_400mf", "densenet121",
    "shufflenet_v2_x1_0", "vgg11", "vit_b_16", "swin_t", "mvit_v2_s", "mvit_v1_b",
)  # fmt: skip


def normalised_numbers(model: str, side: int) -> int:
    """The number of values that the batch normalisations of a network of timm write for one picture."""
    import timm
    import torch

    with torch.device("meta"):
        network = timm.create_model(model, pretrained=False).eval()
    found = []
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.register_forward_hook(lambda module, inputs, output: found.append(output.numel()))
    with torch.inference_mode():
        network(torch.empty(1, 3, side, side, device="meta"))
    return sum(found)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "classes", "is_convolutional"), TIMM)
def test_counts_are_those_of_timm(anchors: Path, model: str, classes: int, is_convolutional: bool) -> None:
    row = find_row(f"timm:{model}", NOWHERE)
    with (anchors / "timm" / "parameters_and_gmacs.csv").open(newline="") as file:
        published = {(line["model"], int(line["infer_img_size"])): line for line in csv.DictReader(file)}
    line = published.get((model, row.transform.crop[0])) or published[model.partition(".")[0], row.transform.crop[0]]
    last = row.features * classes
    assert (row.about.parameters + last + classes) / 1e6 == pytest.approx(float(line["param_count"]), rel=0.01)
    if is_convolutional:
        counted = row.about.multiply_adds + last + 2 * normalised_numbers(model, row.transform.crop[0])
        assert counted / 1e9 == pytest.approx(
            float(line["infer_gmacs"]), rel=0.01, abs=0.005
        )  # published with two decimals


@pytest.mark.slow
@pytest.mark.parametrize("model", TORCHVISION)
def test_counts_are_those_of_torchvision(model: str) -> None:
    from torchvision import models

    row = find_row(f"torchvision:{model}", NOWHERE)
    meta = models.get_model_weights(model).DEFAULT.meta
    classes = len(meta["categories"])
    last = row.features * classes
    assert row.about.parameters + last + classes == pytest.approx(meta["num_params"], rel=0.01)
    assert (row.about.multiply_adds + last) / 1e9 == pytest.approx(meta["_ops"], rel=0.01, abs=0.001)
