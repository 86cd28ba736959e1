"""Image towers of OpenCLIP, on a tiny architecture with random weights; trained weights are not tested."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from open_clip_lab import PUBLISHED, foreign_model, make_foreign, make_open_clip
from trailers.backbones.embedder import Embedder
from trailers.backbones.network import make_network
from trailers.backbones.precision import cosines
from trailers.backbones.processor import synthetic_frames
from trailers.backbones.rows import find_row
from trailers.backbones.transform import resize_and_crop
from trailers.errors import ConfigError, WeightsError

pytest.importorskip("open_clip", reason="needs the extra open-clip")

NOWHERE = Path("no-such-folder")


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make_open_clip(tmp_path, monkeypatch)


@pytest.mark.parametrize("tag", ["drawn", "squashed"])
def test_vectors_are_those_of_the_librarys_transform_and_model(tiny: Path, tag: str) -> None:
    import open_clip
    import torch
    from PIL import Image

    row = find_row(f"open_clip:tiny/{tag}", tiny)
    frames = synthetic_frames(75, 133)
    vectors = Embedder(row, make_network(row, tiny), precision="float32", batch_clips=2)(
        resize_and_crop(frames, row.transform)[:, None]
    )
    network = open_clip.create_model("tiny").eval()
    open_clip.load_checkpoint(network, str(tiny / row.weights.file))
    prepare = open_clip.image_transform(
        32, is_train=False, mean=PUBLISHED["mean"], std=PUBLISHED["std"], interpolation="bicubic",
        resize_mode={"drawn": "shortest", "squashed": "squash"}[tag],
    )  # fmt: skip
    with torch.no_grad():
        wanted = network.encode_image(torch.stack([prepare(Image.fromarray(frame)) for frame in frames])).numpy()
    assert vectors.shape == (2, 32)
    assert cosines(vectors, wanted).min() > 0.9999
    assert cosines(vectors, wanted[::-1].copy()).max() < 0.9999  # the test could fail


def test_an_image_tower_needs_neither_text_tower_nor_transformers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    described = make_foreign(tmp_path, monkeypatch)
    row = find_row("open_clip:foreign/drawn", tmp_path)
    whole = foreign_model(described, tmp_path / row.weights.file)
    shutil.rmtree(described)
    from open_clip import hf_model

    monkeypatch.setattr(hf_model, "transformers", None)
    network = make_network(row, tmp_path)
    pictures = torch.randn((2, 3, 32, 32), generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        torch.testing.assert_close(network(pictures), whole.encode_image(pictures))
    assert row.about.parameters == sum(value.numel() for value in whole.visual.parameters())
    assert make_network(row, None)(pictures).shape == (2, 32)


def test_weights_of_another_network_are_refused(tiny: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = tiny / "open_clip-tiny--drawn.safetensors"
    state = load_file(path)
    del state["visual.proj"]
    save_file(state, path)
    with pytest.raises(WeightsError, match=r"does not fit open_clip:tiny/drawn: .*visual\.proj"):
        make_network(find_row("open_clip:tiny/drawn", tiny), tiny)


@pytest.mark.parametrize(
    ("name", "features", "resize", "repository"),
    [
        ("open_clip:ViT-B-32/laion2b_s34b_b79k", 512, (224,), "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"),
        ("open_clip:ViT-B-32-quickgelu/openai", 512, (224,), "timm/vit_base_patch32_clip_224.openai"),
        (
            "open_clip:xlm-roberta-base-ViT-B-32/laion5b_s13b_b90k",
            512,
            (224,),
            "laion/CLIP-ViT-B-32-xlm-roberta-base-laion5B-s13B-b90k",
        ),
        ("open_clip:ViT-B-16-SigLIP2/webli", 768, (224, 224), "timm/ViT-B-16-SigLIP2"),
    ],
)
def test_published_models_are_backbones(name: str, features: int, resize: tuple[int, ...], repository: str) -> None:
    row = find_row(name, NOWHERE)
    assert (row.name, row.features, row.transform.resize, row.transform.crop) == (name, features, resize, (224, 224))
    assert row.weights.url == f"https://huggingface.co/{repository}/resolve/main/open_clip_model.safetensors"


def test_weights_with_another_activation_are_refused_with_the_right_name() -> None:
    with pytest.raises(ConfigError, match=r"trained with QuickGELU.* Write open_clip:ViT-B-32-quickgelu/openai\."):
        find_row("open_clip:ViT-B-32/openai", NOWHERE)


def test_a_wrong_name_lists_the_most_similar_valid_names() -> None:
    with pytest.raises(ConfigError, match="open_clip:ViT-B-32/laion2b_s34b_b79k"):
        find_row("open_clip:ViT-B-32/laion2b_s34b_b79", NOWHERE)


def test_without_the_package_one_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(ConfigError, match=r"needs the package open_clip_torch\. pip install 'trailers\[open-clip\]'\."):
        find_row("open_clip:ViT-B-32/laion2b_s34b_b79k", NOWHERE)
