"""Text for CLIP and SigLIP of transformers: a repository's own tokenizer and text tower, from disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trailers.backbones.encoders import text_part_of
from trailers.backbones.row import Row
from trailers.backbones.tokenizers import check_tokenizer, made_from
from trailers.backbones.transformers import make_part, quiet, require
from trailers.backbones.transformers_choices import made_config
from trailers.backbones.weights import read_lock

if TYPE_CHECKING:
    import torch
    from torch import nn


def make_text_tower(row: Row, weights: Path | None, _: Path) -> nn.Module:
    """The part that reads text, with the weights of the folder ``weights`` or random ones. Raises WeightsError."""
    return make_part(row, weights, text_part_of).eval().requires_grad_(False)


class Tokenizer:
    """Sentences -> numbers of tokens and their mask, each int64 (n, most tokens), padded at the end."""

    def __init__(self, row: Row, weights_dir: Path) -> None:
        """Raises WeightsError if the repository in ``weights_dir`` has no tokenizer, or not the recorded one."""
        require(row.name)
        import transformers

        folder = weights_dir / row.weights.file
        check_tokenizer(folder, read_lock(row, weights_dir))
        text: Any = made_config(json.loads(row.config)).text_config
        self.most = int(text.max_position_embeddings)
        with made_from(folder), quiet():
            self.tokenizer: Any = transformers.AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )

    def __call__(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        found = self.tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=self.most, return_attention_mask=True,
            return_tensors="pt",
        )  # fmt: skip
        return found["input_ids"], found["attention_mask"]
