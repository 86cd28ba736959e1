"""Encoders of transformers, on tiny generated repositories with random weights; trained weights are not tested."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repository_lab import RECIPES, make_repository
from trailers.backbones.cost import cost_of
from trailers.backbones.embedder import Embedder
from trailers.backbones.network import make_network
from trailers.backbones.precision import cosines, sample_clips
from trailers.backbones.processor import synthetic_frames
from trailers.backbones.row import Row, Transform, clip_frames
from trailers.backbones.rows import ROWS, find_row, row_from, row_values
from trailers.backbones.text import shares_space
from trailers.backbones.transform import resize_and_crop
from trailers.domain import ClipStrategy
from trailers.errors import ConfigError, WeightsError

pytest.importorskip("transformers", reason="needs the extra huggingface")

SHOWN = ClipStrategy.parse("shot24")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of weights with every tiny repository, as if a user had put them there."""
    folder = tmp_path_factory.mktemp("weights")
    for recipe in RECIPES:
        make_repository(recipe, folder / f"transformers-lab++{recipe}")
    return folder


def shown_clip() -> np.ndarray:
    """24 different frames of an odd size: uint8 (24, 75, 133, 3)."""
    frames = synthetic_frames(75, 133)[0].astype(int)
    return np.stack([np.roll(frames, 5 * number, axis=1) + number for number in range(24)]).astype(np.uint8)


def our_vector(row: Row, weights: Path) -> np.ndarray:
    """The vector of the pipeline: choose frames, resize, crop, embed."""
    chosen = clip_frames(row, SHOWN, start=0, valid=24, frame=11)
    clip = resize_and_crop(shown_clip()[chosen], row.transform)
    return Embedder(row, make_network(row, weights), precision="float32", batch_clips=1)(clip[None])


# As the model cards of the library show it: processor, then model; without our tables.
def library_vector(recipe: str, folder: Path, frames: list[int], pool: str) -> np.ndarray:
    import torch
    import transformers

    sizes = SIZES.get(f"{recipe}{pool}", {})
    is_video = "num_frames" in RECIPES[recipe][2] or recipe.startswith("vjepa2")
    kind = transformers.AutoVideoProcessor if is_video else transformers.AutoImageProcessor
    inputs = kind.from_pretrained(folder, **sizes)(list(shown_clip()[frames]), return_tensors="pt")
    with torch.no_grad():
        return np.asarray(LIBRARY[f"{recipe}{pool}"](folder, inputs).float().numpy())


def loaded(name: str, folder: Path, **flags: Any) -> Any:
    import transformers

    return getattr(transformers, name).from_pretrained(folder, **flags).eval()


def hidden(name: str, folder: Path, inputs: Any) -> Any:
    return loaded(name, folder)(**inputs).last_hidden_state


def after(name: str, folder: Path, inputs: Any, layer: int = 1, **more: bool) -> Any:
    return loaded(name, folder)(**inputs, output_hidden_states=True, **more).hidden_states[layer]


def vjepa2_attentive(folder: Path, inputs: Any) -> Any:
    network = loaded("VJEPA2ForVideoClassification", folder)
    return network.pooler(network.vjepa2.get_vision_features(inputs["pixel_values_videos"]))


def videomae_classifier(folder: Path, inputs: Any) -> Any:
    network = loaded("VideoMAEForVideoClassification", folder)
    return network.fc_norm(network.videomae(**inputs).last_hidden_state.mean(1))


