"""Make packs of synthetic embeddings with a known signal, to try the study and to measure speed without videos.

in   a study that lists the packs, or --packs; optionally a manifest with genres and splits
out  {output}/{clips}/{backbone}.h5   packs, as the pack stage writes them, labelled as synthetic
     {output}/shots/{trailer}.csv     shots that give as many Shot-24 clips as a shot24 pack has, and their ledger
     {output}/manifest.csv            written last: the manifest of these trailers

Without a manifest, genres are drawn with the shares that they have in Trailers12k, and splits are stratified.
Durations of shots are lognormal with the mode and the mean that the paper gives, 24 and 32 frames (Sec. 7.1).
"""

from __future__ import annotations

import argparse
import logging
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trailers.classifier import splits
from trailers.classifier.synthetic import SIGNALS, Signal, make_signal, plant
from trailers.domain import GENRES, SPLITS, ClipStrategy, Shot, Trailer, folder_name
from trailers.errors import ConfigError
from trailers.genres import add_genres_flag, genres_of
from trailers.plan.study import pairs_of
from trailers.store.fingerprint import fingerprint
from trailers.store.layout import Layout
from trailers.store.ledger import OK, LedgerRow, write_ledger
from trailers.store.manifest import read_manifest, write_manifest
from trailers.store.pack import Part, write_pack
from trailers.store.spans import SHOTS_SCHEMA, write_spans
from trailers.store.study import Study, read_study
from trailers.store.text import size_text

log = logging.getLogger(__name__)

SCHEMA = "synthetic/1"
MANIFEST = "manifest.csv"

# Trailers per genre among 12,000, in the order of GENRES (the published label file); other genres get the mean.
POSITIVES = (3115, 1951, 4194, 2484, 5968, 1568, 2573, 2193, 1535, 4447)

# A pack's signal grows with its printed micro AP, so that a synthetic table has the order of the printed one: 60 gives
# no signal, 75.57 the requested strength.
NO_SIGNAL_AP, FULL_SIGNAL_AP = 60.0, 75.57
SHOT_MODE, SHOT_MEAN = 24, 32  # frames
CLIP_FRAMES = 24  # of the strategy whose clips the shots give
MIDDLE = 0.6  # where the median of the lognormal lengths lies between shortest and longest, on a log scale


@dataclass(frozen=True)
class Wanted:
    """One pack to make."""

    clips: str
    backbone: str
    features: int
    strength: float


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="folder of packs and manifest")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--study", type=Path, metavar="YAML", help="make every pack that its experiments need")
    which.add_argument("--packs", nargs="+", metavar="CLIPS/BACKBONE:F", help="such as shot24/swin3d_t:768")
    whose = parser.add_mutually_exclusive_group()
    whose.add_argument("--manifest", type=Path, metavar="CSV", help="take trailers, genres and splits from this file")
    whose.add_argument("--trailers", type=int, default=300, help="number of trailers to generate (default 300)")
    add_genres_flag(parser)
    parser.add_argument("--signal", choices=SIGNALS, default="clip", help="what shows a genre (default clip)")
    parser.add_argument(
        "--strength", type=float, default=3.0, help="strength of the signal, in standard deviations of the noise (3)"
    )
    parser.add_argument("--share", type=float, default=0.3, help="share of the clips that have the signal (0.3)")
    parser.add_argument("--shortest", type=int, default=30, metavar="CLIPS", help="length of the shortest trailer (30)")
    parser.add_argument("--longest", type=int, default=300, metavar="CLIPS", help="length of the longest trailer (300)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers (0)")


def run(arguments: argparse.Namespace) -> None:
    if not 1 <= arguments.shortest <= arguments.longest or arguments.trailers < 3:
        raise ConfigError("synthetic: --trailers must be at least 3, and 1 <= --shortest <= --longest.")
    if arguments.study:
        wanted = packs_of_study(read_study(arguments.study), arguments.strength)
    else:
        wanted = [pack_of(word, arguments.strength) for word in arguments.packs]
    genres = genres_of(arguments)
    if arguments.manifest:
        trailers = read_manifest(arguments.manifest, genres=genres)
    else:
        trailers = make_trailers(arguments.trailers, arguments.seed, genres)
    for pack in wanted:
        make_pack(arguments, pack, trailers, genres)
    make_shots(arguments, trailers)
    write_manifest(arguments.output / MANIFEST, trailers)


