"""Settings of the classify stage, and the presets that fill in what is null."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trailers.errors import ConfigError
from trailers.settings import setting

if TYPE_CHECKING:
    from trailers.classifier.recipe import Recipe

# Where the paper's text and the authors' published code differ.
PRESETS: dict[str, dict[str, Any]] = {
    "authors": {
        "optimiser": "adamw_amsgrad",
        "weight_decay": 0.01,
        "plateau_epochs": 10,
        "stop_epochs": 20,
        "batch_norm": True,
        "short_snippets": "zeros",
        "validation_loss": "snippets",
        "no_positives": "sklearn",
    },
    "paper": {
        "optimiser": "adam",
        "weight_decay": 0.0,
        "plateau_epochs": 20,
        # The text stops "on the validation loss" without saying when; with a plateau of 20 epochs,
        # an earlier stop would never use the lower learning rates.
        "stop_epochs": 0,
        "batch_norm": False,
        "short_snippets": "masked",
        # The text says only "on the validation loss"; this is the loss of the predictions that are tested.
        "validation_loss": "trailers",
        "no_positives": "left_out",
    },
}


@dataclass(frozen=True)
class Settings:
    """options that change the classifier"""

    preset: str = setting("authors or paper: gives the values of the options that are null")
    aggregation: str = setting("transformer, gru, conv, average or ctt")
    fusion: str = setting("how several backbones are combined: late (mean of logits) or early (concatenated vectors)")
    seed: int = setting("seed of initial weights, snippets, order and dropout")
    epochs: int = setting("maximum number of epochs")
    batch_trailers: int = setting("trailers per batch")
    learning_rate: float = setting("initial learning rate")
    snippet_clips: int = setting("clips per snippet")
    optimiser: str | None = setting("adamw_amsgrad, adamw or adam; null: as in the preset")
    weight_decay: float | None = setting("weight decay; null: as in the preset")
    plateau_epochs: int | None = setting(
        "epochs without a lower validation loss before the learning rate is reduced; null: as in the preset"
    )
    plateau_factor: float = setting("factor that reduces the learning rate after plateau_epochs")
    stop_epochs: int | None = setting(
        "epochs without a lower validation loss before training stops, 0: never; null: as in the preset"
    )
    batch_norm: bool | None = setting(
        "batch normalisation of each backbone's vectors before aggregation; null: as in the preset"
    )
    short_snippets: str | None = setting(
        "zeros (padded with zero vectors that count as clips) or masked; null: as in the preset"
    )
    validation_loss: str | None = setting(
        "loss of each snippet's own prediction (snippets) or of the mean per trailer (trailers); null: as in the preset"
    )
    no_positives: str | None = setting(
        "genres without positives: left_out of the means, or as in scikit-learn (sklearn); null: as in the preset"
    )


@dataclass(frozen=True)
class Effort:
    """performance options (do not change the classifier)"""

    device: str = setting("auto, cpu or cuda")
    checkpoint_s: float = setting("seconds between checkpoints; kill -9 costs up to this much training")


def recipe_of(settings: Settings) -> Recipe:
    """The settings, with the preset's values in place of null.

    Raises:
        ConfigError: a setting has a value that is not allowed.
    """
    from trailers.classifier.networks import AGGREGATIONS, FUSIONS
    from trailers.classifier.recipe import Recipe

    for name, known in (("preset", PRESETS), ("aggregation", AGGREGATIONS), ("fusion", FUSIONS)):
        if getattr(settings, name) not in known:
            raise ConfigError(
                f"classify.{name} must be one of {', '.join(known)}, got '{getattr(settings, name)}'. "
                "Correct it in config.yaml."
            )
    values = {
        key: value for key, value in dataclasses.asdict(settings).items() if value is not None and key != "preset"
    }
    return Recipe(**{**PRESETS[settings.preset], **values})
