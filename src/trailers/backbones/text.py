"""Vectors of sentences in the space that a backbone shares with text: CLIP, SigLIP and similar models.

The text tower is read from the same weights as the image tower, so both have one digest.
"""

from __future__ import annotations

import importlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trailers.backbones.encoders import is_text_aligned
from trailers.backbones.row import RANDOM_SEED, Row
from trailers.backbones.transformers_choices import output_of
from trailers.backbones.weights import check_weights, weights_path
from trailers.errors import ConfigError

log = logging.getLogger(__name__)

MODULES = {"open_clip": "open_clip_text", "transformers": "transformers_text"}  # with Tokenizer and make_text_tower
REMEDY = "Choose open_clip:ARCHITECTURE/TAG, or CLIP or SigLIP as transformers:ORG/REPOSITORY."
BATCH = 64  # sentences per batch


def shares_space(row: Row) -> bool:
    """Whether the vectors of ``row`` can be compared with those of text."""
    if row.library == "transformers":
        return is_text_aligned(json.loads(row.config), output_of(row))
    return row.library in MODULES


class TextEncoder:
    """Sentences -> unit vectors, by the text tower of a backbone's weights.

    Attributes:
        scale: the learned factor by which cosines are multiplied before a softmax.
    """

    def __init__(self, row: Row, weights_dir: Path, *, random_weights: bool = False) -> None:
        """
        Args:
            row: a backbone whose space is shared with text.
            weights_dir: folder of its weights and tokenizer.
            random_weights: use the random weights of ``make_network`` instead of published ones.

        Raises:
            ConfigError: its space is not shared with text.
            WeightsError: weights or tokenizer are missing or damaged.
        """
        import torch

        if not shares_space(row):
            raise ConfigError("gives vectors that are not in one space with text", where=row.name, remedy=REMEDY)
        if not random_weights:
            check_weights(row, weights_dir)
        module: Any = importlib.import_module(f"trailers.backbones.{MODULES[row.library]}")
        self.row = row
        self.tokenizer = module.Tokenizer(row, weights_dir)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(RANDOM_SEED)  # as in make_network, so that both random towers fit each other
            path = None if random_weights else weights_path(row, weights_dir)
            self.tower = module.make_text_tower(row, path, weights_dir)
        self.scale = float(self.tower.logit_scale.float().exp())

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """float32 (texts, F), each of length 1; warns about sentences that are longer than the network reads."""
        import torch

        found = np.empty((len(texts), self.row.features), np.float32)
        for start in range(0, len(texts), BATCH):
            part = texts[start : start + BATCH]
            tokens, mask = self.tokenizer(part)
            for text, last in zip(part, mask[:, -1].tolist(), strict=True):
                if last:
                    log.warning(
                        "text: %r fills all %d tokens that are read: its end may be left out", text, len(mask[0])
                    )
            with torch.inference_mode():
                found[start : start + len(part)] = self.tower(tokens, mask).float().numpy()
        return unit(found)


def unit(vectors: np.ndarray) -> np.ndarray:
    """``vectors`` (n, F) at length 1; zero vectors stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: np.ndarray = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return scaled