LIBRARY = {
    "vjepa2": lambda f, x: loaded("VJEPA2Model", f).get_vision_features(x["pixel_values_videos"]).mean(1),
    "vjepa2-classifier": vjepa2_attentive,
    "vjepa2-classifier?pool=avg": lambda f, x: (
        loaded("VJEPA2Model", f).get_vision_features(x["pixel_values_videos"]).mean(1)
    ),
    "videomae": lambda f, x: hidden("VideoMAEModel", f, x).mean(1),
    "videomae-classifier": videomae_classifier,
    "timesformer": lambda f, x: hidden("TimesformerModel", f, x)[:, 0],
    "timesformer?pool=avg": lambda f, x: hidden("TimesformerModel", f, x)[:, 1:].mean(1),
    "vivit": lambda f, x: hidden("VivitModel", f, x)[:, 0],
    "dinov2": lambda f, x: loaded("Dinov2Model", f)(**x).pooler_output,
    "dinov2?pool=avg": lambda f, x: hidden("Dinov2Model", f, x)[:, 1:].mean(1),
    "dinov2?size=56": lambda f, x: loaded("Dinov2Model", f)(**x).pooler_output,
    "vit?size=48": lambda f, x: loaded("ViTModel", f)(**x, interpolate_pos_encoding=True).last_hidden_state[:, 0],
    "siglip?size=48": lambda f, x: loaded("SiglipVisionModel", f)(**x, interpolate_pos_encoding=True).pooler_output,
    "clip?size=48": lambda f, x: (
        loaded("CLIPVisionModelWithProjection", f, config=clip_vision(f))(
            **x, interpolate_pos_encoding=True
        ).image_embeds
    ),
    "dinov3?size=48": lambda f, x: loaded("DINOv3ViTModel", f)(**x).pooler_output,
    "vjepa2?frames=4": lambda f, x: loaded("VJEPA2Model", f).get_vision_features(x["pixel_values_videos"]).mean(1),
    "dinov2-registers": lambda f, x: loaded("Dinov2WithRegistersModel", f)(**x).pooler_output,
    "dinov2-registers?pool=avg": lambda f, x: hidden("Dinov2WithRegistersModel", f, x)[:, 3:].mean(1),
    "dinov3": lambda f, x: loaded("DINOv3ViTModel", f)(**x).pooler_output,
    "dinov3-convnext": lambda f, x: loaded("DINOv3ConvNextModel", f)(**x).pooler_output,
    "vit": lambda f, x: hidden("ViTModel", f, x)[:, 0],
    "ijepa": lambda f, x: hidden("IJepaModel", f, x).mean(1),
    "clip": lambda f, x: loaded("CLIPVisionModelWithProjection", f, config=clip_vision(f))(**x).image_embeds,
    "clip?pool=token": lambda f, x: loaded("CLIPModel", f).vision_model(**x).pooler_output,
    "siglip": lambda f, x: loaded("SiglipVisionModel", f)(**x).pooler_output,
    "siglip?pool=avg": lambda f, x: hidden("SiglipVisionModel", f, x).mean(1),
    "vjepa2-classifier?layer=1": lambda f, x: after("VJEPA2Model", f, x, skip_predictor=True).mean(1),
    "videomae-classifier?layer=1": lambda f, x: after("VideoMAEModel", f, x).mean(1),
    "timesformer?layer=1": lambda f, x: after("TimesformerModel", f, x)[:, 0],
    "vivit?layer=1": lambda f, x: after("VivitModel", f, x)[:, 0],
    "dinov2?layer=1&size=56": lambda f, x: after("Dinov2Model", f, x)[:, 0],
    "dinov2?layer=0&pool=avg": lambda f, x: after("Dinov2Model", f, x, layer=0)[:, 1:].mean(1),
    "dinov2-registers?layer=1&pool=avg": lambda f, x: after("Dinov2WithRegistersModel", f, x)[:, 3:].mean(1),
    "dinov3?layer=1": lambda f, x: after("DINOv3ViTModel", f, x)[:, 0],
    "vit?layer=1": lambda f, x: after("ViTModel", f, x)[:, 0],
    "ijepa?layer=1": lambda f, x: after("IJepaModel", f, x).mean(1),
    "clip?layer=1": lambda f, x: after("CLIPVisionModel", f, x)[:, 0],
    "clip?layer=1&pool=avg": lambda f, x: after("CLIPVisionModel", f, x)[:, 1:].mean(1),
    "siglip?layer=1": lambda f, x: after("SiglipVisionModel", f, x).mean(1),
}


def clip_vision(folder: Path) -> Any:
    import transformers

    config = transformers.CLIPConfig.from_pretrained(folder)
    config.vision_config.projection_dim = config.projection_dim
    return config.vision_config


# For another size, the processors of the library keep the share of the crop: 63 x 32 / 36 = 56.
SIZES = {
    "dinov2?layer=1&size=56": {"size": {"shortest_edge": 63}, "crop_size": {"height": 56, "width": 56}},
    "dinov2?size=56": {"size": {"shortest_edge": 63}, "crop_size": {"height": 56, "width": 56}},
    "vit?size=48": {"size": {"height": 48, "width": 48}},
    "siglip?size=48": {"size": {"height": 48, "width": 48}},
    "dinov3?size=48": {"size": {"height": 48, "width": 48}},
    "clip?size=48": {"size": {"shortest_edge": 48}, "crop_size": {"height": 48, "width": 48}},
}

# As documented: frames spread evenly from the first shown to the last.
FRAMES = {6: [0, 4, 9, 13, 18, 23], 4: [0, 7, 15, 23], 1: [11]}


