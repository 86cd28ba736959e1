"""Selects the trailers of a training: those of a split that have genres and embeddings."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trailers.domain import GENRES, SUBSETS, Trailer
from trailers.errors import ConfigError, StoreError
from trailers.store.pack import Pack, check_finite
from trailers.store.videos import describe_shared, shared_videos, split_apart

if TYPE_CHECKING:
    from trailers.classifier.recipe import Recipe
    from trailers.classifier.snippets import Examples

log = logging.getLogger(__name__)

# Why a trailer is left out.
REASONS = NO_GENRES, NO_SPLIT, NO_EMBEDDING = "no_genres", "no_split", "no_embedding"
FLAGGED = "flagged"  # by the quality stage, with a flag that quality.exclude names


@dataclass(frozen=True)
class LeftOut:
    """A trailer of the manifest that is left out, and why."""

    trailer: Trailer
    reason: str
    backbone: str = ""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Study:
    """One split of a manifest, with the packs of its embeddings."""

    packs: tuple[Pack, ...]
    split: int
    subsets: dict[str, list[Trailer]]  # train, validation, test; each in the manifest's order
    left_out: list[LeftOut]
    genres: tuple[str, ...] = GENRES

    @property
    def reasons(self) -> tuple[str, ...]:
        """The possible reasons to leave trailers out; flags are among them only if they exclude trailers."""
        return (*REASONS, FLAGGED) if any(left.flags for left in self.left_out) else REASONS

    def examples(self, subset: str) -> Examples:
        from trailers.classifier.snippets import Examples

        trailers = self.subsets[subset]
        tables = tuple(pack.vectors for pack in self.packs)
        rows = [rows_of(pack, trailers) for pack in self.packs]
        lengths = np.diff(self.packs[0].offsets)[rows[0]]
        firsts = tuple(pack.offsets[chosen] for pack, chosen in zip(self.packs, rows, strict=True))
        return Examples(tables, firsts, lengths, self.labels_of(trailers))

    @property
    def features(self) -> tuple[int, ...]:
        return tuple(pack.features for pack in self.packs)

    def labels_of(self, trailers: Sequence[Trailer]) -> np.ndarray:
        """float32 (trailers, genres): 1 if the trailer has the genre, otherwise 0."""
        rows = [[genre in trailer.genres for genre in self.genres] for trailer in trailers]
        return np.array(rows, np.float32).reshape(-1, len(self.genres))


def rows_of(pack: Pack, trailers: Sequence[Trailer]) -> np.ndarray:
    row = {trailer: number for number, trailer in enumerate(pack.trailers)}
    return np.array([row[trailer.trailer] for trailer in trailers], np.int64)


def make_study(
    trailers: Sequence[Trailer], packs: Sequence[Pack], split: int,
    flagged: Mapping[str, tuple[str, ...]] | None = None, genres: tuple[str, ...] = GENRES,
) -> Study:  # fmt: skip
    """The trailers for training, validation and test, and the trailers that are left out.

    Args:
        trailers: of the manifest.
        packs: one per backbone.
        split: its number.
        flagged: trailer -> the flags that exclude it.
        genres: the genres to learn, in the order of the outputs.

    Raises:
        StoreError: the packs do not belong together.
        ConfigError: a subset has no trailer.
    """
    check_packs(packs)
    held = {pack.backbone: set(pack.trailers) for pack in packs}
    subsets: dict[str, list[Trailer]] = {subset: [] for subset in SUBSETS}
    left_out = []
    for trailer in trailers:
        code = trailer.splits[split]
        missing = [backbone for backbone, ids in held.items() if trailer.trailer not in ids]
        if not trailer.genres:
            left_out.append(LeftOut(trailer, NO_GENRES))
        elif code is None:
            left_out.append(LeftOut(trailer, NO_SPLIT))
        elif flagged and trailer.trailer in flagged:
            left_out.append(LeftOut(trailer, FLAGGED, flags=flagged[trailer.trailer]))
        elif missing:
            left_out.append(LeftOut(trailer, NO_EMBEDDING, missing[0]))
        else:
            subsets[SUBSETS[code]].append(trailer)
    check_lengths(packs, subsets)
    for subset, members in subsets.items():
        if not members:
            raise ConfigError(
                f"split {split} has no {subset} trailer with genres and embeddings ({len(left_out)} of {len(trailers)} "
                f"are left out). Fill in genres and split{split} in the manifest, or run the earlier stages."
            )
    return Study(tuple(packs), split, subsets, left_out, genres)


def check_packs(packs: Sequence[Pack]) -> None:
    first = packs[0]
    for pack in packs[1:]:
        if pack.clips != first.clips:
            raise StoreError(
                f"{pack.path}: its clips are {pack.clips}, but those of {first.path} are {first.clips}. "
                "Give packs of one clip strategy."
            )
    names = [pack.backbone for pack in packs]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise ConfigError(f"--packs: backbone {double[0]} is listed twice. Name each pack once.")
    for pack in packs:
        check_finite(pack)


def check_lengths(packs: Sequence[Pack], subsets: Mapping[str, Sequence[Trailer]]) -> None:
    trailers = [trailer for members in subsets.values() for trailer in members]
    first, *others = packs
    lengths = np.diff(first.offsets)[rows_of(first, trailers)]
    for pack in others:
        found = np.diff(pack.offsets)[rows_of(pack, trailers)]
        for i in np.flatnonzero(found != lengths)[:1]:
            raise StoreError(
                f"{pack.path}: {trailers[i].trailer} has {found[i]} clips, but it has {lengths[i]} in {first.path}. "
                "Their embeddings come from different clips: rerun the embed and pack stages."
            )


def log_shared(trailers: Sequence[Trailer], folder: Path, split: int) -> None:
    """Log which trailers of different subsets have the same video, because then a test video was trained on."""
    for group in shared_videos(trailers, folder):
        if split in split_apart(group):
            log.warning("classify: %s", describe_shared(group, split))


def log_study(study: Study, recipe: Recipe) -> None:
    """Log, before training starts, the trailers of each subset, those left out, and genres that cannot be measured."""
    from trailers.classifier.metrics import undefined

    counts = ", ".join(f"{len(trailers)} {subset}" for subset, trailers in study.subsets.items())
    names = " + ".join(f"{pack.backbone} (F {pack.features})" for pack in study.packs)
    log.info("classify: split %d: %s trailers", study.split, counts)
    log.info("classify: %s on %s, %s", recipe.aggregation, names, study.packs[0].clips)
    for reason in study.reasons:
        named = [left.trailer.trailer for left in study.left_out if left.reason == reason]
        if named:
            shown = ", ".join(named[:5]) + (", ..." if len(named) > 5 else "")
            log.warning(
                "classify: %d trailers are left out (%s): %s (left_out.csv lists all)", len(named), reason, shown
            )
    for subset, trailers in study.subsets.items():
        missing = undefined(study.labels_of(trailers), study.genres)
        if missing:
            what = "these genres cannot be learnt" if subset == "train" else "these genres cannot be measured there"
            log.warning(
                "classify: split %d has no trailer of subset %s with %s: %s",
                study.split,
                subset,
                ", ".join(missing),
                what,
            )
