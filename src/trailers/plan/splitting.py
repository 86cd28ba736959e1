"""Makes three stratified splits of trailers; trailers that share a video are in the same subsets."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trailers.classifier import splits
from trailers.domain import GENRES, SPLITS, SUBSETS, Trailer
from trailers.errors import ManifestError
from trailers.store.videos import shared_videos


@dataclass(frozen=True)
class Splitting:
    """The trailers with their splits, and the data from which these were computed."""

    trailers: list[Trailer]
    labelled: list[Trailer]  # one trailer with genres per video
    labels: np.ndarray  # bool (labelled, genres)
    codes: list[np.ndarray]  # per split, the subset of every trailer in ``labelled``


def make_splits(
    trailers: Sequence[Trailer], base: Path, *, seed: int, copies: Mapping[str, str] | None = None,
    genres: Sequence[str] = GENRES,
) -> Splitting:  # fmt: skip
    """Stratified splits of ``trailers``.

    Args:
        trailers: of the manifest.
        base: the folder that their paths are relative to.
        seed: seed of the first split.
        copies: trailer -> the first of its group of copies; copies are in the same subsets too.
        genres: the genres of the data set.

    Raises:
        ManifestError: too few trailers have genres.
    """
    first = first_of_video(trailers, base, copies or {})
    labelled = [trailer for trailer in trailers if trailer.genres and first[trailer.trailer] == trailer.trailer]
    if len(labelled) < len(SUBSETS):
        raise ManifestError(
            f"{len(labelled)} of {len(trailers)} trailers have genres, but three subsets need three or more",
            remedy="Fill in genres.",
        )
    labels = np.array([[genre in trailer.genres for genre in genres] for trailer in labelled])
    ours = [splits.stratify(labels, seed=seed + n) for n in SPLITS]
    codes = {trailer.trailer: tuple(int(split[n]) for split in ours) for n, trailer in enumerate(labelled)}
    return Splitting(with_splits(trailers, first, codes), labelled, labels, ours)


def first_of_video(trailers: Sequence[Trailer], base: Path, copies: Mapping[str, str]) -> dict[str, str]:
    """Trailer id -> id of the first trailer with genres that has the same video, which may be the trailer itself.

    ``copies`` is trailer -> the first of its group of copies; copies count as the same video.
    """
    first = {trailer.trailer: trailer.trailer for trailer in trailers}
    order = {name: place for place, name in enumerate(first)}

    def leader(name: str) -> str:
        while first[name] != name:
            name = first[name]
        return name

    labelled = [trailer for trailer in trailers if trailer.genres]
    alike: dict[str, list[Trailer]] = {}
    for trailer in labelled:
        if trailer.trailer in copies:
            alike.setdefault(copies[trailer.trailer], []).append(trailer)
    for group in (*shared_videos(labelled, base), *alike.values()):
        leaders = sorted({leader(trailer.trailer) for trailer in group}, key=order.__getitem__)
        first |= dict.fromkeys(leaders, leaders[0])
    return {name: leader(name) for name in first}


def largest_deviation(trailers: Sequence[Trailer], split: int) -> tuple[float, str, str]:
    """The largest difference between a genre's share in a subset and in the whole set; the genre and the subset."""
    labelled = [trailer for trailer in trailers if trailer.genres]
    whole = Counter(genre for trailer in labelled for genre in trailer.genres)
    found = []
    for code, subset in enumerate(SUBSETS):
        members = [trailer for trailer in labelled if trailer.splits[split] == code]
        held = Counter(genre for trailer in members for genre in trailer.genres)
        for genre in whole:
            apart = abs(held[genre] / max(len(members), 1) - whole[genre] / len(labelled))
            found.append((apart, genre, subset))
    return max(found, default=(0.0, "", ""))


def with_splits(
    trailers: Sequence[Trailer], first: Mapping[str, str], codes: Mapping[str, tuple[int, ...]]
) -> list[Trailer]:
    """The trailers with the ``codes`` of the first trailer of their video; without genres, they are in no subset."""
    found = [codes[first[trailer.trailer]] if trailer.genres else (None,) * len(SPLITS) for trailer in trailers]
    return [
        dataclasses.replace(trailer, splits=(one, two, three))
        for trailer, (one, two, three) in zip(trailers, found, strict=True)
    ]
