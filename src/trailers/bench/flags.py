"""flags: how well the quality stage finds faults that were added to videos, and copies among 12,000 trailers.

Each video gives one unchanged trailer and one trailer per fault, which then go through the stages normalise, shots and
quality. Per flag: precision over all trailers, recall over those with the fault. Flags of the unchanged trailer are
ignored in all trailers of its video.

Copies are the same videos re-encoded, scaled, cropped, trimmed, marked and with another end. Every pair of trailers of
one video should be found, and no pair of two videos with different scenes. ``--apart`` declares that no two videos
share scenes; without it, pairs of videos whose unchanged trailers are found to be copies are printed for inspection and
not counted.

Synthetic: fingerprints of many trailers, of which some are copies with 5 to 20 % of their bits changed, and one in ten
begins with one of ten logos. The figures are the time to find the copies and the share found.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trailers.bench.normalise import take
from trailers.config import defaults
from trailers.domain import Shot
from trailers.quality.flags import FLAGS
from trailers.quality.matching import Match, Pictures, near_duplicates
from trailers.quality.prints import VIEWS, stacked
from trailers.settings import from_section
from trailers.stages import duplicates, normalise, quality, shots
from trailers.store.layout import Layout
from trailers.store.quality import QualityFile, read_quality
from trailers.store.spans import SHOTS_SCHEMA, read_spans
from trailers.video import ffmpeg_path, probe

# Fault -> the flags that it must raise, and ffmpeg's filter; {w}, {h}: the size, {s}: the duration, {end}: 0.8 of it.
EVEN = "scale=trunc(iw/2)*2:trunc(ih/2)*2"
FAULTS = {
    "bars above": (("letterbox",), f"pad=iw:trunc(ih*1.3/2)*2:0:(oh-ih)/2,{EVEN}"),
    "bars beside": (("pillarbox",), f"pad=trunc(iw*1.3/2)*2:ih:(ow-iw)/2:0,{EVEN}"),
    "upright": (("vertical",), f"crop=trunc(ih*0.56/2)*2:ih,{EVEN}"),
    "upright in bars": (("vertical", "pillarbox"), f"crop=trunc(ih*0.56/2)*2:ih,pad={{w}}:{{h}}:(ow-iw)/2:0,{EVEN}"),
    "black": (("black",), "drawbox=t=fill:color=black:enable='between(t,{s}/2,{s}/2+4)'"),
    "frozen": (("static",), "loop=loop=150:size=1:start={middle}"),
    "rating": (("start_card",), "tpad=start_duration=4:color=0x006428"),
    "address": (("end_card",), "tpad=stop_duration=4:color=white"),
    "dark": (("dark",), "colorlevels=romax=0.12:gomax=0.12:bomax=0.12"),
}
COPIES = {
    "re-encoded": "null",
    "scaled": "scale=trunc(iw*0.4/2)*2:-2",
    "cropped 10 %": f"crop=iw*0.9:ih*0.9,{EVEN}",
    "cropped 20 %": f"crop=iw*0.8:ih*0.8,{EVEN}",
    "cropped to 4:3": f"crop=ih*4/3:ih,{EVEN}",
    "trimmed": "trim=start=4:end={end:.3f},setpts=PTS-STARTPTS",
    "marked": "drawbox=x=iw*0.8:y=ih*0.06:w=iw*0.14:h=ih*0.1:color=white@0.8:t=fill",
    "another end": "tpad=stop_duration=8:color=blue",
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "videos", nargs="*", type=Path, metavar="VIDEO", help="trailers (none: only the synthetic part)"
    )
    parser.add_argument("--apart", action="store_true", help="no two of the videos share scenes")
    parser.add_argument("--trailers", type=int, default=12_000, metavar="N", help="synthetic trailers (12000)")
    parser.add_argument("--copies", type=int, default=300, metavar="N", help="synthetic trailers that are copies (300)")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    figures: dict[str, dict[str, Any]] = {}
    ratios: dict[str, float] = {}
    if arguments.videos:
        with tempfile.TemporaryDirectory() as folder:
            figures, ratios = of_videos(arguments.videos, Path(folder), is_apart=arguments.apart)
    row = synthetic(arguments.trailers, arguments.copies)
    return {
        "figures": {**figures, f"{arguments.trailers:,} trailers": row},
        "ratios": {**ratios, "pairs_s": row["seconds"], "synthetic_recall": row["recall"]},
    }


def of_videos(
    videos: Sequence[Path], folder: Path, *, is_apart: bool
) -> tuple[dict[str, dict[str, Any]], dict[str, float]]:
    stages = Stages(Layout(folder / "results"))
    made: dict[str, QualityFile] = {}
    for number, video in enumerate(videos):
        made[f"v{number}-untouched"] = stages.look(video, f"v{number}-untouched")
        for kind, fault in (*((name, fault) for name, (_, fault) in FAULTS.items()), *COPIES.items()):
            name = f"v{number}-{''.join(letter for letter in kind if letter.isalnum())}"
            made[name] = stages.look(changed(video, fault, folder / f"{name}.mp4"), name)
    table = {**judge_flags(made, len(videos)), "copies": judge_copies(made, is_apart=is_apart)}
    table["quality"] = {"s_per_minute": stages.seconds / (stages.frames / 24 / 60)}
    worst = {key: min(row[key] for row in table.values() if key in row) for key in ("precision", "recall")}
    return table, {f"worst_{key}": value for key, value in worst.items()}


def changed(video: Path, fault: str, target: Path) -> Path:
    seen = probe(video)
    middle = int(float(seen.duration_s) / 2 * 24)
    length = float(seen.duration_s)
    words = fault.format(w=seen.width // 2 * 2, h=seen.height // 2 * 2, s=length, end=0.8 * length, middle=middle)
    command = [ffmpeg_path(), "-nostdin", "-v", "error", "-i", f"file:{video.resolve()}", "-map", "0:v:0", "-vf"]
    subprocess.run(
        [*command, f"fps=24,{EVEN},{words}", "-c:v", "libx264", "-preset", "veryfast", "-crf", "30", f"file:{target}"],
        check=True,
    )
    return target


class Stages:
    """The stages normalise, shots and quality in one results folder."""

    def __init__(self, layout: Layout) -> None:
        def make(module: Any, kind: Any) -> Any:
            section = defaults(module.__name__.rpartition(".")[2])
            effort = from_section(module.Effort, section) if hasattr(module, "Effort") else None
            return kind(layout, (), from_section(module.Settings, section), effort)

        self.layout = layout
        self.before = [make(normalise, normalise.Normalise), make(shots, shots.Shots)]
        self.quality = make(quality, quality.Quality)
        self.seconds, self.frames = 0.0, 0

    def look(self, video: Path, name: str) -> QualityFile:
        take(self.layout, video, name)
        for stage in self.before:
            stage.make(name)
        started = time.perf_counter()
        self.quality.make(name)
        self.seconds += time.perf_counter() - started
        found = read_quality(self.layout.quality(name))
        self.frames += found.frames
        assert read_spans(self.layout.shots(name), kind=Shot, schema=SHOTS_SCHEMA)[0]
        return found


def judge_flags(made: Mapping[str, QualityFile], videos: int) -> dict[str, dict[str, Any]]:
    """Flag -> precision and recall; without few_shots, which is only a count."""
    wanted = {"".join(filter(str.isalnum, fault)): flags for fault, (flags, _) in FAULTS.items()}
    table: dict[str, dict[str, Any]] = {}
    for flag in (name for name in FLAGS if name != "few_shots"):
        right = wrong = missed = 0
        for number in range(videos):
            original = {row.flag for row in made[f"v{number}-untouched"].flags}
            for name, found in made.items():
                if flag in original or not name.startswith(f"v{number}-"):
                    continue
                is_found = flag in {row.flag for row in found.flags}
                # A fault may cause several flags, such as a crop inside bars; FAULTS lists all of them.
                is_wanted = flag in wanted.get(name.partition("-")[2], ())
                right += is_found and is_wanted
                wrong += is_found and not is_wanted
                missed += is_wanted and not is_found
        table[flag] = {"precision": share(right, wrong), "recall": share(right, missed), "made": right + missed}
    return table


def judge_copies(made: Mapping[str, QualityFile], *, is_apart: bool) -> dict[str, Any]:
    """Precision and recall over pairs of trailers of one video, without those that have faults."""
    kinds = {"untouched", *("".join(filter(str.isalnum, kind)) for kind in COPIES)}
    names = [name for name in made if name.partition("-")[2] in kinds]
    pictures = [Pictures(made[name].picture_frames, stacked(made[name].prints, VIEWS)) for name in names]
    least = from_section(duplicates.Settings, defaults("quality")).duplicate_share
    found = near_duplicates(pictures, share=least)
    video = [name.partition("-")[0] for name in names]
    alike = {tuple(sorted((video[m.first], video[m.second]))) for m in found if is_untouched(m, names)}
    if not is_apart:
        for one, other in sorted(pair for pair in alike if pair[0] != pair[1]):
            print(f"the unchanged videos {one} and {other} are found to be copies: check whether they are")
    right = sum(video[match.first] == video[match.second] for match in found)
    known = alike if not is_apart else set()
    wrong = sum(
        video[m.first] != video[m.second] and tuple(sorted((video[m.first], video[m.second]))) not in known
        for m in found
    )
    pairs = sum(video.count(name) * (video.count(name) - 1) // 2 for name in set(video))
    return {"precision": share(right, wrong), "recall": share(right, pairs - right), "made": pairs}


def is_untouched(match: Match, names: Sequence[str]) -> bool:
    return all(names[place].endswith("-untouched") for place in (match.first, match.second))


def share(right: int, other: int) -> float:
    return right / (right + other) if right + other else 1.0


def synthetic(trailers: int, copies: int) -> dict[str, Any]:
    """The time to find ``copies`` copies among ``trailers`` trailers, with precision and recall."""
    random = np.random.default_rng(0)
    logos = [make_pictures(random, 5).prints for _ in range(10)]
    made = [make_pictures(random, int(random.integers(60, 140))) for _ in range(trailers - copies)]
    for place in random.choice(len(made), len(made) // 10, replace=False):
        made[place].prints[:, :5] = logos[int(random.integers(10))]
    originals = random.choice(len(made), copies, replace=False)
    made += [copied(random, made[place]) for place in originals]
    started = time.perf_counter()
    found = near_duplicates(made, share=0.5)
    seconds = time.perf_counter() - started
    wanted = {(int(place), trailers - copies + number) for number, place in enumerate(originals)}
    pairs = {(match.first, match.second) for match in found}
    return {
        "pictures": sum(map(len, made)), "seconds": seconds, "recall": share(len(pairs & wanted), len(wanted - pairs)),
        "precision": share(len(pairs & wanted), len(pairs - wanted)),
    }  # fmt: skip


def make_pictures(random: np.random.Generator, count: int) -> Pictures:
    """Random fingerprints; as in real ones, bits of low frequencies are more often equal between pictures."""
    bias = np.random.default_rng(1).uniform(-0.25, 0.25, 128) * np.linspace(1, 0, 128)
    bits = random.random((count, 128)) < 0.5 + bias
    # Views of a picture differ from the whole picture in a fifth of the bits.
    views = np.stack([bits, *(bits ^ (random.random(bits.shape) < 0.2) for _ in list(VIEWS)[1:])])
    return Pictures(np.cumsum(random.integers(8, 40, count)), np.packbits(views, axis=2))


def copied(random: np.random.Generator, original: Pictures) -> Pictures:
    """A copy that lacks up to the first third, is shifted in time, and has 5 to 20 % of its bits changed."""
    start = int(random.integers(0, len(original) // 3))
    noise = random.random((len(VIEWS), len(original) - start, 128)) < random.uniform(0.05, 0.2)
    return Pictures(
        original.frames[start:] + int(random.integers(-300, 300)),
        original.prints[:, start:] ^ np.packbits(noise, axis=2),
    )
