"""All settings that determine the result of a training."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from trailers.classifier.metrics import NO_POSITIVES
from trailers.errors import ConfigError

ZEROS, MASKED = "zeros", "masked"

OF_SNIPPETS, OF_TRAILERS = "snippets", "trailers"  # whose predictions the validation loss uses


@dataclass(frozen=True)
class Recipe:
    """All settings that determine the result of a training, together with the vectors and labels."""

    aggregation: str
    fusion: str
    seed: int
    epochs: int
    batch_trailers: int
    learning_rate: float
    snippet_clips: int
    optimiser: str
    weight_decay: float
    plateau_epochs: int  # epochs without a better validation loss after which the learning rate is reduced
    plateau_factor: float  # by which it is then multiplied
    stop_epochs: int  # epochs without a better validation loss after which training stops; 0: never
    batch_norm: bool
    short_snippets: str
    validation_loss: str  # from the prediction of every snippet, or from the mean probabilities of a trailer
    no_positives: str  # how the metrics treat a genre without positives

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            if getattr(self, name) < least:
                raise refused(name, f"at least {least}", getattr(self, name))
        if self.snippet_clips > MOST_CLIPS:
            raise refused("snippet_clips", f"at most {MOST_CLIPS}", self.snippet_clips)
        if not 0 < self.learning_rate < math.inf:
            raise refused("learning_rate", "above 0", self.learning_rate)
        if not 0 < self.plateau_factor < 1:
            raise refused("plateau_factor", "between 0 and 1", self.plateau_factor)
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise refused(name, f"one of {', '.join(known)}", getattr(self, name))


LEAST = {"epochs": 1, "batch_trailers": 1, "snippet_clips": 1} | dict.fromkeys(
    ("seed", "weight_decay", "plateau_epochs", "stop_epochs"), 0
)

MOST_CLIPS = 10_000  # more than any trailer has; memory is allocated for all clips of a snippet


def refused(name: str, wanted: str, found: object) -> ConfigError:
    return ConfigError(f"classify.{name} must be {wanted}, got {found!r}. Correct it in config.yaml.")


OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw_amsgrad": functools.partial(torch.optim.AdamW, amsgrad=True),
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
}


CHOICES: dict[str, tuple[str, ...]] = {
    "optimiser": tuple(OPTIMISERS),
    "short_snippets": (ZEROS, MASKED),
    "validation_loss": (OF_SNIPPETS, OF_TRAILERS),
    "no_positives": NO_POSITIVES,
}
