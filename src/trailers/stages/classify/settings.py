"""Settings of the stage classify, and the presets that fill in what is null."""

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
        # The text stops "on the validation loss" without saying when; with a plateau of 20 epochs
        # an earlier stop would leave the lower learning rates unused.
        "stop_epochs": 0,
        "batch_norm": False,
        "short_snippets": "masked",
        # The text says "on the validation loss" and no more; this is the loss of what is tested.
        "validation_loss": "trailers",
        "no_positives": "left_out",
    },
}


@dataclass(frozen=True)
class Settings:
    """what shapes a classifier"""

    preset: str = setting("authors or paper: values of the settings that are null")
    aggregation: str = setting("transformer, gru, conv, average or ctt")
    fusion: str = setting("late or early: several backbones by the mean of logits or by concatenated vectors")
    seed: int = setting("of initial weights, snippets, order and dropout")
    epochs: int = setting("at most")
    batch_trailers: int = setting("trailers a batch")
    learning_rate: float = setting("initial")
    snippet_clips: int = setting("clips a snippet")
    optimiser: str | None = setting("adamw_amsgrad, adamw or adam; null: the preset's")
    weight_decay: float | None = setting("null: the preset's")
    plateau_epochs: int | None = setting(
        "epochs without a better validation loss before the learning rate falls; null: the preset's"
    )
    plateau_factor: float = setting("that the learning rate is then multiplied with")
    stop_epochs: int | None = setting(
        "epochs without a better validation loss before it stops, 0 never; null: the preset's"
    )
    batch_norm: bool | None = setting("of each backbone's vectors before aggregation; null: the preset's")
    short_snippets: str | None = setting(
        "zeros: filled with zero vectors that count as clips; masked; null: the preset's"
    )
    validation_loss: str | None = setting(
        "snippets: of every snippet's own prediction; trailers: of a trailer's mean probabilities; null: the preset's"
    )
    no_positives: str | None = setting(
        "genres without positives: left_out of the means, or sklearn, as scikit-learn counts them; null: the preset's"
    )


@dataclass(frozen=True)
class Effort:
    """what does not"""

    device: str = setting("auto, cpu or cuda")
    checkpoint_s: float = setting("seconds between checkpoints: what kill -9 costs at most")


def recipe_of(settings: Settings) -> Recipe:
    """The settings with the preset's values where they are null.

    Raises:
        ConfigError: a value that a setting cannot have.
    """
    from trailers.classifier.networks import AGGREGATIONS, FUSIONS
    from trailers.classifier.recipe import Recipe

    for name, known in (("preset", PRESETS), ("aggregation", AGGREGATIONS), ("fusion", FUSIONS)):
        if getattr(settings, name) not in known:
            raise ConfigError(
                f"classify.{name} is one of {', '.join(known)}, not '{getattr(settings, name)}'. "
                "Correct it in config.yaml."
            )
    values = {
        key: value for key, value in dataclasses.asdict(settings).items() if value is not None and key != "preset"
    }
    return Recipe(**{**PRESETS[settings.preset], **values})