def pack_of(word: str, strength: float) -> Wanted:
    clips, _, rest = word.partition("/")
    backbone, _, features = rest.rpartition(":")
    if not backbone or not features.isascii() or not features.isdigit() or int(features) < 1:
        raise ConfigError(f"--packs: '{word}' is not CLIPS/BACKBONE:F. Write it like shot24/swin3d_t:768.")
    return Wanted(str(ClipStrategy.parse(clips)), backbone, int(features), strength)


def packs_of_study(study: Study, strength: float) -> list[Wanted]:
    """Every pack of the study; the higher the printed numbers, the stronger its signal.

    Raises:
        ConfigError: the study does not state the length of a backbone's vectors.
    """
    printed = printed_of(study)
    wanted = []
    for clips, backbone in pairs_of(study.experiments):
        if backbone not in study.backbones:
            raise ConfigError(
                f"the study does not describe the backbone '{backbone}'. Add its features under backbones."
            )
        share = (printed.get((clips, backbone), FULL_SIGNAL_AP) - NO_SIGNAL_AP) / (FULL_SIGNAL_AP - NO_SIGNAL_AP)
        wanted.append(Wanted(clips, backbone, study.backbones[backbone].features, strength * max(0.0, share)))
    return wanted


def printed_of(study: Study) -> dict[tuple[str, str], float]:
    """(clip strategy, backbone) -> the printed micro AP of the experiment with this backbone and default settings."""
    found = {}
    for row in (row for table in study.tables for row in table.rows):
        experiment = study.experiments[row.experiment]
        plain = set(experiment) == {"clips", "backbones", "aggregation"} and experiment["aggregation"] == "transformer"
        if plain and len(experiment["backbones"]) == 1 and row.printed:
            found[experiment["clips"], experiment["backbones"][0]] = row.printed[0][0]
    return found


def make_trailers(count: int, seed: int, genres: Sequence[str]) -> list[Trailer]:
    """Trailers with one or more genres, drawn independently of each other, and three stratified splits."""
    labels = draw_labels(count, genres, np.random.default_rng([seed, 1]))
    codes = zip(*(splits.stratify(labels, seed=seed + n).tolist() for n in SPLITS), strict=True)
    return [
        Trailer(
            f"syn{number:07d}",
            ("synthetic.mp4",),
            genres=names_of(row, genres),
            splits=(a, b, c),
            title=f"Synthetic {number}",
        )
        for number, (row, (a, b, c)) in enumerate(zip(labels, codes, strict=True))
    ]


def draw_labels(count: int, genres: Sequence[str], random: np.random.Generator) -> np.ndarray:
    """Bool (count, genres)."""
    known, others = dict(zip(GENRES, POSITIVES, strict=True)), sum(POSITIVES) / len(POSITIVES)
    rates = np.array([known.get(genre, others) for genre in genres]) / 12_000
    labels = np.zeros((count, len(genres)), bool)
    empty = np.arange(count)
    while len(empty):
        labels[empty] = random.random((len(empty), len(genres))) < rates
        empty = np.flatnonzero(~labels.any(axis=1))
    return labels


def names_of(row: np.ndarray, genres: Sequence[str]) -> tuple[str, ...]:
    return tuple(genre for genre, has in zip(genres, row.tolist(), strict=True) if has)


def lengths_of(count: int, clips: str, shortest: int, longest: int, seed: int) -> np.ndarray:
    """Clips of every trailer, int64: lognormal, cut off at both ends; the same for all backbones of a strategy."""
    middle = shortest * (longest / shortest) ** MIDDLE
    drawn = np.random.default_rng([seed, zlib.crc32(clips.encode())]).lognormal(np.log(middle), 0.4, count)
    return np.clip(np.rint(drawn), shortest, longest).astype(np.int64)


