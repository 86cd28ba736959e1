"""Turn clips into vectors with 2D and 3D backbones (Sec. 5, 7.5).

in   results/normalise/{trailer}.mp4                     the video at 24 fps
     results/clips/{clips}/{trailer}.csv                 shot, start, end, padding, frame
out  results/embed/{clips}/{backbone}/{trailer}.h5       vectors float32 (clips, F), clips (clips, 4)

Every pair of clip strategy and backbone that is asked for shares one decoding of a trailer;
``trailers.embedding`` says how.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path

from trailers.backbones.rows import find_row
from trailers.domain import ClipStrategy
from trailers.embedding import embedders
from trailers.embedding.embedders import Settings, make_embedders, weights_of
from trailers.embedding.engine import embed
from trailers.embedding.pairs import Pair
from trailers.errors import ConfigError, TrailerError
from trailers.settings import add_flags as add_setting_flags
from trailers.settings import from_flags, setting
from trailers.stages import shard
from trailers.store.layout import Layout

log = logging.getLogger(__name__)

Run = tuple[Pair, shard.ShardRun]


@dataclass(frozen=True)
class Effort(embedders.Effort):
    """what does not"""

    workers: int | None = setting("decoding workers; 0 decodes between batches, none takes what suits the device")


def add_flags(parser: argparse.ArgumentParser) -> None:
    shard.add_flags(parser)
    parser.add_argument(
        "--clips", type=ClipStrategy.parse, nargs="+", required=True, help="clip strategies, such as shot24"
    )
    parser.add_argument(
        "--backbones", nargs="+", required=True, help="names; `python -m trailers backbones` lists them"
    )
    parser.add_argument(
        "--besides", nargs="*", default=[], metavar="CLIPS/BACKBONE", help="pairs to make too while decoding; no ledger"
    )
    add_setting_flags(parser, Settings, "embed")
    add_setting_flags(parser, Effort, "embed")


def run(arguments: argparse.Namespace) -> None:
    settings, effort = from_flags(Settings, arguments), from_flags(Effort, arguments)
    asked = pairs_of(arguments, settings, effort)
    for pair, work in asked:
        pair.todo = frozenset(work.to_make(pair.settled))
    if any(pair.todo for pair, _ in asked):
        besides = pairs_besides(arguments, settings, effort)
        everyone = [pair for pair, _ in asked + besides]
        made = make_embedders([pair.row for pair in everyone if pair.todo], settings, effort)
        embed(everyone, made, workers=effort.workers)
        for _, work in besides:
            work.close()
    for _, work in asked:
        work.finish()


def pairs_besides(arguments: argparse.Namespace, settings: Settings, effort: Effort) -> list[Run]:
    """The pairs of --besides that can be made: they share the decoding, and their own jobs find them made.

    What is wrong with one of them is for its own job to say; here it is left aside.
    """
    besides = []
    for clips, _, name in (pair.partition("/") for pair in arguments.besides):
        try:
            pair, work = make_pair(arguments, ClipStrategy.parse(clips), name, settings, effort)
            work.timeout_s = None  # the job's own pairs are watched, and with them the whole job
            pair.todo = frozenset(work.to_make(pair.settled))
        except TrailerError as problem:
            log.info("embed: %s/%s is left to its own job: %s", clips, name, problem)
            continue
        besides.append((pair, work))
    return [(pair, work) for pair, work in besides if pair.todo]


def pairs_of(arguments: argparse.Namespace, settings: Settings, effort: Effort) -> list[Run]:
    """The pairs to make: with --ledger those whose ledgers are named, else all.

    Raises:
        ConfigError: a backbone does not exist, or a ledger belongs to no pair.
        WeightsError: weights are missing or damaged.
    """
    layout = Layout(arguments.results)
    wanted = {path.absolute() for path in arguments.ledger or ()}
    if arguments.trailer is None and not wanted:
        raise ConfigError("--shard needs --ledger: where to write what became of the trailers.")
    pairs = []
    for strategy in arguments.clips:
        for name in arguments.backbones:
            if arguments.trailer is None:
                ledger = layout.ledger("embed", arguments.shard.stem, str(strategy), name).absolute()
                if ledger not in wanted:
                    continue
                wanted.remove(ledger)
            pairs.append(make_pair(arguments, strategy, name, settings, effort))
    if wanted:
        raise ConfigError(f"--ledger: {min(wanted)} belongs to no pair of --clips and --backbones.")
    return pairs


def make_pair(
    arguments: argparse.Namespace, strategy: ClipStrategy, name: str, settings: Settings, effort: Effort
) -> Run:
    layout = Layout(arguments.results)
    options, ledger = dict(vars(arguments), ledger=None), None
    if arguments.trailer is None:
        ledger = layout.ledger("embed", arguments.shard.stem, str(strategy), name)
        options["upstream"] = layout.ledger("clips", arguments.shard.stem, str(strategy))
    work = shard.ShardRun.from_flags("embed", argparse.Namespace(**options), ledger=ledger)
    row = find_row(name, Path(effort.weights_dir))
    return Pair(strategy, row, weights_of(row, settings, effort), settings, work), work
