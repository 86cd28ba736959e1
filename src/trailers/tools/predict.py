"""Predict the genres of new trailers with a trained experiment, and show the clips that contribute most.

in   videos, links or YouTube ids
     results/classify/{experiment}/split{N}/weights.pt; the file may come from others: only backbones of libraries
     run, and your own files if config.yaml or --own-backbones names them
out  to the screen, and with --json to a file: the probability of each genre, and for probable genres the clips
     that contribute most
     results/predict/: all intermediate products, reused by the next call
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trailers.backbones.rows import is_of_library
from trailers.domain import FPS, Trailer
from trailers.errors import ConfigError, StoreError
from trailers.plan.studies import plan_here
from trailers.store.atomic import write_text
from trailers.store.embeddings import read_embedding
from trailers.store.experiment import WEIGHTS, TrainedExperiment, read_weights
from trailers.store.layout import Layout
from trailers.store.ledger import OK, read_ledger
from trailers.store.manifest import write_manifest
from trailers.web.links import web_link

if TYPE_CHECKING:
    from trailers.classifier.restored import Restored

log = logging.getLogger(__name__)

EXPERIMENTS = Path("results/classify")
PROBABLE = 0.5  # genres with this probability are shown with clips; the most probable one always is


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("videos", nargs="+", metavar="VIDEO", help="a file, a link or a YouTube id")
    parser.add_argument(
        "--experiment", metavar="NAME",
        help="a trained experiment, such as NAME or NAME/split1, or its folder (default: default, or the only one)",
    )  # fmt: skip
    parser.add_argument(
        "--own-backbones", nargs="+", default=[], metavar="FILE.py:ROW",
        help="files of your own that the experiment may run as backbones, beside those that config.yaml names",
    )  # fmt: skip
    parser.add_argument("--clips", type=int, default=3, help="number of clips to show per genre (default 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything to this file")
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("results/predict"),
        metavar="FOLDER",
        help="folder of the intermediate products (results/predict)",
    )


def run(arguments: argparse.Namespace) -> int:
    from trailers.classifier.restored import restore

    folder = find_experiment(arguments.experiment)
    trained = read_weights(folder / WEIGHTS)
    check_backbones(trained, folder / WEIGHTS, arguments.own_backbones)
    restored = restore(trained, folder / WEIGHTS)
    check_videos(arguments.videos)
    warn_of_published_weights(trained)
    trailers = list({trailer.trailer: trailer for trailer in map(as_trailer, arguments.videos)}.values())
    layout = Layout(arguments.results.resolve())
    failed = embed(trailers, trained.clips, trained.backbones, layout)
    found = [predict_one(trailer, restored, layout) for trailer in trailers if trailer not in failed]
    if arguments.json:
        write_text(arguments.json, json.dumps(found, indent=1) + "\n")
    for prediction in found:
        print(as_text(prediction, arguments.clips))
    for trailer, why in failed.items():
        print(f"{trailer.urls[0]}\n  {why}")
    return int(bool(failed))


def check_videos(videos: Sequence[str]) -> None:
    """Raises ConfigError for an argument that is neither a file nor a link."""
    for video in videos:
        if not os.path.isfile(video) and web_link(video) is None:  # noqa: PTH113  as in as_trailer
            raise ConfigError(
                "is neither an existing file nor a link", where=video,
                remedy="Give the path of a video, a link with https://, or a YouTube id.",
            )  # fmt: skip


def find_experiment(name: str | None) -> Path:
    """The folder of a trained experiment: its path, or its name below results/classify.

    Raises:
        ConfigError: no experiment has that name, or there are several; they are listed.
    """
    trained = [path.parent for path in sorted(EXPERIMENTS.glob(f"*/split*/{WEIGHTS}"))]
    names = [str(folder.relative_to(EXPERIMENTS)) for folder in trained]
    if name is None:
        experiments = {folder.parent.name for folder in trained}
        chosen = [folder for folder in trained if len(experiments) == 1 or folder.parent.name == "default"]
    else:
        chosen = [folder for folder in (Path(name), EXPERIMENTS / name) if (folder / WEIGHTS).is_file()]
        chosen = chosen or [folder for folder in trained if folder.parent.name == name]
    if not chosen:
        what = (
            f"--experiment {name}: is not a trained experiment"
            if name
            else "several experiments are trained, and none is called default"
        )
        remedy = f"Choose one with --experiment: {', '.join(names)}."
        remedy = remedy if names else f"{EXPERIMENTS} contains no trained experiment: run snakemake first."
        raise ConfigError(what, remedy=remedy)
    if chosen[0] in trained:
        log.info("predict: experiment %s", chosen[0].relative_to(EXPERIMENTS))
    return chosen[0]


def check_backbones(trained: TrainedExperiment, path: Path, own_names: Sequence[str]) -> None:
    """Raises StoreError if ``path`` names a backbone that is neither a library's nor one that the user names too.

    The file may come from somebody else, and the name of a backbone may be that of a Python file.
    """
    unknown = [name for name in trained.backbones if not is_of_library(name) and name not in own_names]
    configured = {backbone for _, backbone in plan_here().pairs} if unknown else set()
    for name in unknown:
        if name not in configured:
            raise StoreError(
                f"names the backbone {name!r}, which is a Python file and runs only if you name it too", where=path,
                remedy="If it is your own file, add it to embed.backbones in config.yaml or give --own-backbones.",
            )  # fmt: skip


def warn_of_published_weights(trained: TrainedExperiment) -> None:
    """Warns if the experiment was trained on the authors' vectors, whose exact weights are not known."""
    from trailers.classifier.restored import is_published

    for backbone, pack in zip(trained.backbones, trained.packs, strict=True):
        if is_published(pack):
            log.warning(
                "predict: the experiment was trained on %s. New trailers are embedded with the library's %s, whose "
                "weights may differ from the authors': treat the probabilities with care.",
                pack["weights"], backbone,
            )  # fmt: skip