def make_pack(
    arguments: argparse.Namespace, wanted: Wanted, trailers: Sequence[Trailer], genres: Sequence[str]
) -> None:
    key = zlib.crc32(f"{wanted.clips} {wanted.backbone}".encode())
    signal = make_signal(
        arguments.signal, genres=len(genres), features=wanted.features, strength=wanted.strength,
        share=arguments.share, seed=arguments.seed + key,
    )  # fmt: skip
    lengths = lengths_of(len(trailers), wanted.clips, arguments.shortest, arguments.longest, arguments.seed)
    parts = list(parts_of(trailers, genres, lengths, signal, [arguments.seed, key]))
    drawn = {name: getattr(arguments, name) for name in ("signal", "strength", "share", "shortest", "longest", "seed")}
    labels = [[trailer.trailer, *trailer.genres] for trailer in trailers]
    attributes: Mapping[str, str] = {
        "backbone": wanted.backbone,
        "clips": wanted.clips,
        "fingerprint": fingerprint(SCHEMA, {**drawn, "features": wanted.features, "labels": labels}, str(wanted)),
        "weights": f"synthetic, {signal.kind} signal of strength {signal.strength:g}",
    }
    path = arguments.output / wanted.clips / f"{folder_name(wanted.backbone)}.h5"
    write_pack(path, parts, features=wanted.features, attributes=attributes)
    size = int(lengths.sum()) * wanted.features * 4
    log.info("synthetic: %s: %d trailers, %s clips, %s", path, len(trailers), f"{lengths.sum():,}", size_text(size))


def parts_of(
    trailers: Sequence[Trailer], genres: Sequence[str], lengths: np.ndarray, signal: Signal, seed: Sequence[int]
) -> Iterator[Part]:
    """The parts of a pack; each draws its vectors when it is read, so that only one trailer is in memory."""
    for number, (trailer, length) in enumerate(zip(trailers, lengths.tolist(), strict=True)):
        has = np.array([genre in trailer.genres for genre in genres])

        def read(has: np.ndarray = has, length: int = length, number: int = number) -> np.ndarray:
            return plant(has, length, signal, np.random.default_rng([*seed, number]))

        yield Part(trailer.trailer, length, read)


def make_shots(arguments: argparse.Namespace, trailers: Sequence[Trailer]) -> None:
    layout = Layout(arguments.output)
    lengths = lengths_of(len(trailers), f"shot{CLIP_FRAMES}", arguments.shortest, arguments.longest, arguments.seed)
    rows = []
    for number, (trailer, clips) in enumerate(zip(trailers, lengths.tolist(), strict=True)):
        shots = draw_shots(clips, np.random.default_rng([arguments.seed, 2, number]))
        digest = fingerprint(SCHEMA, {"seed": arguments.seed, "number": number, "clips": clips})
        frames = shots[-1].end
        header = {"trailer": trailer.trailer, "frames": str(frames), "fingerprint": digest, "source": "synthetic"}
        path = layout.shots(trailer.trailer)
        write_spans(path, shots, kind=Shot, header=header, schema=SHOTS_SCHEMA)
        facts = {"shots": len(shots), "frames": frames}
        rows.append(LedgerRow(trailer.trailer, OK, str(path.relative_to(layout.root)), digest, facts))
    path = layout.ledger("shots", "synthetic")
    write_ledger(path, rows)
    log.info("synthetic: %s: %s shots of %d trailers", path, f"{sum(row.facts['shots'] for row in rows):,}", len(rows))


def draw_shots(clips: int, random: np.random.Generator) -> list[Shot]:
    """Consecutive shots that give ``clips`` Shot-24 clips."""
    # Of a lognormal, mode = exp(mu - sigma^2) and mean = exp(mu + sigma^2 / 2).
    variance = math.log(SHOT_MEAN / SHOT_MODE) / 1.5
    shots, start = [], 0
    while clips:
        frames = max(1, round(random.lognormal(math.log(SHOT_MODE) + variance, math.sqrt(variance))))
        if frames <= clips * CLIP_FRAMES:
            shots.append(Shot(start, start + frames))
            start, clips = start + frames, clips - math.ceil(frames / CLIP_FRAMES)
    return shots
