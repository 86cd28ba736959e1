"""How a name in config.yaml is resolved to a backbone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from trailers.backbones.embedder import Embedder
from trailers.backbones.network import make_network
from trailers.backbones.precision import sample_clips
from trailers.backbones.rows import find_row, row_from, row_values
from trailers.backbones.weights import read_lock_file
from trailers.errors import ConfigError, WeightsError
from trailers.tools import weights as weights_stage

NOWHERE = Path("no-such-folder")


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("resnet5", "resnet50"),
        ("swin3d", "swin3d_t"),
        ("R2Plus1D_18", "r2plus1d_18"),
        ("efficientnet-lite0", "efficientnet_lite0"),
    ],
)
def test_a_wrong_name_lists_the_most_similar_valid_names(wrong: str, near: str) -> None:
    with pytest.raises(ConfigError, match=f"no backbone is called '{wrong}'. The nearest are .*{near}"):
        find_row(wrong, NOWHERE)


def test_a_wrong_model_of_a_library_lists_the_most_similar_valid_names() -> None:
    with pytest.raises(ConfigError, match=r"timm:vit_base_patch14_dinov2\.lvd142m"):
        find_row("timm:vit_base_patch14_dinov2.lvd142", NOWHERE)
    with pytest.raises(ConfigError, match="torchvision:convnext_tiny"):
        find_row("torchvision:convnext_tny", NOWHERE)


@pytest.mark.parametrize(
    ("name", "features", "crop"),
    [
        ("timm:vit_base_patch14_dinov2.lvd142m", 768, (518, 518)),
        ("timm:vit_base_patch16_clip_224.openai", 768, (224, 224)),
        ("timm:vit_base_patch16_siglip_224.webli", 768, (224, 224)),
        ("torchvision:convnext_tiny", 768, (224, 224)),
        ("torchvision:squeezenet1_1", 512, (224, 224)),
        ("torchvision:vgg11", 4096, (224, 224)),
        ("torchvision:inception_v3", 2048, (299, 299)),
        ("torchvision:swin3d_t", 768, (224, 224)),
    ],
)
def test_any_model_of_a_library_is_a_backbone(name: str, features: int, crop: tuple[int, int]) -> None:
    row = find_row(name, NOWHERE)
    assert (row.name, row.features, row.transform.crop) == (name, features, crop)
    assert row.weights.url.startswith("https://")
    assert row_from(json.loads(json.dumps(row_values(row))), name) == row


@pytest.mark.parametrize("name", ["torchvision:convnext_tiny", "torchvision:squeezenet1_1", "timm:resnet18.a1_in1k"])
def test_a_model_of_a_library_gives_vectors_of_the_stated_length(name: str) -> None:
    row = find_row(name, NOWHERE)
    vectors = Embedder(row, make_network(row, None), precision="float32", batch_clips=2)(sample_clips(row, 2))
    assert vectors.shape == (2, row.features)


def test_a_model_described_when_its_weights_were_fetched_needs_no_library(tmp_path: Path) -> None:
    row = find_row("torchvision:convnext_tiny", tmp_path)
    (tmp_path / row.weights.file).write_bytes(b"weights")
    weights_stage.write_lock(row, tmp_path, "0" * 64)
    script = (
        "import sys; from pathlib import Path; from trailers.backbones.rows import find_row; "
        f"row = find_row('torchvision:convnext_tiny', Path({str(tmp_path)!r})); "
        "assert row.features == 768; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("spoilt", ["{", "[]", '{"row": {"name": "x"}}', '{"row": 3}'])
def test_a_damaged_record_is_named(tmp_path: Path, spoilt: str) -> None:
    (tmp_path / "torchvision-convnext_tiny.json").write_text(spoilt)
    with pytest.raises(WeightsError, match=r"torchvision-convnext_tiny\.json: .*snakemake weights"):
        find_row("torchvision:convnext_tiny", tmp_path)


@pytest.mark.parametrize("name", ["resnet50.json", "timm-vit_tiny_patch16_224.augreg_in21k.json"])
def test_a_folder_in_place_of_a_record_must_be_moved_away(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(
        WeightsError, match=r"\.json: is a directory; weights are recorded in a file there\. Move it away"
    ):
        read_lock_file(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        (
            "timm:vit_tiny_patch16_224",
            "timm:vit_tiny_patch16_224.augreg_in21k, timm:vit_tiny_patch16_224.augreg_in21k_ft",
        ),
        ("timm:vit_base_patch14_dinov2", "timm:vit_base_patch14_dinov2.lvd142m, "),
    ],
)
def test_a_name_without_the_tag_of_its_weights_suggests_names_with_a_tag(name: str, nearest: str) -> None:
    with pytest.raises(ConfigError, match=rf"with published weights\. The nearest are {nearest}"):
        find_row(name, NOWHERE)


def test_backbones_can_be_listed_without_torch() -> None:
    script = (
        "import sys, trailers.backbones.rows, trailers.backbones.weights, trailers.stages.embed; "
        "heavy = {'torch', 'torchvision', 'timm', 'pytorchvideo', 'av'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    "change",
    [
        {"library": "own"},
        {"library": "os"},
        {"model": "hf-hub:someone/model"},
        {"model": "resnet50"},
        {"make": "build"},
        {"features": 10**12},
        {"features": -1},
        {"features": "768"},
        {"transform": {"crop": [10**6, 10**6]}},
        {"transform": {"std": [0.0, 1.0, 1.0]}},
        {"transform": {"mean": [float("nan"), 0.0, 0.0]}},
        {"transform": None},
        {"transform": {"interpolation": ["bilinear"]}},
        {"weights": {"sha256": None}},
        {"weights": {"licence": 3}},
        {"paper": 3},
        {"weights": {"package": "evil.module"}},
        {"weights": {"file": "../../.ssh/id_rsa"}},
        {"weights": {"file": ".."}},
        {"weights": {"url": "file:///etc/passwd"}},
    ],
)
def test_a_record_beside_weights_is_data_and_cannot_run_code(tmp_path: Path, change: dict) -> None:
    values = row_values(find_row("torchvision:convnext_tiny", tmp_path))
    for key, value in change.items():
        values[key] = values[key] | value if isinstance(value, dict) else value
    (tmp_path / "torchvision-convnext_tiny.json").write_text(json.dumps({"row": values}))
    with pytest.raises(WeightsError, match=r"torchvision-convnext_tiny\.json: is damaged"):
        find_row("torchvision:convnext_tiny", tmp_path)