@pytest.mark.parametrize("name", LIBRARY)
def test_vectors_are_those_of_the_librarys_processor_and_model_on_the_same_frames(name: str, weights: Path) -> None:
    recipe, _, choice = name.partition("?")
    row = find_row(f"transformers:lab/{name}", weights)
    frames = FRAMES[row.frames or 0]
    assert clip_frames(row, SHOWN, start=0, valid=24, frame=11) == frames
    wanted = library_vector(recipe, weights / row.weights.file, frames, f"?{choice}" if choice else "")
    found = our_vector(row, weights)
    assert found.shape == wanted.shape == (1, row.features)
    assert float(cosines(found, wanted)[0]) > 0.9999
    # The test can fail: a difference of half a pixel or half a clip is detected.
    others = library_vector(
        recipe, weights / row.weights.file, [frame // 2 for frame in frames], choice and f"?{choice}"
    )
    assert float(cosines(found, others)[0]) < 0.9999


def test_a_crop_starts_at_the_pixel_to_which_the_library_rounds_down() -> None:
    transform = Transform((36,), (32, 32), (0.0,) * 3, (1.0,) * 3, crop_rounding="down")
    frames = np.arange(67, dtype=np.uint8)[None, None, :, None].repeat(36, axis=1).repeat(3, axis=3)
    assert resize_and_crop(frames, transform)[0, 0, [0, -1], 0].tolist() == [17, 48]
    nearest = dataclasses.replace(transform, crop_rounding="nearest")
    assert resize_and_crop(frames, nearest)[0, 0, [0, -1], 0].tolist() == [18, 49]


def test_fingerprints_of_earlier_transforms_have_not_changed() -> None:
    assert "crop_rounding" not in ROWS["resnet50"].identity()["transform"]
    assert "config" not in ROWS["resnet50"].identity()


@pytest.mark.parametrize("recipe", RECIPES)
def test_random_weights_give_the_same_network_and_a_record_needs_no_library(recipe: str, weights: Path) -> None:
    row = find_row(f"transformers:lab/{recipe}", weights)
    assert row_from(json.loads(json.dumps(row_values(row))), row.name) == row
    clips = sample_clips(row, 3)
    vectors = Embedder(row, make_network(row, None), precision="float32", batch_clips=3)(clips)
    again = Embedder(row, make_network(row, None), precision="float32", batch_clips=3)(clips)
    np.testing.assert_array_equal(vectors, again)
    assert vectors.shape == (3, row.features)
    assert cost_of(row).parameters > 0


def test_a_choice_that_the_network_does_not_have_is_refused(weights: Path) -> None:
    with pytest.raises(ConfigError, match=r"does not offer pool=max\. By default it gives 'token'; it also offers avg"):
        find_row("transformers:lab/dinov2?pool=max", weights)
    with pytest.raises(ConfigError, match=r"pool=token is what .* by default.*Write transformers:lab/dinov2\."):
        find_row("transformers:lab/dinov2?pool=token", weights)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("vit?size=32", r"size=32 is what this model does by default"),
        ("vit?size=36", r"does not offer size=36\. Its patches have 8 px: write a multiple\."),
        ("videomae?size=48", r"does not offer size=48\. It takes 32 x 32 px\."),
        ("vjepa2?frames=6", r"frames=6 is what this model does by default"),
        ("vjepa2?frames=5", r"does not offer frames=5\. It joins 2 frames: write a multiple\."),
        ("videomae?frames=8", r"does not offer frames=8\. It takes 4\."),
        ("vit?layer=2", r"does not offer layer=2\. It has 2 layers: write 0 to 1, or nothing for the last\."),
        ("dinov3-convnext?layer=1", r"does not offer layer=1\. Its layers give maps of different sizes"),
        ("siglip?layer=1&pool=map", r"does not offer pool=map\. By default it gives 'avg'\."),
        ("clip?layer=1&pool=token", r"pool=token is what .* by default.*Write transformers:lab/clip\?layer=1\."),
    ],
)
def test_a_choice_of_a_value_that_the_network_cannot_take_is_refused(name: str, words: str, weights: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        find_row(f"transformers:lab/{name}", weights)


def test_an_impossible_backbone_is_refused_in_one_sentence(tmp_path: Path) -> None:
    folder = make_repository("vit", tmp_path / "transformers-lab++vit")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "bert"}))
    with pytest.raises(ConfigError, match="has the model_type 'bert', which is not one of clip, siglip"):
        find_row("transformers:lab/vit", tmp_path)
    (folder / "config.json").write_text(json.dumps(config | {"image_size": 64}))
    with pytest.raises(ConfigError, match=r"does not accept pixels \(3, 32, 32\), which its processor prepares"):
        find_row("transformers:lab/vit", tmp_path)
    (folder / "config.json").write_text(json.dumps(config | {"hidden_act": "unheard of"}))
    with pytest.raises(ConfigError, match=r"does not accept pixels \(3, 32, 32\).*unheard of"):
        find_row("transformers:lab/vit", tmp_path)


