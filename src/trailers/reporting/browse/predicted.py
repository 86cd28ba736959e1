"""The prediction of each trained experiment for each trailer, and the contribution of each clip.

The network is that of the first split with the trailer in its test set, otherwise in its validation set, so that it
was not trained on the trailer. If no split has it in either, the first split's network is used and the subset named.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trailers.domain import GENRES, SUBSETS, Clip, Trailer
from trailers.genres import check_same
from trailers.store.embeddings import read_embedding
from trailers.store.experiment import PREDICTIONS, WEIGHTS
from trailers.store.experiment_files import read_predictions
from trailers.store.layout import Layout
from trailers.store.spans import CLIPS_SCHEMA, read_header, read_spans

if TYPE_CHECKING:
    from trailers.classifier.restored import Restored

UNIT = 1000  # contributions and probabilities are whole numbers of thousandths
METHOD = (
    "Leave one clip out: by how much the log-odds of a genre in the clip's snippet fall when the clip's vector is "
    "replaced by the mean of the other clips of the snippet."
)
NO_SUBSET = "not in a subset"


@dataclass(frozen=True)
class Experiment:
    """One experiment on the splits that it was trained on."""

    name: str
    folders: Mapping[int, Path]  # split -> its folder
    genres: tuple[str, ...] = GENRES  # of the data set

    @cached_property
    def predictions(self) -> dict[int, dict[str, tuple[float, ...]]]:
        """Split -> trailer -> probability of each genre, of validation and test.

        Raises:
            StoreError: a file is missing or damaged, or has other genres.
        """
        found = {}
        for split, folder in self.folders.items():
            genres, rows = read_predictions(folder / PREDICTIONS)
            check_same(genres, self.genres, folder)
            found[split] = {row[0]: tuple(map(float, row[2 : 2 + len(genres)])) for row in rows}
        return found

    @cached_property
    def networks(self) -> dict[int, Restored]:
        """Split -> its network. Raises StoreError if one is missing or damaged."""
        from trailers.classifier.restored import read_experiment

        return {split: read_experiment(folder / WEIGHTS) for split, folder in self.folders.items()}

    def split_for(self, trailer: Trailer) -> tuple[int, str]:
        """The split whose network is used, and the subset of the trailer in it."""
        for subset in ("test", "validation"):
            for split in self.folders:
                if trailer.genres and trailer.splits[split] == SUBSETS.index(subset):
                    return split, subset
        split = min(self.folders)
        code = trailer.splits[split]
        return split, NO_SUBSET if code is None or not trailer.genres else SUBSETS[code]


def find_experiments(metrics: Sequence[Path], genres: tuple[str, ...]) -> list[Experiment]:
    """The experiments whose metrics.json are named, in their order."""
    folders: dict[str, dict[int, Path]] = {}
    for path in metrics:
        folders.setdefault(path.parent.parent.name, {})[int(path.parent.name.removeprefix("split"))] = path.parent
    return [Experiment(name, splits, genres) for name, splits in folders.items()]


def worst_error(
    probabilities: Sequence[float], own: Sequence[str], genres: Sequence[str] = GENRES
) -> tuple[float, int]:
    """The largest error among ``genres``, 0 to 1, and the number of that genre; the trailer has the genres ``own``."""
    errors = [abs(p - (genre in own)) for genre, p in zip(genres, probabilities, strict=True)]
    return max(errors), int(np.argmax(errors))


def shown_experiment(
    experiment: Experiment, trailer: Trailer, layout: Layout, known: Mapping[str, Any]
) -> dict[str, Any]:
    """What the page of ``trailer`` shows of ``experiment``; ``known`` again if nothing has changed.

    Raises:
        TrailerError: vectors or clips are missing, or are not of the kind that the experiment was trained on.
    """
    split, subset = experiment.split_for(trailer)
    network = experiment.networks[split]
    trained = network.trained
    embeddings = [read_embedding(layout.embedding(trained.clips, name, trailer.trailer)) for name in trained.backbones]
    attributes = [found[2] for found in embeddings]
    inputs = [str(each.get("fingerprint")) for each in attributes]
    path = layout.clips(trained.clips, trailer.trailer)
    key = digest(METHOD, trained.fingerprint, subset, read_header(path, schema=CLIPS_SCHEMA)["fingerprint"], *inputs)
    if known.get("key") == key:
        return dict(known)
    vectors = [np.asarray(found[0], np.float32) for found in embeddings]
    network.check(vectors, attributes)
    found = network.explain(vectors)
    clips, _ = read_spans(path, kind=Clip, schema=CLIPS_SCHEMA)
    return {
        "key": key,
        "name": experiment.name,
        "split": split,
        "subset": subset,
        "clips": trained.clips,
        "method": METHOD,
        "genres": list(trained.genres),
        "probabilities": [round(float(p), 4) for p in found.probabilities],
        "snippets": [
            [clips[start].start, clips[end - 1].end, whole(row)]
            for start, end, row in zip(found.starts.tolist(), found.ends.tolist(), found.snippets, strict=True)
        ],
        "contributions": [whole(row) for row in found.logit_contributions],
    }


def whole(row: np.ndarray) -> list[int]:
    return [int(value) for value in np.rint(np.asarray(row, np.float64) * UNIT)]


def digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
