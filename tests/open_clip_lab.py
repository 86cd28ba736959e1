"""A tiny architecture of OpenCLIP with drawn weights, made on the spot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

TOWER = {"layers": 2, "width": 64, "head_width": 32}
TINY = {
    "embed_dim": 32, "vision_cfg": {**TOWER, "image_size": 32, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}  # fmt: skip
PUBLISHED = {
    "url": "", "hf_hub": "lab/tiny/", "mean": (0.48, 0.46, 0.41), "std": (0.27, 0.26, 0.28), "interpolation": "bicubic",
}  # fmt: skip


def make_open_clip(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the architecture ``tiny`` with two tags known; ``folder`` then has drawn weights of both."""
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
