"""Makes tiny models of OpenCLIP with random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

TOWER = {"layers": 2, "width": 64, "head_width": 32}
TINY = {
    "embed_dim": 32, "vision_cfg": {**TOWER, "image_size": 32, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}  # fmt: skip
# A text tower that is described only by a repository of Hugging Face, like that of roberta-ViT-B-32.
ROBERTA = {
    "model_type": "roberta", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 32, "vocab_size": 90, "max_position_embeddings": 80, "pad_token_id": 0,
}  # fmt: skip
FOREIGN = {"hf_model_name": "lab/roberta", "hf_tokenizer_name": "lab/roberta", "hf_pooler_type": "mean_pooler"}
PUBLISHED = {
    "url": "", "hf_hub": "lab/tiny/", "mean": (0.48, 0.46, 0.41), "std": (0.27, 0.26, 0.28), "interpolation": "bicubic",
}  # fmt: skip


def make_foreign(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Register the model ``foreign/drawn``, whose text tower is described by a repository.

    Writes its weights into ``folder``, and no tokenizer. Returns a folder with the configuration of the text tower.
    """
    import open_clip
    import torch
    from open_clip import factory, pretrained
    from safetensors.torch import save_file

    text = {**FOREIGN, "hf_proj_type": "mlp", "context_length": 77}
    (folder / "foreign.json").write_text(json.dumps({**TINY, "text_cfg": text}))
    monkeypatch.setattr(factory, "_MODEL_CONFIGS", dict(factory._MODEL_CONFIGS))
    monkeypatch.setattr(factory, "_MODEL_CONFIG_PATHS", list(factory._MODEL_CONFIG_PATHS))
    open_clip.add_model_config(folder / "foreign.json")
    monkeypatch.setitem(pretrained._PRETRAINED, "foreign", {"drawn": {**PUBLISHED, "resize_mode": "shortest"}})
    described = folder / "roberta"
    described.mkdir()
    (described / "config.json").write_text(json.dumps(ROBERTA))
    state = foreign_model(described).state_dict()
    generator = torch.Generator().manual_seed(4)
    drawn = {key: 0.3 * torch.randn(value.shape, generator=generator) for key, value in state.items()}
    save_file(drawn, folder / "open_clip-foreign--drawn.safetensors")
    return described


def foreign_model(described: Path, weights: Path | None = None) -> Any:
    """The model of the library with both towers; the folder ``described`` describes its text tower."""
    import open_clip

    text = {**FOREIGN, "hf_proj_type": "mlp", "hf_model_name": str(described), "hf_model_pretrained": False}
    network = open_clip.create_model("foreign", load_weights=False, pretrained_text=False, text_cfg=text).eval()
    if weights is not None:
        open_clip.load_checkpoint(network, str(weights))
    return network


def make_open_clip(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Register the architecture ``tiny`` with two tags, and write random weights for both into ``folder``."""
    import open_clip
    import torch
    from open_clip import factory, pretrained
    from safetensors.torch import save_file

    (folder / "tiny.json").write_text(json.dumps(TINY))
    monkeypatch.setattr(factory, "_MODEL_CONFIGS", dict(factory._MODEL_CONFIGS))
    monkeypatch.setattr(factory, "_MODEL_CONFIG_PATHS", list(factory._MODEL_CONFIG_PATHS))
    open_clip.add_model_config(folder / "tiny.json")
    tags = {"drawn": {**PUBLISHED, "resize_mode": "shortest"}, "squashed": {**PUBLISHED, "resize_mode": "squash"}}
    monkeypatch.setitem(pretrained._PRETRAINED, "tiny", tags)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        state = open_clip.create_model("tiny").state_dict()
    for tag in tags:
        save_file(
            {key: value.contiguous() for key, value in state.items()}, folder / f"open_clip-tiny--{tag}.safetensors"
        )
    return folder