def test_layers_after_the_chosen_one_are_not_computed(weights: Path) -> None:
    row, whole = (find_row(f"transformers:lab/siglip{choice}", weights) for choice in ("?layer=1", ""))
    assert (row.about.pooling, row.about.head) == ("avg, after layer 1", "left out")
    # One of the two layers, without pooling by attention.
    assert row.about.multiply_adds < 0.6 * whole.about.multiply_adds
    assert not shares_space(find_row("transformers:lab/clip?layer=1", weights))


def test_a_processor_with_unknown_steps_is_refused(tmp_path: Path) -> None:
    folder = make_repository("dinov2", tmp_path / "transformers-lab++dinov2")
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"do_resize": False}))
    with pytest.raises(ConfigError, match="not supported: frames would keep different sizes"):
        find_row("transformers:lab/dinov2", tmp_path)


def test_code_in_a_repository_is_never_run(tmp_path: Path) -> None:
    folder = make_repository("vit", tmp_path / "transformers-lab++vit")
    (folder / "own.py").write_text("import pathlib; pathlib.Path('spied').touch()")
    for file, auto in (("config.json", "AutoConfig"), ("preprocessor_config.json", "AutoImageProcessor")):
        values = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps(values | {"auto_map": {auto: "own.Own", "AutoModel": "own.Own"}}))
    row = find_row("transformers:lab/vit", tmp_path)
    make_network(row, tmp_path)
    assert not Path("spied").exists()


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"attn_implementation": "somebody/kernel"}, "'attn_implementation': \"somebody/kernel\""),
        ({"_attn_implementation": {"": "sdpa", "vision_config": "a/b@main:c"}}, '"a/b@main:c"'),
        ({"vision_config": {"experts_implementation": "flash_attention_2"}}, '"flash_attention_2"'),
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, "'quantization_config'"),
    ],
)
def test_a_configuration_that_asks_for_code_from_elsewhere_is_refused(tmp_path: Path, entry: dict, words: str) -> None:
    folder = make_repository("vit", tmp_path / "transformers-lab++vit")
    row = find_row("transformers:lab/vit", tmp_path)
    path = folder / "config.json"
    plain = json.loads(path.read_text())
    path.write_text(json.dumps(plain | entry))
    # Also if a record describes the network, so that only the library would read the file.
    for ask in (lambda: find_row("transformers:lab/vit", tmp_path), lambda: make_network(row, tmp_path)):
        with pytest.raises(ConfigError, match="runs code that is not part of transformers") as problem:
            ask()
        assert words in str(problem.value)
    path.write_text(
        json.dumps(
            plain | {"attn_implementation": "eager", "_attn_implementation_autoset": True, "quantization_config": None}
        )
    )
    make_network(find_row("transformers:lab/vit", tmp_path), tmp_path)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"num_hidden_layers": 10_000_000}, "asks for 'num_hidden_layers': 10000000, more than 1000"),
        ({"vision_config": {"num_hidden_layers": 1001}}, "asks for 'num_hidden_layers': 1001, more than 1000"),
        ({"depths": [3, 3, 2_000, 3]}, "asks for 'depths': 2000, more than 1000"),
    ],
)
def test_a_configuration_of_more_layers_than_any_network_has_is_refused(
    tmp_path: Path, entry: dict, words: str
) -> None:
    folder = make_repository("vit", tmp_path / "transformers-lab++vit")
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entry))
    with pytest.raises(ConfigError) as problem:
        find_row("transformers:lab/vit", tmp_path)
    assert words in str(problem.value)


def test_weights_that_lack_a_layer_are_refused_although_the_library_would_initialise_it_randomly(
    tmp_path: Path,
) -> None:
    from safetensors.torch import load_file, save_file

    folder = make_repository("dinov2", tmp_path / "transformers-lab++dinov2")
    row = find_row("transformers:lab/dinov2", tmp_path)
    state = load_file(folder / "model.safetensors")
    del state["layernorm.bias"]
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(WeightsError, match=r"lacks layernorm\.bias, which transformers:lab/dinov2 needs"):
        make_network(row, tmp_path)


def test_without_the_package_one_sentence_says_how_to_install_it(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match=r"needs the package transformers\. pip install 'trailers\[huggingface\]'\."):
        find_row("transformers:lab/vit", weights)
