"""Small studies for the tests of the classify stage: a manifest, packs and the command."""

from __future__ import annotations

import csv

import numpy as np

from trailers.__main__ import main
from trailers.domain import GENRES, Trailer
from trailers.store.experiment import read_metrics
from trailers.store.manifest import write_manifest
from trailers.store.pack import Part, write_pack

FEATURES = 16
FILES = ["curves.csv", "left_out.csv", "metrics.json", "predictions.csv", "weights.pt"]


def make_trailers(count, *, genres=("action", "drama", "comedy")):
    """Trailer i has genre i mod 3, every fourth also the next. Of ten, seven train, one validates, two test."""
    subsets = [0, 0, 0, 0, 0, 0, 0, 1, 2, 2]
    trailers = []
    for i in range(count):
        own = {genres[i % len(genres)]} | ({genres[(i + 1) % len(genres)]} if i % 4 == 0 else set())
        codes = (subsets[i % 10], subsets[(i + 3) % 10], subsets[(i + 6) % 10])
        trailers.append(Trailer(f"t{i:03d}", (f"t{i}.mp4",), genres=tuple(g for g in GENRES if g in own), splits=codes))
    return trailers


def make_pack(
    path, trailers, *, backbone="resnet50", clips="shot24", features=FEATURES, lengths=(5, 80), seed=0, genres=GENRES
):
    """Write a pack of random vectors, each with the direction of the genres of its trailer added."""
    random = np.random.default_rng(seed)
    directions = random.normal(size=(len(genres), features))
    parts = []
    for trailer in trailers:
        length = int(np.random.default_rng(int(trailer.trailer[1:])).integers(*lengths))
        signal = sum(directions[genres.index(genre)] for genre in trailer.genres)
        vectors = (random.normal(size=(length, features)) + 2 * signal).astype(np.float32)
        parts.append(Part(trailer.trailer, length, lambda vectors=vectors: vectors))
    attributes = {
        "backbone": backbone,
        "clips": clips,
        "fingerprint": f"fingerprint-{backbone}-{seed}",
        "weights": "V2",
    }
    write_pack(path, parts, features=features, attributes=attributes)
    return path


def make_study(folder):
    """Write a manifest of 60 trailers, and their pack."""
    trailers = make_trailers(60)
    write_manifest(folder / "manifest.csv", trailers)
    make_pack(folder / "pack.h5", trailers)


def words(folder, *more, packs=("pack.h5",), split=0, output="out", epochs=3):
    return [
        "classify", "--manifest", str(folder / "manifest.csv"), "--packs", *(str(folder / name) for name in packs),
        "--experiment", "trial", "--split", str(split), "--output", str(folder / output), "--device", "cpu",
        "--threads", "1", "--epochs", str(epochs), "--learning-rate", "0.003", *more,
    ]  # fmt: skip


def classify(folder, *more, **options):
    assert main(words(folder, *more, **options)) == 0
    return read_metrics(folder / options.get("output", "out") / "metrics.json")


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
