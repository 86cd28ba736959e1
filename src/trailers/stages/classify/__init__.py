"""Train a genre classifier on one split and test it on all snippets (Sec. 5, 6).

in   manifest                                    genres and split of every trailer
     results/pack/.../{backbone}.h5              one or more packs of embeddings
out  results/classify/{experiment}/split{N}/     metrics.json (last), predictions.csv, curves.csv, left_out.csv,
                                                 weights.pt; checkpoint.pt during training
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from trailers.domain import SPLITS
from trailers.errors import StoreError
from trailers.genres import add_genres_flag, genres_of
from trailers.machine.gpu import gpu_failures
from trailers.machine.memory import keep_freed_memory
from trailers.settings import add_flags as add_setting_flags
from trailers.settings import from_flags
from trailers.stages.classify.files import write_products
from trailers.stages.classify.learning import SCHEMA, prepared_torch, trained
from trailers.stages.classify.settings import Effort, Settings, recipe_of
from trailers.stages.classify.study import log_shared, log_study, make_study
from trailers.stages.stage import Problem, own_files
from trailers.store import experiment
from trailers.store.duplicates import Excluded, flags_by_trailer, read_rows
from trailers.store.experiment_files import check_experiment, files_of
from trailers.store.layout import Layout
from trailers.store.manifest import read_manifest
from trailers.store.pack import open_pack

__all__ = ["SCHEMA", "Effort", "Settings", "add_flags", "problems", "products", "run"]


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--manifest", type=Path, required=True, help="CSV of trailers with genres and splits")
    parser.add_argument("--packs", type=Path, nargs="+", required=True, help="one pack per backbone")
    parser.add_argument(
        "--experiment",
        required=True,
        metavar="NAME",
        help="name of the experiment, recorded in the metrics",
    )
    parser.add_argument("--split", type=int, choices=SPLITS, required=True)
    parser.add_argument(
        "--excluded", type=Path, metavar="CSV", help="excluded.csv: the trailers that quality flags exclude"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="folder of the five files")
    parser.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="processor cores to use; does not change the results (default: those of the job)",
    )
    add_genres_flag(parser)
    add_setting_flags(parser, Settings, "classify")
    add_setting_flags(parser, Effort, "classify")


def run(arguments: argparse.Namespace) -> None:
    settings, effort = from_flags(Settings, arguments), from_flags(Effort, arguments)
    recipe = recipe_of(settings)
    packs = [open_pack(path) for path in arguments.packs]
    genres = genres_of(arguments)
    trailers = read_manifest(arguments.manifest, links=False, genres=genres)
    flagged = flags_by_trailer(read_rows(arguments.excluded, Excluded)) if arguments.excluded else {}
    study = make_study(trailers, packs, arguments.split, flagged, genres)
    log_study(study, recipe)
    log_shared(trailers, arguments.manifest.parent, arguments.split)
    keep_freed_memory()
    with prepared_torch(effort.device, arguments.threads) as device, gpu_failures("classify", halving=False):
        outcome = trained(study, recipe, device, arguments.output, effort.checkpoint_s)
        write_products(arguments.output, arguments.experiment, study, settings, recipe, outcome, device)


def products(layout: Layout) -> list[Path]:
    """The metrics.json of every finished training on disk."""
    return own_files(layout.root / "classify", f"*/*/{experiment.METRICS}")


def problems(path: Path) -> Iterator[Problem]:
    """The problems of the training whose metrics.json is ``path``; it runs again if that file is removed."""
    for file in files_of(path):
        try:
            check_experiment(path.parent, file.name)
        except StoreError as problem:
            yield Problem(file, problem.what, (file, path) if file != path else (path,))
            if file == path:
                return
