"""torch Datasets over the vectors of a run, from a pack or from one file per trailer.

    dataset = trailers.data.Clips("results", "shot24", "resnet50", manifest="manifest.csv", split=0, subset="train")
    loader = torch.utils.data.DataLoader(dataset, batch_size=256, shuffle=True, num_workers=2)

    dataset = trailers.data.Trailers("results/pack/study/shot24/resnet50.h5")
    loader = torch.utils.data.DataLoader(dataset, batch_size=32, collate_fn=trailers.data.pad)

A pack is mapped into memory; from files of trailers only the requested bytes are read. Nothing is open when workers
start, by fork or by spawn. Checksums are not verified here; `trailers verify` does that.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from trailers.api.datasets import open_table
from trailers.api.results import Results
from trailers.domain import SPLITS, SUBSETS
from trailers.errors import ConfigError
from trailers.genres import checked_genres, configured_genres
from trailers.store.manifest import read_manifest

Item = dict[str, Any]


class Vectors(Dataset[Item]):
    """The common part of both Datasets.

    Args:
        source: a pack (a file), a results folder, or the result of ``open_results``.
        strategy: the clip strategy, such as shot24; not for a pack.
        backbone: its name; not for a pack.
        trailers: the ids of the trailers to use; by default all. Not for a pack.
        manifest: a CSV with genres; items then have ``labels``, and trailers that are not in it are excluded.
        genres: the genres of the labels; by default those of config.yaml, which are the ten of Trailers12k
            unless you list your own.
        split: 0, 1 or 2, with ``subset``.
        subset: train, validation or test; trailers of other subsets are excluded.

    Raises:
        StoreError: a file is missing or damaged.
        ManifestError: the manifest cannot be read.
        ConfigError: the arguments contradict each other, or no trailer is left.
    """

    def __init__(
        self,
        source: str | Path | Results,
        strategy: str | None = None,
        backbone: str | None = None,
        *,
        trailers: Sequence[str] | None = None,
        manifest: str | Path | None = None,
        genres: Sequence[str] | None = None,
        split: int | None = None,
        subset: str | None = None,
    ) -> None:
        self.table = open_table(source, strategy, backbone, trailers)
        self.genres = configured_genres() if genres is None else checked_genres(tuple(genres), "genres")
        self.labels: dict[str, torch.Tensor] | None = None
        wanted: set[str] | None = None
        if manifest is not None:
            self.labels = labels_of(Path(manifest), self.genres, split, subset, all_known=genres is None)
            wanted = set(self.labels)
        elif split is not None or subset is not None:
            raise ConfigError("a split is read from a manifest", remedy='Give its path: manifest="manifest.csv".')
        kept = [n for n, name in enumerate(self.table.trailers) if wanted is None or name in wanted]
        if not kept:
            raise ConfigError("no trailer is left", remedy="Check the manifest, split and subset.")
        self.numbers = np.array(kept)  # in the table
        self.trailers = tuple(self.table.trailers[n] for n in kept)
        self.lengths = np.diff(self.table.offsets)[self.numbers]  # clips of each
        self.features = self.table.features

    def labelled(self, item: Item, trailer: str) -> Item:
        """``item`` with its labels, if there is a manifest."""
        return item if self.labels is None else {**item, "labels": self.labels[trailer]}


class Clips(Vectors):
    """A clip per item: ``vector`` float32 (F,), ``trailer``, ``clip`` (its number) and, with a manifest, ``labels``."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.firsts = np.cumsum([0, *self.lengths])

    __init__.__doc__ = Vectors.__doc__

    def __len__(self) -> int:
        return int(self.firsts[-1])

    def __getitem__(self, index: int) -> Item:
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is outside of {len(self)} clips")
        index %= len(self)
        place = int(np.searchsorted(self.firsts, index, side="right")) - 1
        clip = index - int(self.firsts[place])
        vector = self.table.rows(int(self.numbers[place]), clip, clip + 1)[0]
        trailer = self.trailers[place]
        # A copy, because torch wants writable memory and a pack is mapped read-only.
        return self.labelled({"vector": torch.from_numpy(vector.copy()), "trailer": trailer, "clip": clip}, trailer)


class Trailers(Vectors):
    """A trailer per item: ``vectors`` float32 (clips, F), ``trailer`` and, with a manifest, ``labels``; see ``pad``."""

    def __len__(self) -> int:
        return len(self.trailers)

    def __getitem__(self, index: int) -> Item:
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is outside of {len(self)} trailers")
        index %= len(self)
        vectors = self.table.rows(int(self.numbers[index]), 0, int(self.lengths[index]))
        trailer = self.trailers[index]
        return self.labelled({"vectors": torch.from_numpy(vectors.copy()), "trailer": trailer}, trailer)


def pad(items: Sequence[Item]) -> Item:
    """A batch of ``Trailers``: a collate function.

    Returns:
        ``vectors`` float32 (N, longest, F), zeros after each trailer's clips; ``mask`` bool (N, longest), true where
        a clip is; ``lengths`` int64 (N,); ``trailer``, a list of ids; ``labels`` float32 (N, genres) where items do.
    """
    vectors = [item["vectors"] for item in items]
    lengths = torch.tensor([len(rows) for rows in vectors])
    padded = torch.nn.utils.rnn.pad_sequence(vectors, batch_first=True)
    mask = torch.arange(padded.shape[1])[None] < lengths[:, None]
    batch = {"vectors": padded, "mask": mask, "lengths": lengths, "trailer": [item["trailer"] for item in items]}
    if "labels" in items[0]:
        batch["labels"] = torch.stack([item["labels"] for item in items])
    return batch


def labels_of(
    manifest: Path, genres: tuple[str, ...], split: int | None, subset: str | None, *, all_known: bool
) -> dict[str, torch.Tensor]:
    """Trailer -> float32 (genres,), of the trailers in the subset of the split, or of all trailers.

    With ``all_known``, any other genre in the manifest is an error.
    """
    if (split is None) != (subset is None):
        raise ConfigError(
            "split and subset must be given together", remedy='Give both, for example split=0, subset="train".'
        )
    if split is not None and (split not in SPLITS or subset not in SUBSETS):
        raise ConfigError(
            f"subset {subset!r} of split {split} does not exist",
            remedy=f"Splits are {', '.join(map(str, SPLITS))}; subsets are {', '.join(SUBSETS)}.",
        )
    found = {}
    for trailer in read_manifest(manifest, links=False, genres=genres if all_known else None):
        code = None if split is None else trailer.splits[split]
        if split is None or (code is not None and SUBSETS[code] == subset):
            found[trailer.trailer] = torch.tensor([float(genre in trailer.genres) for genre in genres])
    return found
