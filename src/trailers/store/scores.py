"""The transition probabilities of one trailer, stored so that a change of the threshold does not need the network.

HDF5, schema ``trailer-scores/1``: ``single`` and ``many`` float32 (frames,), one per head; ``exact`` bool (windows,),
true for windows of the detector that were computed in float32. All have checksums.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trailers.errors import StoreError
from trailers.store.hdf5 import create_hdf5, open_hdf5

SCHEMA = "trailer-scores/1"


@dataclass(frozen=True, eq=False)
class Scores:
    """Both heads' transition probabilities of one trailer.

    Args:
        single: float32 (frames,), the head that marks one frame of a transition.
        many: float32 (frames,), the head that marks all its frames.
        exact: bool (windows,), true for windows of the detector that were computed in float32.
        precision: the precision in which the other windows were computed.
    """

    single: np.ndarray
    many: np.ndarray
    exact: np.ndarray
    precision: str

    def __post_init__(self) -> None:
        if self.single.ndim != 1 or self.single.shape != self.many.shape or self.exact.ndim != 1:
            shapes = ", ".join(str(values.shape) for values in (self.single, self.many, self.exact))
            raise ValueError(f"scores are (frames,), (frames,), (windows,), got {shapes}")

    def __len__(self) -> int:
        return len(self.single)

    def head(self, name: str) -> np.ndarray:
        """float32 (frames,) of the head ``name``, single or many."""
        return {"single": self.single, "many": self.many}[name]


def write_scores(path: Path, scores: Scores, attributes: Mapping[str, Any]) -> None:
    """Write ``scores``; the attributes must include ``trailer`` and ``fingerprint``.

    Raises:
        StoreError: a value is not a probability.
    """
    for name in ("single", "many"):
        # In this form, NaN counts as wrong.
        wrong = int((~((scores.head(name) >= 0) & (scores.head(name) <= 1))).sum())
        if wrong:
            raise StoreError(
                f"{path}: {wrong} of {len(scores)} probabilities of the head '{name}' are not numbers from 0 to 1. "
                "Set shots.precision: float32 and rerun the shots stage."
            )
    with create_hdf5(path) as file:
        for name, values in (("single", scores.single), ("many", scores.many), ("exact", scores.exact)):
            file.create_dataset(name, data=values, fletcher32=True, chunks=values.shape)
        file.attrs["schema"] = SCHEMA
        file.attrs["precision"] = scores.precision
        for key in sorted(attributes):
            file.attrs[key] = attributes[key]


def read_scores(path: Path) -> tuple[Scores, dict[str, Any]]:
    """The scores and the attributes.

    Raises:
        StoreError: the file is missing, damaged, or of another schema.
    """
    with open_hdf5(path, schema=SCHEMA, stage="shots") as file:
        single = file.read("single", np.float32, (None,))
        many = file.read("many", np.float32, single.shape)
        exact = file.read("exact", np.bool_, (None,))
        for name, values in (("single", single), ("many", many)):
            # In this form, NaN counts as wrong.
            if not ((values >= 0) & (values <= 1)).all():
                raise file.damaged(f"'{name}' holds probabilities that are not from 0 to 1")
        if not isinstance(file.attributes.get("precision"), str):
            raise file.damaged("the attribute 'precision' is missing")
        return Scores(single, many, exact, file.attributes["precision"]), file.attributes
