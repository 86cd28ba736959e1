"""Makes tiny repositories of transformers with random weights, and serves them from a hub on loopback.

The networks have the classes and processors of published ones, but not their weights.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from server import Page, Server

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
VIT = {**SIZE, "intermediate_size": 64, "image_size": 32, "patch_size": 8}
CROP = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}}
SQUARE = {"size": {"height": 32, "width": 32}}
JEPA = {
    **SIZE, "patch_size": 8, "crop_size": 32, "frames_per_clip": 6, "mlp_ratio": 2, "pred_hidden_size": 16,
    "pred_num_attention_heads": 2, "pred_num_hidden_layers": 1, "pred_num_mask_tokens": 1,
}  # fmt: skip
TEXT = {
    **SIZE, "intermediate_size": 64, "vocab_size": 90, "max_position_embeddings": 20, "bos_token_id": 1,
    "eos_token_id": 3,
}  # fmt: skip
WORDS = (
    *("[pad]", "[start]", "[unknown]", "[end]"),
    *("a", "car", "chase", "at", "night", "of", "the", "man", "in", "dark", "kiss", "two", "people"),
)
TOWERS = {"text_config": TEXT, "vision_config": VIT}
DECODER = {
    "decoder_hidden_size": 16, "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 2,
    "decoder_intermediate_size": 24,
}  # fmt: skip

# Name -> class of the network, its configuration, class of the processor, its fields.
RECIPES = {
    "vjepa2": ("VJEPA2Model", "VJEPA2Config", JEPA, "VJEPA2VideoProcessor", {"crop_size": 32}),
    "vjepa2-classifier": (
        "VJEPA2ForVideoClassification", "VJEPA2Config", JEPA, "VJEPA2VideoProcessor", {"crop_size": 32},
    ),
    "videomae": (
        "VideoMAEForPreTraining", "VideoMAEConfig", {**VIT, **DECODER, "num_frames": 4}, "VideoMAEImageProcessor", CROP,
    ),
    "videomae-classifier": (
        "VideoMAEForVideoClassification", "VideoMAEConfig", {**VIT, "num_frames": 4}, "VideoMAEImageProcessor", CROP,
    ),
    "timesformer": (
        "TimesformerForVideoClassification", "TimesformerConfig", {**VIT, "num_frames": 4}, "VideoMAEImageProcessor",
        {**CROP, "image_mean": [0.45] * 3, "image_std": [0.225] * 3},
    ),
    "vivit": (
        "VivitForVideoClassification", "VivitConfig", {**VIT, "num_frames": 4, "tubelet_size": [2, 8, 8]},
        "VivitImageProcessor", CROP,
    ),
    "dinov2": (
        "Dinov2Model", "Dinov2Config", {**VIT, "image_size": 56}, "BitImageProcessor", {**CROP, "resample": 3},
    ),
    "dinov2-registers": (
        "Dinov2WithRegistersModel", "Dinov2WithRegistersConfig", {**VIT, "num_register_tokens": 2},
        "BitImageProcessor", {**CROP, "resample": 3},
    ),
    "dinov3": (
        "DINOv3ViTModel", "DINOv3ViTConfig", {**VIT, "num_register_tokens": 2}, "DINOv3ViTImageProcessor", SQUARE,
    ),
    "dinov3-convnext": (
        "DINOv3ConvNextModel", "DINOv3ConvNextConfig", {"hidden_sizes": [8, 8, 16, 24], "depths": [1, 1, 1, 1]},
        "DINOv3ViTImageProcessor", SQUARE,
    ),
    "vit": ("ViTForImageClassification", "ViTConfig", VIT, "ViTImageProcessor", SQUARE),
    "ijepa": ("IJepaModel", "IJepaConfig", VIT, "ViTImageProcessor", SQUARE),
    "clip": (
        "CLIPModel", "CLIPConfig", {**TOWERS, "projection_dim": 32}, "CLIPImageProcessor",
        {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}},
    ),
    "siglip": ("SiglipModel", "SiglipConfig", TOWERS, "SiglipImageProcessor", SQUARE),
}  # fmt: skip


def make_repository(recipe: str, folder: Path) -> Path:
    """Write a tiny repository with random weights into ``folder``."""
    import torch
    import transformers

    network, config, values, processor, fields = RECIPES[recipe]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        made = getattr(transformers, network)(getattr(transformers, config)(**values)).eval()
        for parameter in made.parameters():  # with weights of zero or one, a missing layer would not be noticed
            torch.nn.init.normal_(parameter, std=0.3)
    made.save_pretrained(folder)
    getattr(transformers, processor)(**fields).save_pretrained(folder)
    return folder


def make_tokenizer(folder: Path) -> Path:
    """Write a tokenizer of a few words into ``folder``; all other words are the same token."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    numbers = {word: number for number, word in enumerate(WORDS)}
    made = Tokenizer(models.WordLevel(numbers, unk_token="[unknown]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    ends = [("[start]", numbers["[start]"]), ("[end]", numbers["[end]"])]
    made.post_processor = processors.TemplateProcessing(single="[start] $A [end]", special_tokens=ends)
    PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[pad]", unk_token="[unknown]", bos_token="[start]", eos_token="[end]"
    ).save_pretrained(folder)
    return folder


def hub(name: str, folder: Path) -> Server:
    """A hub that serves ``folder`` as the repository ``name``."""
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    siblings = [described(file, content) for file, content in files.items()]
    info = {
        "id": name, "modelId": name, "sha": COMMIT, "private": False, "tags": [], "downloads": 0, "likes": 0,
        "siblings": siblings, "cardData": {"license": "apache-2.0"},
    }  # fmt: skip
    answer = Page(json.dumps(info).encode(), kind="application/json")
    pages = {f"/api/models/{name}{end}": answer for end in ("", "?blobs=true")}
    pages |= {f"/api/models/{name}/revision/{COMMIT}{end}": answer for end in ("", "?blobs=true")}
    for file, content in files.items():
        head = {"ETag": f'"{etag(file, content)}"', "X-Repo-Commit": COMMIT}
        pages[f"/{name}/resolve/{COMMIT}/{file}"] = Page(content, headers=head)
    return Server(pages, heads=True)


def described(file: str, content: bytes) -> dict:
    """The entry of a file in the hub's listing; weights are stored with Git LFS."""
    found = {"rfilename": file, "size": len(content), "blobId": git_blob(content)}
    if file.endswith(".safetensors"):
        digest = hashlib.sha256(content).hexdigest()
        found["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 130}
    return found


def etag(file: str, content: bytes) -> str:
    return hashlib.sha256(content).hexdigest() if file.endswith(".safetensors") else git_blob(content)


def git_blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
