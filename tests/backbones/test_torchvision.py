"""Every torchvision model is a backbone, with the weights as the library's loader loads them."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision import models

from trailers.backbones import torchvision
from trailers.backbones.cost import network_on_meta
from trailers.backbones.network import make_network
from trailers.backbones.row import Row
from trailers.backbones.rows import find_row
from trailers.backbones.weights import known_weights
from trailers.domain import ClipStrategy, folder_name
from trailers.embedding.embedders import Settings, origin
from trailers.embedding.pairs import fingerprint_of
from trailers.errors import ConfigError, WeightsError
from trailers.tools.weights import write_lock

NOWHERE = Path("no-such-folder")

# F: the inputs of the last layer.
FEATURES = {
    "alexnet": 4096, "convnext_base": 1024, "convnext_large": 1536, "convnext_small": 768, "convnext_tiny": 768,
    "densenet121": 1024, "densenet161": 2208, "densenet169": 1664, "densenet201": 1920, "efficientnet_b0": 1280,
    "efficientnet_b1": 1280, "efficientnet_b2": 1408, "efficientnet_b3": 1536, "efficientnet_b4": 1792,
    "efficientnet_b5": 2048, "efficientnet_b6": 2304, "efficientnet_b7": 2560, "efficientnet_v2_l": 1280,
    "efficientnet_v2_m": 1280, "efficientnet_v2_s": 1280, "googlenet": 1024, "inception_v3": 2048, "maxvit_t": 512,
    "mc3_18": 512, "mnasnet0_5": 1280, "mnasnet0_75": 1280, "mnasnet1_0": 1280, "mnasnet1_3": 1280,
    "mobilenet_v2": 1280, "mobilenet_v3_large": 1280, "mobilenet_v3_small": 1024, "mvit_v1_b": 768, "mvit_v2_s": 768,
    "r2plus1d_18": 512, "r3d_18": 512, "regnet_x_16gf": 2048, "regnet_x_1_6gf": 912, "regnet_x_32gf": 2520,
    "regnet_x_3_2gf": 1008, "regnet_x_400mf": 400, "regnet_x_800mf": 672, "regnet_x_8gf": 1920,
    "regnet_y_128gf": 7392, "regnet_y_16gf": 3024, "regnet_y_1_6gf": 888, "regnet_y_32gf": 3712,
    "regnet_y_3_2gf": 1512, "regnet_y_400mf": 440, "regnet_y_800mf": 784, "regnet_y_8gf": 2016, "resnet101": 2048,
    "resnet152": 2048, "resnet18": 512, "resnet34": 512, "resnet50": 2048, "resnext101_32x8d": 2048,
    "resnext101_64x4d": 2048, "resnext50_32x4d": 2048, "s3d": 1024, "shufflenet_v2_x0_5": 1024,
    "shufflenet_v2_x1_0": 1024, "shufflenet_v2_x1_5": 1024, "shufflenet_v2_x2_0": 2048, "squeezenet1_0": 512,
    "squeezenet1_1": 512, "swin3d_b": 1024, "swin3d_s": 768, "swin3d_t": 768, "swin_b": 1024, "swin_s": 768,
    "swin_t": 768, "swin_v2_b": 1024, "swin_v2_s": 768, "swin_v2_t": 768, "vgg11": 4096, "vgg11_bn": 4096,
    "vgg13": 4096, "vgg13_bn": 4096, "vgg16": 4096, "vgg16_bn": 4096, "vgg19": 4096, "vgg19_bn": 4096,
    "vit_b_16": 768, "vit_b_32": 768, "vit_h_14": 1280, "vit_l_16": 1024, "vit_l_32": 1024,
    "wide_resnet101_2": 2048, "wide_resnet50_2": 2048,
}  # fmt: skip

# One of each kind of head, input and builder.
SAMPLE = {
    "regnet_y_400mf", "regnet_x_1_6gf", "mnasnet0_5", "densenet121", "googlenet", "inception_v3", "maxvit_t",
    "mvit_v1_b", "s3d", "squeezenet1_0", "vgg11", "vit_h_14", "swin_v2_t", "mobilenet_v3_small",
}  # fmt: skip


def test_the_list_contains_every_classification_and_video_model() -> None:
    assert set(FEATURES) == set(models.list_models(module=models) + models.list_models(module=models.video))


def test_the_names_of_video_models_are_known_without_the_library() -> None:
    assert set(torchvision.VIDEO) == set(models.list_models(module=models.video))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in SAMPLE else pytest.mark.sweep) for name in FEATURES]
)
def test_every_model_gives_vectors_as_described(name: str) -> None:
    row = torchvision.describe(name)
    assert (row.features, row.dimensions) == (FEATURES[name], 3 if name in torchvision.VIDEO else 2)
    assert row.weights.url.endswith(row.weights.file)
    # The library names its files like this; torch.hub compares the same digits.
    assert len(row.weights.sha256) in (8, 10)
    if row.dimensions == 3:  # described for 24 frames; other strategies show fewer
        shape = (1, 3, row.wanted_frames(4), *row.transform.crop)
        with torch.inference_mode():
            assert network_on_meta(row).eval()(torch.empty(shape, device="meta")).shape == (1, FEATURES[name])


@pytest.mark.parametrize(
    ("name", "file", "crop"),
    [
        ("torchvision:resnet50.IMAGENET1K_V1", "resnet50-0676ba61.pth", 224),
        ("torchvision:vit_b_16.IMAGENET1K_SWAG_E2E_V1", "vit_b_16_swag-9ac1b537.pth", 384),
        ("torchvision:vit_h_14.IMAGENET1K_SWAG_LINEAR_V1", "vit_h_14_lc_swag-c1eb923e.pth", 224),
        ("torchvision:swin3d_b.KINETICS400_IMAGENET22K_V1", "swin3d_b_22k-7c6ae6fa.pth", 224),
    ],
)
def test_a_tag_names_one_of_several_published_weights(name: str, file: str, crop: int) -> None:
    row = find_row(name, NOWHERE)
    assert (row.name, row.weights.file, row.transform.crop) == (name, file, (crop, crop))
    shape = (1, 3, *((row.wanted_frames(4),) if row.dimensions == 3 else ()), *row.transform.crop)
    with torch.inference_mode():
        assert network_on_meta(row).eval()(torch.empty(shape, device="meta")).shape == (1, row.features)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "torchvision:resnet50.IMAGENET1K_V2",
            "IMAGENET1K_V2 are the default weights of this model. Write torchvision:resnet50.",
        ),
        ("torchvision:resnet50.IMAGENET1K_V3", "The nearest are .*torchvision:resnet50.IMAGENET1K_V1"),
        ("torchvision:vgg16.IMAGENET1K_FEATURES", "no values for the layers after the features"),
        ("torchvision:resnet50.", "has no model 'resnet50.'"),
    ],
)
def test_other_tags_are_refused(name: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        find_row(name, NOWHERE)


def test_several_weights_of_one_model_can_be_used_together(tmp_path: Path) -> None:
    """Their folders, records, fingerprints and attributes differ; the same published file is fetched once."""
    rows = [
        find_row(name, NOWHERE) for name in ("torchvision:resnet50", "torchvision:resnet50.IMAGENET1K_V1", "resnet50")
    ]
    assert [row.weights.file for row in rows] == [
        "resnet50-11ad3fa6.pth", "resnet50-0676ba61.pth", "resnet50-0676ba61.pth",
    ]  # fmt: skip
    assert [folder_name(row.name) for row in rows] == [
        "torchvision-resnet50", "torchvision-resnet50.IMAGENET1K_V1", "resnet50",
    ]  # fmt: skip
    settings, shot24 = Settings("auto", random_weights=False), ClipStrategy.parse("shot24")
    assert len({fingerprint_of(shot24, row, "0" * 64, settings, "clips") for row in rows}) == 3
    origins = [origin(row, "0" * 64, settings, "float32") for row in rows]
    assert [(each["backbone"], each["weights"]) for each in origins] == [
        ("torchvision:resnet50", "IMAGENET1K_V2"), ("torchvision:resnet50.IMAGENET1K_V1", "IMAGENET1K_V1"),
        ("resnet50", "IMAGENET1K_V1"),
    ]  # fmt: skip
    for number, row in enumerate(rows):
        (tmp_path / row.weights.file).write_bytes(row.weights.name.encode())
        write_lock(row, tmp_path, f"{number}" * 64)
    assert sorted(path.name for path in tmp_path.glob("*.json")) == [
        "resnet50.json", "torchvision-resnet50.IMAGENET1K_V1.json", "torchvision-resnet50.json",
    ]  # fmt: skip
    assert [known_weights(tmp_path, row.name)[0] for row in rows] == ["0", "1", "2"]
    assert [find_row(row.name, tmp_path) for row in rows] == rows


def any_bytes(name: str) -> Row:
    """The row of that name without the published digest, for the invented checkpoints of tests."""
    row = find_row(f"torchvision:{name}", NOWHERE)
    return dataclasses.replace(row, weights=dataclasses.replace(row.weights, sha256=""))


def other_numbers(name: str) -> OrderedDict[str, torch.Tensor]:
    """A checkpoint as this version of the library would save it, with different values from the random weights."""
    state = models.get_model(name, weights=None).state_dict()
    generator = torch.Generator().manual_seed(3)
    for key, value in state.items():
        if value.is_floating_point():
            state[key] = torch.randn(value.shape, generator=generator)
    return state


def as_is(state: OrderedDict[str, torch.Tensor]) -> OrderedDict[str, torch.Tensor]:
    return state


def densenet_keys(state: OrderedDict[str, torch.Tensor]) -> OrderedDict[str, torch.Tensor]:
    """As published in 2017: denselayer1.norm.1.weight instead of denselayer1.norm1.weight, without batch counts."""
    renamed = {}
    for key, value in state.items():
        if key.endswith("num_batches_tracked"):
            continue
        head, _, tail = key.rpartition("denselayer")
        for layer in ("norm1", "norm2", "conv1", "conv2"):
            tail = tail.replace(layer, f"{layer[:-1]}.{layer[-1]}") if head else tail
        renamed[f"{head}denselayer{tail}" if head else key] = value
    return OrderedDict(renamed)


def data_parallel(state: OrderedDict[str, torch.Tensor]) -> OrderedDict[str, torch.Tensor]:
    """As saved from torch.nn.DataParallel."""
    renamed = OrderedDict((f"module.{key}", value) for key, value in state.items())
    versions: dict[str, Any] = {"": {"version": 1}}
    versions |= {f"module.{key}" if key else "module": value for key, value in state._metadata.items()}
    renamed._metadata = versions
    return renamed


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("mnasnet0_5", as_is),
        ("mnasnet1_0", as_is),
        ("mnasnet0_5", data_parallel),
        ("densenet121", as_is),
        ("densenet121", densenet_keys),
        ("regnet_y_400mf", as_is),
        ("googlenet", as_is),
        ("squeezenet1_1", as_is),
        ("mobilenet_v3_small", as_is),
        ("shufflenet_v2_x0_5", as_is),
    ],
)
def test_weights_load_as_with_the_librarys_loader(tmp_path: Path, name: str, published: Any) -> None:
    row, state = any_bytes(name), other_numbers(name)
    torch.save(published(state), tmp_path / row.weights.file)
    loaded = make_network(row, tmp_path).state_dict()
    assert loaded
    assert all(torch.equal(value, state[key]) for key, value in loaded.items())
    assert {key.split(".")[0] for key in state.keys() - loaded.keys()} <= {"fc", "classifier", "aux1", "aux2"}


def test_weights_of_a_tag_load_into_the_network_of_that_tag(tmp_path: Path) -> None:
    """SWAG's weights are for larger pictures, so they have more positions."""
    row = any_bytes("vit_b_16.IMAGENET1K_SWAG_E2E_V1")
    torch.save(models.vit_b_16(image_size=384).state_dict(), tmp_path / row.weights.file)
    loaded = make_network(row, tmp_path).state_dict()
    assert loaded["encoder.pos_embedding"].shape == (1, 24 * 24 + 1, 768)


def test_weights_that_lack_a_layer_are_refused(tmp_path: Path) -> None:
    row, state = any_bytes("densenet121"), other_numbers("densenet121")
    del state["features.conv0.weight"]
    torch.save(state, tmp_path / row.weights.file)
    with pytest.raises(WeightsError, match=r"densenet121-a639ec97\.pth: does not fit torchvision:densenet121"):
        make_network(row, tmp_path)
    weights = models.get_model_weights("densenet121").DEFAULT
    assert "get_state_dict" not in vars(weights)  # the library is not modified


def test_a_file_without_digits_in_its_name_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be checked when it is fetched; afterwards it is checked with the recorded sha256."""
    monkeypatch.setattr(
        type(models.get_model_weights("mnasnet0_5").DEFAULT), "url", "https://example.org/mnasnet_top1_67.pth"
    )
    row = torchvision.describe("mnasnet0_5")
    assert (row.weights.file, row.weights.sha256) == ("mnasnet_top1_67.pth", "")
    state = other_numbers("mnasnet0_5")
    torch.save(state, tmp_path / row.weights.file)
    loaded = make_network(row, tmp_path).state_dict()
    assert all(torch.equal(value, state[key]) for key, value in loaded.items())
