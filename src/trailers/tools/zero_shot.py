"""Score the genres of trailers by prompts, without training, with a backbone that shares its space with text.

in   a manifest
     prompts: a YAML file of templates and phrases for each genre; workflow/prompts.yaml shows the form
     results/embed/{clips}/{backbone}/*.h5   by open_clip:ARCHITECTURE/TAG, or CLIP or SigLIP of transformers:
     the backbone's weights and tokenizer, as `snakemake weights` put them; no network is needed
out  results/zero-shot/{clips}/{backbone}.csv: one row per trailer: the score of each genre, then the manifest's labels
     to the screen: how well the scores rank the trailers that have genres

A genre's vector is the mean of the unit vectors of its phrases in all templates. --score cosine gives the mean, over a
trailer's clips, of the cosine of clip and genre; softmax gives the mean of each clip's softmax over the genres, with
the temperature that the network learned.
"""

from __future__ import annotations

import argparse
import csv
import io
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from trailers.classifier.metrics import CONVENTIONS, scores_of
from trailers.config import read_config
from trailers.domain import Trailer
from trailers.embedding.aligned import Aligned, aligned_of
from trailers.embedding.aligned import add_flags as add_aligned_flags
from trailers.errors import StoreError
from trailers.genres import configured_genres
from trailers.project import find_file
from trailers.stages.currency import check_links, check_listed, embeddings_of
from trailers.store.atomic import write_text
from trailers.store.manifest import read_manifest
from trailers.store.prompts import Prompts, read_prompts

log = logging.getLogger(__name__)

COSINE, SOFTMAX = SCORES = ("cosine", "softmax")
RANDOM = "its weights are random, so the scores mean nothing"
PROMPTS = "workflow/prompts.yaml"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--manifest", type=Path, help="trailers to score (config.yaml: manifest)")
    words = "templates and phrases (%(default)s; if the working folder has no such file, the one of the project)"
    parser.add_argument("--prompts", default=PROMPTS, metavar="FILE", help=words)
    parser.add_argument("--score", choices=SCORES, default=COSINE, help="how clips are scored (cosine)")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="the table to write (results/zero-shot/{clips}/{backbone}.csv)"
    )
    add_aligned_flags(parser)


def run(arguments: argparse.Namespace) -> None:
    prompts = read_prompts(find_file(arguments.prompts) or Path(arguments.prompts))
    known = configured_genres()
    trailers = read_manifest(arguments.manifest or Path(read_config()["manifest"]), links=False, genres=known)
    aligned = aligned_of(arguments)
    if aligned.is_random:
        log.warning("zero-shot: %s: %s", aligned.row.name, RANDOM)
    scores = scores_by_trailer(aligned, trailers, prompts, arguments.score)
    output = arguments.output or aligned.layout.zero_shot(aligned.strategy, aligned.row.name)
    write_text(output, as_csv(trailers, list(prompts.genres), scores, known))
    print(f"{output}: {len(scores)} of {len(trailers)} trailers, {len(prompts.genres)} genres")
    for line in metric_lines(trailers, list(prompts.genres), scores, known):
        print(line)


def scores_by_trailer(
    aligned: Aligned, trailers: Sequence[Trailer], prompts: Prompts, score: str
) -> dict[str, np.ndarray]:
    """float64 (genres,) of every trailer of the manifest that has vectors.

    Raises:
        StoreError: no trailer has vectors, or a file is damaged or was made with other weights.
    """
    embedded = set(aligned.trailers)
    known = [trailer.trailer for trailer in trailers if trailer.trailer in embedded]
    if not known:
        remedy = "Run snakemake with this manifest first."
        raise StoreError("no trailer of the manifest has vectors", where=aligned.folder, remedy=remedy)
    check_links(aligned.layout, [trailer for trailer in trailers if trailer.trailer in embedded])
    check_listed(embeddings_of(aligned.layout, aligned.strategy, aligned.row.name), known, "zero-shot")
    encoder = aligned.text_encoder()
    genres = np.stack([genre_vector(encoder(prompts.sentences(genre))) for genre in prompts.genres])
    scale = encoder.scale if score == SOFTMAX else None
    return {trailer: trailer_scores(aligned.read(trailer)[0], genres, scale) for trailer in known}


def genre_vector(vectors: np.ndarray) -> np.ndarray:
    """float64 (F,) of length 1: the mean of ``vectors`` (sentences, F)."""
    mean: np.ndarray = vectors.astype(np.float64).mean(axis=0)
    return mean / max(float(np.linalg.norm(mean)), 1e-12)


def trailer_scores(clips: np.ndarray, genres: np.ndarray, scale: float | None) -> np.ndarray:
    """float64 (genres,): the mean over ``clips`` (clips, F) of the cosines, or of their softmax with ``scale``."""
    found: np.ndarray = clips.astype(np.float64) @ genres.T
    if scale is not None:
        raised = np.exp(scale * (found - found.max(axis=1, keepdims=True)))
        found = raised / raised.sum(axis=1, keepdims=True)
    mean: np.ndarray = found.mean(axis=0)
    return mean


def as_csv(
    trailers: Sequence[Trailer], genres: Sequence[str], scores: Mapping[str, np.ndarray], known: Sequence[str]
) -> str:
    """The table, with the columns of an experiment's predictions.csv; trailers without genres have no labels.

    Args:
        genres: of the prompts.
        known: of the data set; only these have labels.
    """
    labelled = [genre for genre in genres if genre in known]
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["trailer", "subset", *genres, *(f"is_{genre}" for genre in labelled)])
    for trailer in trailers:
        if trailer.trailer in scores:
            labels = [int(genre in trailer.genres) if trailer.genres else "" for genre in labelled]
            # Nothing was trained, so all trailers are test trailers.
            table.writerow([trailer.trailer, "test", *(f"{score:.6f}" for score in scores[trailer.trailer]), *labels])
    return text.getvalue()


def metric_lines(
    trailers: Sequence[Trailer], genres: Sequence[str], scores: Mapping[str, np.ndarray], known: Sequence[str]
) -> list[str]:
    """Areas under the precision-recall curves, named as in the tables; empty if no trailer has genres."""
    places = [number for number, genre in enumerate(genres) if genre in known]
    judged = [trailer for trailer in trailers if trailer.genres and trailer.trailer in scores]
    if not judged or not places:
        return []
    names = [genres[number] for number in places]
    labels = np.array([[int(genre in trailer.genres) for genre in names] for trailer in judged])
    found = scores_of(labels, np.stack([scores[trailer.trailer][places] for trailer in judged]), names)["metrics"]
    lines = [f"{len(judged)} trailers with genres; areas under precision-recall curves, in percent:"]
    for convention in CONVENTIONS:
        values = [f"{name} {value:.2f}" for name, value in found[convention].items() if value is not None]
        lines.append(f"  {convention}: {', '.join(values)}")
    return lines
