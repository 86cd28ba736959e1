"""Text for OpenCLIP's models: the text tower, and the tokenizer of the architecture.

Most architectures use the tokenizer of CLIP, which comes with the package. The others name one on Hugging Face, which
`snakemake weights` puts into ``{weights}.tokenizer`` beside the weights. For some (RoBERTa, NLLB) the same repository
states the architecture of the text tower, in its config.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trailers.backbones import transformers as hugging_face
from trailers.backbones.open_clip import configuration, quiet, require, text_repository, whole_model
from trailers.backbones.repository import CONFIG
from trailers.backbones.row import Row
from trailers.backbones.tokenizers import REMEDY, check_tokenizer, made_from
from trailers.backbones.weights import read_lock
from trailers.errors import WeightsError
from trailers.store.json_file import read_json

if TYPE_CHECKING:
    import torch
    from torch import nn

UNTRAINED = {"hf_model_pretrained": False}  # its weights are in the file of both towers


def make_text_tower(row: Row, weights: Path | None, weights_dir: Path) -> nn.Module:
    """The part that reads text, with the weights of the file ``weights`` or random ones.

    Raises:
        ConfigError: the library is not installed.
        WeightsError: the file that states its architecture is not in ``weights_dir``.
    """
    from torch import nn

    more = {"text_cfg": text_settings(row, tokenizer_folder(row, weights_dir))} if text_repository(row) else {}
    whole: Any = whole_model(row, weights, **more)
    whole.visual = None  # not needed here, and most of the memory

    class TextTower(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.whole, self.logit_scale = whole, whole.logit_scale

        def forward(self, tokens: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.whole.encode_text(tokens)
            return found

    return TextTower().eval().requires_grad_(False)


def text_settings(row: Row, folder: Path) -> dict[str, Any]:
    """The settings of a text tower whose architecture ``folder``/config.json states. Raises WeightsError."""
    from open_clip.hf_configs import arch_dict

    try:
        kind = read_json(folder / CONFIG, remedy=REMEDY, error=WeightsError).get("model_type")
    except FileNotFoundError:
        what = f"lacks {CONFIG}, which states the architecture of the text tower, so no text can be read"
        raise WeightsError(what, where=folder, remedy=REMEDY) from None
    if kind not in arch_dict:  # other kinds might need code from the repository
        what = f"states a text tower of the kind {kind!r}, which is not one of {', '.join(sorted(arch_dict))}"
        raise WeightsError(what, where=folder / CONFIG, remedy=REMEDY)
    return {**configuration(row.model.partition("/")[0])["text_cfg"], "hf_model_name": str(folder)} | UNTRAINED


def tokenizer_repository(architecture: str) -> str:
    """The repository of the tokenizer of an architecture; empty if it comes with the package."""
    return str(configuration(architecture).get("text_cfg", {}).get("hf_tokenizer_name") or "")


def tokenizer_folder(row: Row, weights_dir: Path) -> Path:
    return weights_dir / f"{Path(row.weights.file).stem}.tokenizer"


class Tokenizer:
    """Sentences -> numbers of tokens and which of them are text, each (n, most tokens), padded at the end."""

    def __init__(self, row: Row, weights_dir: Path) -> None:
        """Raises WeightsError if the architecture's own tokenizer is missing or not the recorded one."""
        require(row.name)
        import open_clip
        from open_clip.tokenizer import HFTokenizer

        architecture = row.model.partition("/")[0]
        if not tokenizer_repository(architecture):
            with quiet():
                self.tokenizer: Any = open_clip.get_tokenizer(architecture)
            self.padding = 0
            return
        hugging_face.require(row.name)
        folder = tokenizer_folder(row, weights_dir)
        check_tokenizer(folder, read_lock(row, weights_dir))
        text = configuration(architecture)["text_cfg"]
        with made_from(folder):
            self.tokenizer = HFTokenizer(
                str(folder), context_length=text.get("context_length", 77), tokenizer_mode=text.get("tokenizer_mode"),
                local_files_only=True, trust_remote_code=False, **text.get("tokenizer_kwargs", {}),
            )  # fmt: skip
        self.padding = self.tokenizer.tokenizer.pad_token_id

    def __call__(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        tokens = self.tokenizer(list(texts))
        return tokens, tokens != self.padding
