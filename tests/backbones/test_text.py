"""Text towers of image backbones, on tiny networks with random weights; trained weights are not tested."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from open_clip_lab import foreign_model, make_foreign, make_open_clip
from repository_lab import make_repository, make_tokenizer
from trailers.__main__ import main
from trailers.backbones.network import make_network
from trailers.backbones.rows import find_row
from trailers.backbones.text import TextEncoder, shares_space
from trailers.errors import ConfigError, WeightsError

TEXTS = ["a car chase at night", "two people kiss"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CLIP and SigLIP, each with a tokenizer, as if a user had put them there."""
    pytest.importorskip("transformers", reason="needs the extra huggingface")
    folder = tmp_path_factory.mktemp("weights")
    for recipe in ("clip", "siglip", "dinov2"):
        make_tokenizer(make_repository(recipe, folder / f"transformers-lab++{recipe}"))
    return folder


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("open_clip", reason="needs the extra open-clip")
    return make_open_clip(tmp_path, monkeypatch)


# As the model cards show it, without our tables.
def library_vectors(recipe: str, folder: Path) -> np.ndarray:
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    name, padding = {"clip": ("CLIPModel", True), "siglip": ("SiglipModel", "max_length")}[recipe]
    network: Any = getattr(transformers, name).from_pretrained(folder).eval()
    inputs = tokenizer(TEXTS, return_tensors="pt", max_length=20, truncation=True, padding=padding)
    kept = ("input_ids", "attention_mask") if recipe == "clip" else ("input_ids",)
    with torch.no_grad():
        found = network.get_text_features(**{key: inputs[key] for key in kept}).pooler_output
    return np.asarray(torch.nn.functional.normalize(found, dim=1).numpy())


@pytest.mark.parametrize("recipe", ["clip", "siglip"])
def test_vectors_of_text_are_those_of_the_librarys_tokenizer_and_model(recipe: str, weights: Path) -> None:
    row = find_row(f"transformers:lab/{recipe}", weights)
    found = TextEncoder(row, weights)(TEXTS)
    assert found.shape == (2, row.features)
    np.testing.assert_allclose(found, library_vectors(recipe, weights / row.weights.file), atol=1e-5)
    assert float(found[0] @ found[1]) < 0.999  # the test could fail


def test_vectors_of_text_are_those_of_open_clip(tiny: Path) -> None:
    import open_clip
    import torch

    row = find_row("open_clip:tiny/drawn", tiny)
    network = open_clip.create_model("tiny").eval()
    open_clip.load_checkpoint(network, str(tiny / row.weights.file))
    with torch.no_grad():
        wanted = network.encode_text(open_clip.get_tokenizer("tiny")(TEXTS), normalize=True).numpy()
    np.testing.assert_allclose(TextEncoder(row, tiny)(TEXTS), wanted, atol=1e-5)
    assert float(wanted[0] @ wanted[1]) < 0.999


