"""List the clips that are nearest to a text, in the results of a backbone that shares its space with text.

in   results/embed/{clips}/{backbone}/*.h5   by open_clip:ARCHITECTURE/TAG, or CLIP or SigLIP of transformers:
     the backbone's weights and tokenizer, as `snakemake weights` put them; no network is needed
out  to the screen, and with --csv to a file: score, trailer, time and number of each clip, the nearest first

The score is the cosine of the clip's vector and the text's, from -1 to 1. Scores of one text can be compared; scores of
different texts or backbones cannot.
"""

from __future__ import annotations

import argparse
import csv
import io
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np

from trailers.domain import FPS
from trailers.embedding.aligned import Aligned, aligned_of
from trailers.embedding.aligned import add_flags as add_aligned_flags
from trailers.errors import ConfigError
from trailers.stages.currency import check_listed, embeddings_of
from trailers.store.atomic import write_text

log = logging.getLogger(__name__)

RANDOM = "its weights are random, so the scores mean nothing"


@dataclass(frozen=True)
class Found:
    """One clip near a text; ``start`` and ``end`` are frames at 24 fps."""

    text: str
    rank: int  # from 1
    score: float
    trailer: str
    clip: int
    shot: int
    start: int
    end: int
    start_s: float
    end_s: float


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--text", nargs="+", required=True, metavar="TEXT", help="texts to search for, each in quotes")
    parser.add_argument("--count", type=whole, default=10, metavar="N", help="number of clips to list per text (10)")
    parser.add_argument("--per-trailer", type=whole, metavar="N", help="maximum number of clips per trailer (all)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="also write the list to this file")
    add_aligned_flags(parser)


def run(arguments: argparse.Namespace) -> None:
    texts = [checked(text) for text in arguments.text]
    aligned = aligned_of(arguments)
    if aligned.is_random:
        log.warning("find: %s: %s", aligned.row.name, RANDOM)
    check_listed(embeddings_of(aligned.layout, aligned.strategy, aligned.row.name), aligned.trailers, "find")
    found = nearest(aligned, texts, count=arguments.count, per_trailer=arguments.per_trailer)
    for text in texts:
        print(as_text(text, [clip for clip in found if clip.text == text]))
    if arguments.csv:
        write_text(arguments.csv, as_csv(found))


def whole(word: str) -> int:
    """A number of clips, 1 or more; argparse names the flag of a wrong value."""
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"'{word}' is not a whole number from 1")
    return int(word)


def checked(text: str) -> str:
    """``text`` without blanks at its ends. Raises ConfigError if it is empty."""
    if not text.strip():
        raise ConfigError("is empty", where="--text", remedy="Write a few words, such as 'a car chase at night'.")
    return text.strip()


def nearest(aligned: Aligned, texts: Sequence[str], *, count: int, per_trailer: int | None) -> list[Found]:
    """The ``count`` nearest clips of each text, in the order of the texts; one trailer is in memory at a time.

    Equal scores are ordered by the trailer's id, then by the clip's number.
    """
    wanted = aligned.text_encoder()(texts)
    best: dict[str, list[Found]] = defaultdict(list)
    for trailer in aligned.trailers:
        vectors, spans = aligned.read(trailer)
        scores = vectors @ wanted.T
        for number, text in enumerate(texts):
            order = np.argsort(-scores[:, number], kind="stable")[: min(count, per_trailer or count)]
            best[text] += [as_found(text, float(scores[i, number]), trailer, int(i), spans[i]) for i in order]
            best[text] = sorted(best[text], key=lambda clip: (-clip.score, clip.trailer, clip.clip))[:count]
    return [replace(clip, rank=rank) for text in dict.fromkeys(texts) for rank, clip in enumerate(best[text], start=1)]


def as_found(text: str, score: float, trailer: str, clip: int, span: np.ndarray) -> Found:
    shot, start, end = (int(value) for value in span[:3])
    return Found(text, 0, score, trailer, clip, shot, start, end, start / FPS, end / FPS)


def as_text(text: str, found: Iterable[Found]) -> str:
    """A heading and one line per clip."""
    lines = [
        [f"{clip.score:.4f}", clip.trailer, f"{clock(clip.start)}-{clock(clip.end)}", str(clip.clip)] for clip in found
    ]
    table = [["score", "trailer", "time", "clip"], *lines]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    rows = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table]
    return "\n".join([text, *(f"  {row}" for row in rows)])


def clock(frame: int) -> str:
    """A time of the trailer, from a frame at 24 fps: minutes and seconds, 1:02.50."""
    minutes, rest = divmod(frame, 60 * FPS)
    return f"{minutes}:{rest / FPS:05.2f}"


def as_csv(found: Iterable[Found]) -> str:
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, [field.name for field in fields(Found)], lineterminator="\n")
    table.writeheader()
    table.writerows({**asdict(clip), "score": f"{clip.score:.6f}"} for clip in found)
    return text.getvalue()
