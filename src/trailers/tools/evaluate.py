"""Compare detected shots with labelled ones, as the reference evaluation of TransNet V2 does.

in   --truth and --predicted, each a file or a folder:
         results/shots               our shots (.csv) and probabilities (.scores.h5)
         *.txt                       `first last` per line, ends inclusive: BBC, RAI, SHOT
         *.json, *.json.gz           {video: [[first, last], ...]}, ends inclusive: AutoShot, SHOT
                                     {video: {"transitions": [[last, first], ...]}}: ClipShots
                                     {video: [probability, ...]}
         cuts.csv                    as `trailers demo` writes it
out  precision, recall and F1 per video and pooled; per kind of transition; for probabilities a sweep over
     thresholds with the best F1. --json FILE has all of it, --mistakes FILE.csv every miss and false alarm

A detected transition matches a labelled one if they are at most --tolerance frames apart. Each is matched once.
Inclusive ends: [0, 58], [59, 138] is our 0,59 and 59,139.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trailers.detector.evaluation import (
    TOLERANCE,
    Counts,
    Matching,
    Transition,
    best,
    by_kind,
    detected_transitions,
    match,
    pooled,
    sweep,
)
from trailers.detector.shots import HEADS, SINGLE
from trailers.domain import FPS
from trailers.errors import ConfigError
from trailers.store.atomic import write_text
from trailers.store.shot_labels import ShotLabels, read_shot_labels

THRESHOLDS = tuple(round(0.02 * step, 2) for step in range(1, 50))  # 0.02 to 0.98


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["shots"], help="what to evaluate")
    parser.add_argument("--truth", type=Path, required=True, metavar="PATH", help="labelled shots or transitions")
    parser.add_argument("--predicted", type=Path, required=True, metavar="PATH", help="detected shots or probabilities")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=TOLERANCE,
        metavar="FRAMES",
        help="maximum distance of a match, in frames (default: 2)",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        default=0.5,
        metavar="P",
        help="threshold for probabilities (default: 0.5, as shots.threshold)",
    )
    parser.add_argument(
        "--head", choices=HEADS, default=SINGLE, help="head whose probabilities are read (default: single)"
    )
    parser.add_argument(
        "--common",
        action="store_true",
        help="evaluate only videos that are in both; without it, a difference is an error",
    )
    parser.add_argument(
        "--fps", type=float, default=FPS, help="frame rate, for the times of mistakes in seconds (default: 24)"
    )
    parser.add_argument("--mistakes", type=Path, metavar="FILE.csv", help="write every miss and false alarm here")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers here")


@dataclass(frozen=True)
class Evaluation:
    """The result of one comparison."""

    matchings: Mapping[str, Matching]  # video -> matching
    swept: Mapping[float, Counts]  # threshold -> pooled counts; empty if shots were given instead of probabilities

    @property
    def total(self) -> Counts:
        return pooled(self.matchings.values())


def run(arguments: argparse.Namespace) -> int:
    if arguments.tolerance < 0 or not 0 <= arguments.threshold <= 1 or arguments.fps <= 0:
        raise ConfigError("--tolerance must be 0 or more, --threshold between 0 and 1, --fps above 0")
    truth, predicted = read_shot_labels(arguments.truth), read_shot_labels(arguments.predicted)
    if not truth.edges:
        raise ConfigError("contains probabilities, not shots", where=arguments.truth, remedy="Give labelled shots.")
    videos = common_videos(arguments, truth, predicted)
    evaluation = evaluate(truth, predicted, videos, arguments)
    print(as_text(evaluation, arguments))
    if arguments.json:
        write_text(arguments.json, json.dumps(as_json(evaluation, arguments), indent=1) + "\n")
    if arguments.mistakes:
        write_text(arguments.mistakes, as_csv(mistakes(evaluation.matchings, arguments.fps)))
    return 0


def common_videos(arguments: argparse.Namespace, truth: ShotLabels, predicted: ShotLabels) -> list[str]:
    """The videos to evaluate; raises ConfigError if the two sides differ and --common was not given."""
    both, only = sorted(set(truth.edges) & predicted.videos), sorted(set(truth.edges) ^ predicted.videos)
    if only and not arguments.common:
        side = arguments.predicted if only[0] in truth.edges else arguments.truth
        raise ConfigError(
            f"lacks '{only[0]}'" + (f"; {len(only) - 1} more in only one of the two" if only[1:] else ""),
            where=side,
            remedy="Add them, or give --common to evaluate only the videos that both have.",
        )
    if not both:
        raise ConfigError("the labelled and the detected videos have no name in common")
    if only:
        print(f"{len(both)} videos are in both; {len(only)} are in only one and left out: {', '.join(only[:5])}")
    return both


def evaluate(
    truth: ShotLabels, predicted: ShotLabels, videos: Sequence[str], arguments: argparse.Namespace
) -> Evaluation:
    labelled = {video: as_transitions(truth.edges[video]) for video in videos}
    probabilities = {
        video: head_of(predicted.probabilities[video], arguments.head, arguments.predicted)
        for video in videos
        if video in predicted.probabilities
    }
    matchings = {}
    for video in videos:
        if video in probabilities:
            found = detected_transitions(probabilities[video], threshold=arguments.threshold, head=arguments.head)
        else:
            found = as_transitions(predicted.edges[video])
        matchings[video] = match(labelled[video], found, tolerance=arguments.tolerance)
    if len(probabilities) < len(videos):
        return Evaluation(matchings, {})
    thresholds = sorted({*THRESHOLDS, arguments.threshold})
    swept = sweep(
        labelled, probabilities, thresholds=thresholds, head=arguments.head, tolerance=arguments.tolerance
    )  # fmt: skip
    return Evaluation(matchings, swept)


def as_transitions(edges: Iterable[tuple[float, float, str]]) -> list[Transition]:
    return [Transition(last, first, kind) for last, first, kind in edges]


def head_of(heads: Mapping[str, np.ndarray], name: str, where: Path) -> np.ndarray:
    if name not in heads:
        raise ConfigError(f"has no probabilities of the head '{name}'", where=where, remedy="Give --head single.")
    return heads[name]


def as_text(evaluation: Evaluation, arguments: argparse.Namespace) -> str:
    widest = max(len(video) for video in ("all videos", *evaluation.matchings))
    lines = [f"{'video':{widest}}  labelled  matched  missed  false  precision  recall      F1"]
    rows = [(video, matching.counts) for video, matching in evaluation.matchings.items()]
    for video, counts in [*rows, ("all videos", evaluation.total)]:
        lines.append(
            f"{video:{widest}}  {counts.tp + counts.fn:8d}  {counts.tp:7d}  {counts.fn:6d}  {counts.fp:5d}"
            f"  {counts.precision:9.4f}  {counts.recall:6.4f}  {counts.f1:6.4f}"
        )
    lines.append("")
    for kind, of_kind in by_kind(evaluation.matchings.values()).items():
        seen = ", ".join(f"{count} as {found}" for found, count in sorted(of_kind.detected_as.items())) or "none"
        lines.append(f"{kind}: {of_kind.labelled} labelled, {of_kind.missed} missed; detected {seen}")
    if evaluation.swept:
        threshold = best(evaluation.swept)
        counts = evaluation.swept[threshold]
        lines.append(
            f"best F1 over {len(evaluation.swept)} thresholds: {counts.f1:.4f} at {threshold:g} "
            f"(precision {counts.precision:.4f}, recall {counts.recall:.4f}); at {arguments.threshold:g} "
            f"it is {evaluation.total.f1:.4f}"
        )
    return "\n".join(lines)


def numbers(counts: Counts) -> dict[str, float]:
    return {
        "tp": counts.tp, "fp": counts.fp, "fn": counts.fn,
        "precision": counts.precision, "recall": counts.recall, "f1": counts.f1,
    }  # fmt: skip


def as_json(evaluation: Evaluation, arguments: argparse.Namespace) -> dict[str, object]:
    return {
        "truth": str(arguments.truth),
        "predicted": str(arguments.predicted),
        "tolerance_frames": arguments.tolerance,
        "threshold": arguments.threshold,
        "head": arguments.head,
        "all": numbers(evaluation.total),
        "videos": {video: numbers(matching.counts) for video, matching in evaluation.matchings.items()},
        "kinds": {
            kind: {"labelled": counts.labelled, "missed": counts.missed, "detected_as": dict(counts.detected_as)}
            for kind, counts in by_kind(evaluation.matchings.values()).items()
        },
        "sweep": {f"{threshold:g}": numbers(counts) for threshold, counts in evaluation.swept.items()},
    }


def mistakes(matchings: Mapping[str, Matching], fps: float) -> list[list[object]]:
    """One row per miss and false alarm: video, what, last, first, kind, time in seconds."""
    rows: list[list[object]] = []
    for video, matching in matchings.items():
        found = [("miss", edge) for edge in matching.misses] + [("false alarm", edge) for edge in matching.false_alarms]
        for what, edge in sorted(found, key=lambda pair: pair[1]):
            rows.append([video, what, f"{edge.last:g}", f"{edge.first:g}", edge.kind, f"{edge.first / fps:.3f}"])
    return rows


def as_csv(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["video", "mistake", "last", "first", "kind", "time_s"])
    table.writerows(rows)
    return text.getvalue()
