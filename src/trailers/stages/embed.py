"""Turn clips into vectors with 2D and 3D backbones (Sec. 5, 7.5).

in   results/normalise/{trailer}.mp4                     the video at 24 fps
     results/clips/{clips}/{trailer}.csv                 shot, start, end, padding, frame
out  results/embed/{clips}/{backbone}/{trailer}.h5       vectors float32 (clips, F), clips (clips, 4)

All requested pairs of clip strategy and backbone share one decoding of a trailer (see ``trailers.embedding``).
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trailers.backbones.row import Row
from trailers.backbones.rows import find_row
from trailers.domain import Clip, ClipStrategy
from trailers.embedding import embedders
from trailers.embedding.embedders import Settings, make_embedders, weights_of
from trailers.embedding.engine import embed
from trailers.embedding.pairs import SCHEMA, Pair, fingerprint_of
from trailers.embedding.samples import real_clips
from trailers.errors import ConfigError, StoreError, TrailerError
from trailers.machine.device import choose_device
from trailers.settings import add_flags as add_setting_flags
from trailers.settings import from_flags, setting
from trailers.stages import shard
from trailers.stages.stage import Stage, Work, check_owner
from trailers.store.embeddings import check_vectors, read_embedding, read_embedding_attributes
from trailers.store.layout import Layout
from trailers.store.ledger import LedgerRow
from trailers.store.spans import CLIPS_SCHEMA, read_header, read_spans

if TYPE_CHECKING:
    from trailers.backbones.embedder import Embedder

log = logging.getLogger(__name__)

REMEDY = "Remove it and rerun the embed stage."

Run = tuple["Embed", Pair, shard.ShardRun]


@dataclass(frozen=True)
class Effort(embedders.Effort):
    """performance options (do not change the vectors)"""

    workers: int | None = setting("number of decoding workers; 0: decode between batches; null: chosen for the device")


def add_flags(parser: argparse.ArgumentParser) -> None:
    shard.add_flags(parser)
    parser.add_argument(
        "--clips", type=ClipStrategy.parse, nargs="+", required=True, help="clip strategies, such as shot24"
    )
    parser.add_argument(
        "--backbones", nargs="+", required=True, help="names; `python -m trailers backbones` lists them"
    )
    parser.add_argument(
        "--extra-pairs",
        nargs="*",
        default=[],
        metavar="CLIPS/BACKBONE",
        help="other pairs to make from the same decoding, without a ledger",
    )
    add_setting_flags(parser, Settings, "embed")
    add_setting_flags(parser, Effort, "embed")


def run(arguments: argparse.Namespace) -> None:
    settings, effort = from_flags(Settings, arguments), from_flags(Effort, arguments)
    runs = pairs_of(arguments, settings, effort)
    try:
        for stage, pair, work in runs:
            pair.todo = frozenset(work.to_make(stage.existing, stage))
        if any(pair.todo for _, pair, _ in runs):
            extra = extra_pairs(arguments, settings, effort)
            make_vectors([pair for _, pair, _ in runs + extra], settings, effort)
            for _, _, work in extra:
                work.close()
        for _, _, work in runs:
            work.finish()
    finally:
        for _, _, work in runs:
            work.close()


def make_vectors(pairs: Sequence[Pair], settings: Settings, effort: Effort) -> None:
    """Make the vectors that the pairs still need."""
    make = partial(make_embedders_of, [pair for pair in pairs if pair.todo], settings, effort)
    embed(pairs, make, workers=effort.workers, apart=choose_device(effort.device, setting="embed.device") != "cpu")


def make_embedders_of(pairs: Sequence[Pair], settings: Settings, effort: Effort) -> dict[str, Embedder]:
    """One embedder per backbone; its precision is also tested on clips of its first pair."""
    first = {pair.row.name: pair for pair in reversed(pairs)}
    return make_embedders([pair.row for pair in pairs], settings, effort, lambda row: real_clips(first[row.name]))


def extra_pairs(arguments: argparse.Namespace, settings: Settings, effort: Effort) -> list[Run]:
    """The pairs of --extra-pairs that can be made. They share the decoding; their own jobs find them up to date.

    A pair that cannot be made is left to its own job, which reports the error.
    """
    extra = []
    for clips, _, name in (pair.partition("/") for pair in arguments.extra_pairs):
        try:
            stage, pair, work = make_pair(arguments, ClipStrategy.parse(clips), name, settings, effort)
            work.timeout_s = None  # the watchdog of the job's own pairs watches the whole job
            pair.todo = frozenset(work.to_make(stage.existing, stage))
        except TrailerError as problem:
            log.info("embed: %s/%s is left to its own job: %s", clips, name, problem)
            continue
        if pair.todo:
            extra.append((stage, pair, work))
    return extra


def pairs_of(arguments: argparse.Namespace, settings: Settings, effort: Effort) -> list[Run]:
    """The pairs to make: with --ledger the pairs of these ledgers, otherwise all.

    Raises:
        ConfigError: a backbone does not exist, or a ledger does not belong to any pair.
        WeightsError: weights are missing or damaged.
    """
    layout = Layout(arguments.results)
    wanted = {path.absolute() for path in arguments.ledger or ()}
    if arguments.trailer is None and not wanted:
        raise ConfigError("--shard needs --ledger, the file to write the outcome of each trailer to.")
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
        raise ConfigError(
            f"--ledger: {min(wanted)} is not the ledger of a pair of --clips and --backbones. Name one that is."
        )
    return pairs


def make_pair(
    arguments: argparse.Namespace, strategy: ClipStrategy, name: str, settings: Settings, effort: Effort
) -> Run:
    layout = Layout(arguments.results)
    options, ledger = dict(vars(arguments), ledger=None), None
    if arguments.trailer is None:
        ledger = layout.ledger("embed", arguments.shard.stem, str(strategy), name)
        options["upstream"] = layout.ledger("clips", arguments.shard.stem, str(strategy))
    stage = Embed(layout, (str(strategy), name), settings, effort)
    work = shard.ShardRun.from_flags(stage.name, argparse.Namespace(**options), ledger=ledger)
    work.remove_crashing_files(stage)
    return stage, stage.pair(work), work


class Embed(Stage):
    """The vectors of the clips of one strategy, by one backbone."""

    name, folder, schema, axes = "embed", "embed", SCHEMA, ("clips", "backbone")
    settings: Settings
    effort: Effort

    @cached_property
    def strategy(self) -> ClipStrategy:
        return ClipStrategy.parse(self.variant[0])

    @cached_property
    def backbone(self) -> Row:
        return find_row(self.variant[1], Path(self.effort.weights_dir))

    @cached_property
    def weights_sha256(self) -> str:
        return weights_of(self.backbone, self.settings, self.effort)

    def pair(self, work: Work) -> Pair:
        """The pair for the embedding engine, over one shard. Raises WeightsError if weights are missing or damaged."""
        return Pair(self.strategy, self.backbone, self.weights_sha256, self.settings, work, existing=self.existing)

    def path(self, trailer: str) -> Path:
        return self.layout.embedding(self.variant[0], self.variant[1], trailer)

    def clips_path(self, trailer: str) -> Path:
        return self.layout.clips(self.variant[0], trailer)

    def products(self, trailer: str) -> tuple[Path, ...]:
        return (self.path(trailer),)

    def inputs(self, trailer: str) -> tuple[Path, ...]:
        return self.layout.video(trailer), self.clips_path(trailer)

    def fingerprint(self, trailer: str) -> str:
        clips = read_header(self.clips_path(trailer), schema=CLIPS_SCHEMA)
        return fingerprint_of(self.strategy, self.backbone, self.weights_sha256, self.settings, clips["fingerprint"])

    def stored_fingerprint(self, trailer: str) -> str:
        return str(read_embedding_attributes(self.path(trailer)).get("fingerprint"))

    def read(self, trailer: str) -> LedgerRow:
        """Reads every vector, whose checksums HDF5 compares."""
        vectors, _, attributes = read_embedding(self.path(trailer))
        check_owner(trailer, attributes, self.path(trailer))
        facts = {"clips": len(vectors), "F": vectors.shape[1], "precision": str(attributes.get("precision"))}
        return self.row(trailer, str(attributes.get("fingerprint")), facts)

    def make(self, trailer: str) -> LedgerRow:
        work = shard.ShardRun(self.name, [trailer], self.layout)
        self.make_all([trailer], work)
        return work.rows[trailer]

    def make_all(self, trailers: Sequence[str], work: Work) -> None:
        """Make the vectors in batches across trailers; in ``run``, several pairs also share the decoding."""
        pair = self.pair(work)
        pair.todo = frozenset(trailers)
        make_vectors([pair], self.settings, self.effort)

    def check(self, trailer: str) -> None:
        self.read(trailer)
        vectors, spans, _ = read_embedding(self.path(trailer))
        check_vectors(vectors, str(self.path(trailer)))
        try:
            clips, _ = read_spans(self.clips_path(trailer), kind=Clip, schema=CLIPS_SCHEMA)
        except StoreError:
            return  # reported by the clips stage
        now = np.array([(clip.shot, clip.start, clip.end, clip.padding) for clip in clips], np.int64).reshape(-1, 4)
        if not np.array_equal(spans, now):
            wrong = "was made from clips that have changed since"
            raise StoreError(wrong, where=self.path(trailer), remedy=REMEDY)