def test_log_messages_of_open_clip_are_not_shown(tiny: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        TextEncoder(find_row("open_clip:tiny/drawn", tiny), tiny)
        assert not caplog.messages
        logging.getLogger().info("others are heard")
        assert caplog.messages == ["others are heard"]


def test_random_weights_of_both_towers_are_those_of_one_network(weights: Path) -> None:
    import torch
    import transformers

    row = find_row("transformers:lab/clip", weights)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        whole: Any = transformers.CLIPModel(transformers.AutoConfig.from_pretrained(weights / row.weights.file))
    encoder = TextEncoder(row, weights, random_weights=True)
    assert torch.equal(encoder.tower.projection.weight, whole.text_projection.weight)
    image = make_network(row, None)
    assert any(torch.equal(value, whole.visual_projection.weight) for value in image.parameters())
    assert not np.allclose(encoder(TEXTS), TextEncoder(row, weights)(TEXTS))


@pytest.mark.parametrize(
    ("name", "shares"),
    [("clip", True), ("siglip", True), ("clip?pool=token", False), ("siglip?pool=avg", False), ("dinov2", False)],
)
def test_only_the_pooling_that_is_trained_with_text_shares_its_space(name: str, shares: bool, weights: Path) -> None:
    row = find_row(f"transformers:lab/{name}", weights)
    assert shares_space(row) == shares
    assert row.about.head == ("kept: the projection shared with text" if shares else "left out")
    if not shares:
        with pytest.raises(ConfigError, match="not in one space with text"):
            TextEncoder(row, weights)


def test_other_libraries_do_not_share_their_space_with_text() -> None:
    assert not shares_space(find_row("resnet50", Path("no-such-folder")))


def test_a_text_that_is_too_long_is_reported(weights: Path, caplog: pytest.LogCaptureFixture) -> None:
    encoder = TextEncoder(find_row("transformers:lab/clip", weights), weights)
    with caplog.at_level(logging.WARNING):
        encoder([TEXTS[0], "night " * 30])
    (message,) = caplog.messages
    assert message.startswith("text: 'night night ")
    assert "fills all 20 tokens that are read" in message


def test_a_repository_without_tokenizer_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra huggingface")
    make_repository("clip", tmp_path / "transformers-lab++clip")
    with pytest.raises(WeightsError, match=r"has no tokenizer, so no text can be read\. Run `snakemake weights`"):
        TextEncoder(find_row("transformers:lab/clip", tmp_path), tmp_path)


def test_a_tokenizer_that_changed_since_it_was_recorded_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra huggingface")
    folder = make_tokenizer(make_repository("clip", tmp_path / "transformers-lab++clip"))
    assert main(["weights", "--backbones", "transformers:lab/clip", "--weights-dir", str(tmp_path)]) == 0
    row = find_row("transformers:lab/clip", tmp_path)
    TextEncoder(row, tmp_path)
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": "1.1"}))
    with pytest.raises(WeightsError, match=r"tokenizer\.json is not as it was recorded"):
        TextEncoder(row, tmp_path)


def test_an_architecture_with_its_own_tokenizer_reads_it_from_the_weights_folder(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from open_clip import factory

    settings = factory._MODEL_CONFIGS["tiny"]
    text = {**settings["text_cfg"], "hf_tokenizer_name": "lab/words", "context_length": 77}
    monkeypatch.setitem(factory._MODEL_CONFIGS, "tiny", {**settings, "text_cfg": text})
    row = find_row("open_clip:tiny/drawn", tiny)
    with pytest.raises(WeightsError, match="has no tokenizer"):
        TextEncoder(row, tiny)
    make_tokenizer(tiny / "open_clip-tiny--drawn.tokenizer")
    tokens, mask = TextEncoder(row, tiny).tokenizer(["a car"])
    assert tokens[0, :5].tolist() == [1, 4, 5, 3, 0]
    assert mask[0, :5].tolist() == [True, True, True, True, False]
    assert tokens.shape == torch.Size([1, 77])


def test_a_text_tower_that_a_repository_describes_is_built_from_the_files_beside_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("open_clip", reason="needs the extra open-clip")
    pytest.importorskip("transformers", reason="needs the extra huggingface")
    import torch

    described = make_foreign(tmp_path, monkeypatch)
    row = find_row("open_clip:foreign/drawn", tmp_path)
    folder = make_tokenizer(tmp_path / "open_clip-foreign--drawn.tokenizer")
    with pytest.raises(WeightsError, match=r"lacks config\.json, which states the architecture of the text tower"):
        TextEncoder(row, tmp_path)
    shutil.move(described / "config.json", folder)
    encoder = TextEncoder(row, tmp_path)
    tokens, _ = encoder.tokenizer(TEXTS)
    with torch.no_grad():
        wanted = foreign_model(folder, tmp_path / row.weights.file).encode_text(tokens, normalize=True).numpy()
    np.testing.assert_allclose(encoder(TEXTS), wanted, atol=1e-5)
    assert float(wanted[0] @ wanted[1]) < 0.999
    assert TextEncoder(row, tmp_path, random_weights=True)(TEXTS).shape == (2, 32)
    (folder / "config.json").write_text('{"model_type": "somebodys", "auto_map": {"AutoConfig": "code.Config"}}')
    with pytest.raises(WeightsError, match="a text tower of the kind 'somebodys', which is not one of bert, m2m_100"):
        TextEncoder(row, tmp_path)