def as_trailer(video: str) -> Trailer:
    """A trailer with a unique id; the id of a file depends on its whole path, so that equal names do not collide."""
    path = Path(video)
    is_file = os.path.isfile(video)  # noqa: PTH113  Path.is_file fails on a link too long to be a file's name
    url = str(path.resolve()) if is_file else video
    name = re.sub(r"[^A-Za-z0-9]+", "_", path.stem if is_file else video)[-40:].strip("_")
    return Trailer(f"{name or 'video'}-{hashlib.sha256(url.encode()).hexdigest()[:8]}", (url,))


def embed(trailers: Sequence[Trailer], clips: str, backbones: Sequence[str], layout: Layout) -> dict[Trailer, str]:
    """Runs the stages from download to embed, one command each; returns the trailers that failed, and why.

    Raises:
        StoreError: a stage failed as a whole; its error message is quoted.
    """
    digest = hashlib.sha256("\n".join(trailer.trailer for trailer in trailers).encode()).hexdigest()[:8]
    shard = f"p0000-{digest}"
    manifest = layout.root / f"{shard}.csv"
    write_manifest(manifest, trailers)
    write_text(layout.shard(shard), "".join(f"{trailer.trailer}\n" for trailer in trailers))
    common = ["--shard", str(layout.shard(shard)), "--results", str(layout.root), "--max-failed-fraction", "1"]
    upstream: list[str] = []
    for stage, more, variants in (
        ("download", ["--manifest", str(manifest), "--retry-dead"], [()]),
        ("normalise", [], [()]),
        ("shots", [], [()]),
        ("clips", ["--clips", clips], [(clips,)]),
        ("embed", ["--clips", clips, "--backbones", *backbones], [(clips, backbone) for backbone in backbones]),
    ):
        ledgers = [str(layout.ledger(stage, shard, *variant)) for variant in variants]
        run_stage([stage, *common, *upstream, "--ledger", *ledgers, *more])
        # embed finds the ledger of its clips by itself.
        upstream = [] if stage == "clips" else ["--upstream", ledgers[0]]
    rows = [read_ledger(Path(ledger)) for ledger in ledgers]
    errors = {row.trailer: row.error for table in rows for row in table.values() if row.status != OK}
    return {trailer: errors[trailer.trailer] for trailer in trailers if trailer.trailer in errors}


def run_stage(words: Sequence[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "trailers", *words], stderr=subprocess.PIPE, text=True, check=False)
    log.info("%s", done.stderr.rstrip())
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise StoreError(
            f"the {words[0]} stage failed with exit status {done.returncode}: {last.removeprefix('error: ')}"
        )


def predict_one(trailer: Trailer, restored: Restored, layout: Layout) -> dict[str, Any]:
    """Probabilities and contributing clips of one embedded trailer.

    Raises:
        ConfigError: the experiment was trained on another kind of vectors.
    """
    trained, vectors = restored.trained, []
    for backbone, pack in zip(trained.backbones, trained.packs, strict=True):
        table, spans = read_vectors(trailer.trailer, trained.clips, backbone, pack, layout)
        vectors.append(table)
    explained = restored.explain(vectors)
    order = np.argsort(-explained.probabilities, kind="stable")
    return {
        "video": trailer.urls[0],
        "trailer": trailer.trailer,
        "genres": {trained.genres[i]: round(float(explained.probabilities[i]), 6) for i in order},
        "telling": {trained.genres[i]: contributing_clips(explained.contributions[:, i], spans) for i in order},
    }


def read_vectors(
    trailer: str, clips: str, backbone: str, pack: Mapping[str, Any], layout: Layout
) -> tuple[np.ndarray, np.ndarray]:
    """float32 (clips, F) and the clips' spans; raises ConfigError if they are not of the kind of ``pack``."""
    from trailers.classifier.restored import check_kind

    table, spans, attributes = read_embedding(layout.embedding(clips, backbone, trailer))
    check_kind(backbone, pack, table.shape[1], attributes)
    return np.asarray(table, np.float32), spans


def contributing_clips(raised: np.ndarray, spans: np.ndarray) -> list[dict[str, Any]]:
    """All clips that raise a genre's probability, the largest contribution first."""
    order = [i for i in np.argsort(-raised, kind="stable") if raised[i] > 0]
    return [
        {"start": int(spans[i][1]), "end": int(spans[i][2]), "start_s": round(int(spans[i][1]) / FPS, 2),
         "raises": round(float(raised[i]), 6)}
        for i in order
    ]  # fmt: skip


def as_text(prediction: Mapping[str, Any], clips: int) -> str:
    lines = [prediction["video"]]
    for number, (genre, probability) in enumerate(prediction["genres"].items()):
        shown = prediction["telling"][genre][:clips] if probability >= PROBABLE or number == 0 else []
        words = ", ".join(f"{clip['start_s']:.1f} s (+{clip['raises']:.3f})" for clip in shown)
        lines.append(f"  {genre:<10} {probability:.3f}  {'#' * round(20 * probability):<20}  {words}".rstrip())
    return "\n".join(lines)
