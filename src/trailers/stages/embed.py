"""Turn clips into vectors with 2D and 3D backbones (Sec. 5, 7.5).

in   results/normalise/{trailer}.mp4                     the video at 24 fps
     results/clips/{clips}/{trailer}.csv                 shot, start, end, padding, frame
out  results/embed/{clips}/{backbone}/{trailer}.h5       vectors float32 (clips, F), clips (clips, 4)

Every pair of clip strategy and backbone that is asked for shares one decoding of a trailer, and
batches run across trailers: what a network is given is always a full batch but the last.

    frames  ------------------------------------------------------->  decoded once, in blocks
    shot24, resnet50      .     .  .      .     .       one a clip      \\
    shot24, swin3d_t   [......][......][...xxx][......]  24 a clip        >  a batch each, then vectors
    seq32, swin3d_t    [........][........][........]    32 a clip      /
"""

from __future__ import annotations

import argparse
import logging
import os
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trailers.backbones import embedding
from trailers.backbones.embedding import Settings, make_embedders, origin, weights_of
from trailers.backbones.row import Row, Transform, clip_frames
from trailers.backbones.rows import find_row
from trailers.domain import Clip, ClipStrategy
from trailers.errors import ConfigError, StoreError, SystemicError, TrailerError
from trailers.settings import add_flags as add_setting_flags
from trailers.settings import from_flags, setting
from trailers.stages import shard
from trailers.store.embeddings import read_embedding, write_embedding
from trailers.store.fingerprint import fingerprint
from trailers.store.layout import Layout
from trailers.store.ledger import OK
from trailers.store.ledger import Row as LedgerRow
from trailers.store.receipt import read_receipt
from trailers.store.spans import CLIPS_SCHEMA, read_header, read_spans
from trailers.video import VideoFrames

if TYPE_CHECKING:
    from trailers.backbones.network import Embedder

log = logging.getLogger(__name__)

SCHEMA = "embed/1"

BLOCK_FRAMES = 96  # decoded at once, at most; starts at a multiple of it, which is a key frame at most settings
DECODED_BYTES = 64 * 2**20  # in memory at once before they are resized, for videos that were not made smaller
BLOCKS_AHEAD = 2  # for each decoding worker

Geometry = tuple[tuple[int, ...], tuple[int, int], str, bool]  # of a transform: resize, crop, interpolation, antialias
Wanted = Mapping[Geometry, tuple[Transform, np.ndarray]]  # which frames each geometry wants
Decoded = dict[Geometry, np.ndarray]


@dataclass(frozen=True)
class Effort(embedding.Effort):
    """what does not"""

    workers: int | None = setting("decoding workers; 0 decodes between batches, none takes what suits the device")


@dataclass(eq=False)
class Pair:
    """One clip strategy seen through one backbone, over the shard."""

    strategy: ClipStrategy
    row: Row
    weights_sha256: str
    settings: Settings
    work: shard.ShardRun
    todo: frozenset[str] = frozenset()

    def path(self, trailer: str) -> Path:
        return self.work.layout.embedding(str(self.strategy), self.row.name, trailer)

    def clips_path(self, trailer: str) -> Path:
        return self.work.layout.clips(str(self.strategy), trailer)

    def mark(self, clips_fingerprint: str) -> str:
        """The fingerprint of a trailer's vectors."""
        shape = {"clips": str(self.strategy), "precision": self.settings.precision, **self.row.identity()}
        return fingerprint(SCHEMA, shape, self.weights_sha256, clips_fingerprint)

    def settled(self, trailer: str) -> LedgerRow | None:
        """The row of vectors that are there, whole (every byte is read and checked) and of these clips."""
        if not self.path(trailer).exists():
            return None
        header = read_header(self.clips_path(trailer), schema=CLIPS_SCHEMA)
        wanted = self.mark(header["fingerprint"])
        vectors, _, attributes = read_embedding(self.path(trailer))
        if attributes.get("fingerprint") != wanted or attributes.get("trailer") != trailer:
            return None
        return self.ledger_row(trailer, wanted, vectors.shape, str(attributes.get("precision")))

    def take_made(self, trailer: str) -> None:
        """Count ``trailer`` as done when another job has made its vectors since this one looked."""
        if trailer not in self.todo or not self.path(trailer).exists():
            return
        try:
            row = self.settled(trailer)
        except TrailerError:
            return  # damaged: made again
        if row is not None:
            self.todo -= {trailer}
            self.work.record(row)

    def ledger_row(self, trailer: str, mark: str, shape: Sequence[int], precision: str) -> LedgerRow:
        facts = {"clips": shape[0], "F": shape[1], "precision": precision}
        return LedgerRow(trailer, OK, str(self.path(trailer).relative_to(self.work.layout.root)), mark, facts)


@dataclass(eq=False)
class Job:
    """One trailer of one pair: its clips on their way to vectors."""

    pair: Pair
    trailer: str
    clips: Sequence[Clip]
    mark: str
    sources: np.ndarray  # int64 (clips, frames): which frame of the trailer stands where; -1 is black
    vectors: np.ndarray  # float32 (clips, F)
    missing: int  # vectors yet to come
    open: dict[int, np.ndarray] = field(default_factory=dict)  # clips of which some frames are there
    failed: bool = False

    @classmethod
    def start(cls, pair: Pair, trailer: str) -> Job:
        clips, header = read_spans(pair.clips_path(trailer), kind=Clip, schema=CLIPS_SCHEMA)
        if not clips:
            raise StoreError(f"{pair.clips_path(trailer)}: there are no clips. Look at the shots of this trailer.")
        sources = np.array(
            [
                clip_frames(pair.row, pair.strategy, start=clip.start, valid=clip.end - clip.start, frame=clip.frame)
                for clip in clips
            ],
            dtype=np.int64,
        )
        vectors = np.empty((len(clips), pair.row.features), np.float32)
        return cls(pair, trailer, clips, pair.mark(header["fingerprint"]), sources, vectors, len(clips))

    @property
    def geometry(self) -> Geometry:
        return self.pair.row.transform.geometry

    def fill(self, indices: np.ndarray, frames: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Put frames where clips want them; gives the number and frames of each clip that is whole.

        Args:
            indices: int64 (n,), ascending: every wanted frame of the trailer between the first and the last.
            frames: uint8 (n, height, width, 3), resized and cropped.
        """
        if self.failed or not len(indices):
            return
        first, last = indices[0], indices[-1]
        ends = self.sources.max(axis=1)
        inside = (self.sources >= first) & (self.sources <= last)
        for number in np.nonzero(inside.any(axis=1))[0].tolist():
            clip = self.open.get(number)
            if clip is None:
                clip = self.open[number] = np.zeros((self.sources.shape[1], *frames.shape[1:]), np.uint8)
            here = inside[number]
            clip[here] = frames[np.searchsorted(indices, self.sources[number][here])]
            if ends[number] <= last:
                yield number, self.open.pop(number)


@dataclass(frozen=True)
class Block:
    """Frames of one trailer to decode together, and which of them each geometry wants."""

    jobs: Sequence[Job]
    path: Path
    indices: np.ndarray
    wanted: Wanted


class Batches:
    """Clips of one backbone and one length on their way through the network."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self.clips: list[np.ndarray] = []
        self.owners: list[tuple[Job, int]] = []
        self.flying: deque[tuple[list[tuple[Job, int]], Callable[[], np.ndarray]]] = deque()

    def add(self, job: Job, number: int, clip: np.ndarray) -> None:
        self.clips.append(clip)
        self.owners.append((job, number))
        if len(self.clips) >= self.embedder.batch_clips:
            self.start()
            self.land(leaving=self.embedder.batches_in_flight)

    def start(self) -> None:
        if self.clips:
            self.flying.append((self.owners, self.embedder.start(np.stack(self.clips))))
            self.clips, self.owners = [], []

    def flush(self) -> None:
        self.start()
        self.land(leaving=0)

    def land(self, *, leaving: int) -> None:
        """Give vectors to their jobs, and write the jobs that have all."""
        while len(self.flying) > leaving:
            owners, wait = self.flying.popleft()
            for (job, number), vector in zip(owners, wait(), strict=True):
                job.vectors[number] = vector
                job.missing -= 1
            for job in dict.fromkeys(job for job, _ in owners):
                if job.missing == 0 and not job.failed:
                    finish(job, self.embedder.precision)


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
    pairs = pairs_of(arguments, settings, effort)
    for pair in pairs:
        pair.todo = frozenset(pair.work.unsettled(pair.settled))
    if any(pair.todo for pair in pairs):
        company = company_of(arguments, settings, effort)
        everyone = pairs + company
        embedders = make_embedders([pair.row for pair in everyone if pair.todo], settings, effort)
        embed(everyone, embedders, workers=effort.workers)
        for pair in company:
            pair.work.close()
    for pair in pairs:
        pair.work.finish()


def company_of(arguments: argparse.Namespace, settings: Settings, effort: Effort) -> list[Pair]:
    """The pairs of --besides that can be had: they share the decoding, and their own jobs find them made.

    What is wrong with one of them is for its own job to say; here it is left aside.
    """
    company = []
    for clips, _, name in (pair.partition("/") for pair in arguments.besides):
        try:
            pair = make_pair(arguments, ClipStrategy.parse(clips), name, settings, effort)
            pair.work.timeout_s = None  # the job's own pairs are watched, and with them the whole job
            pair.todo = frozenset(pair.work.unsettled(pair.settled))
        except TrailerError as problem:
            log.info("embed: %s/%s is left to its own job: %s", clips, name, problem)
            continue
        company.append(pair)
    return [pair for pair in company if pair.todo]


def pairs_of(arguments: argparse.Namespace, settings: Settings, effort: Effort) -> list[Pair]:
    """The pairs to do: with --ledger those whose ledgers are named, else all.

    Raises:
        ConfigError: a backbone does not exist, or a ledger is no pair's.
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
) -> Pair:
    layout = Layout(arguments.results)
    options, ledger = dict(vars(arguments), ledger=None), None
    if arguments.trailer is None:
        ledger = layout.ledger("embed", arguments.shard.stem, str(strategy), name)
        options["upstream"] = layout.ledger("clips", arguments.shard.stem, str(strategy))
    work = shard.ShardRun.from_flags("embed", argparse.Namespace(**options), ledger=ledger)
    row = find_row(name, Path(effort.weights_dir))
    return Pair(strategy, row, weights_of(row, settings, effort), settings, work)


def embed(pairs: Sequence[Pair], embedders: Mapping[str, Embedder], *, workers: int | None) -> None:
    """Make all that the pairs have to do, trailer after trailer."""
    batches: dict[tuple[str, int], Batches] = {}
    with Readers(workers, on_gpu=any(made.device != "cpu" for made in embedders.values())) as readers:
        for block, decoded in read_blocks(blocks_of(pairs), readers):
            for job in block.jobs:
                if isinstance(decoded, Exception):
                    fail(job, decoded)
                    continue
                for number, clip in job.fill(block.wanted[job.geometry][1], decoded[job.geometry]):
                    key = (job.pair.row.name, len(clip))
                    if key not in batches:
                        batches[key] = Batches(embedders[job.pair.row.name])
                    batches[key].add(job, number, clip)
    for batch in batches.values():
        batch.flush()


def blocks_of(pairs: Sequence[Pair]) -> Iterator[Block]:
    """Every trailer with work, cut into blocks.

    Jobs of other pairs may be at work on the same shard, each making the others' vectors besides its
    own. So each starts at another trailer, and takes what has been made in the meantime.
    """
    trailers = list(dict.fromkeys(trailer for pair in pairs for trailer in pair.work.trailers))
    first = zlib.crc32(f"{pairs[0].strategy}/{pairs[0].row.name}".encode()) % len(trailers)
    for trailer in trailers[first:] + trailers[:first]:
        for pair in pairs:
            pair.take_made(trailer)
        if not any(trailer in pair.todo for pair in pairs):
            continue
        for pair in pairs:  # those that have nothing to do with it, too: their own trailers are not what takes time
            pair.work.starts(trailer)
        jobs = []
        for pair in pairs:
            if trailer not in pair.todo:
                continue
            try:
                jobs.append(Job.start(pair, trailer))
            except Exception as problem:  # noqa: BLE001  one trailer never stops the others; recorded with its cause
                pair.work.fail(trailer, problem)
        if jobs:
            yield from cut_into_blocks(jobs, jobs[0].pair.work.layout.video(trailer))


def cut_into_blocks(jobs: Sequence[Job], path: Path) -> Iterator[Block]:
    """The frames that any job wants, in portions; neighbouring spans with few of them share a block."""
    by_geometry: dict[Geometry, list[Job]] = {}
    for job in jobs:
        by_geometry.setdefault(job.geometry, []).append(job)
    wanted = {key: frames_of(some) for key, some in by_geometry.items()}
    everything = frames_of(jobs)
    spans = np.split(everything, np.flatnonzero(np.diff(everything // BLOCK_FRAMES)) + 1)
    portion: list[np.ndarray] = []
    for number, span in enumerate(spans):
        portion.append(span)
        following = len(spans[number + 1]) if number + 1 < len(spans) else BLOCK_FRAMES
        if sum(map(len, portion)) + following <= BLOCK_FRAMES:
            continue
        indices = np.concatenate(portion)
        portion = []
        parts = {}
        for key, some in by_geometry.items():
            low, high = np.searchsorted(wanted[key], (indices[0], indices[-1] + 1))
            parts[key] = (some[0].pair.row.transform, wanted[key][low:high])
        yield Block(jobs, path, indices, parts)


def frames_of(jobs: Sequence[Job]) -> np.ndarray:
    """int64: every frame of the trailer that one of the jobs wants, ascending."""
    frames = np.unique(np.concatenate([job.sources.ravel() for job in jobs]))
    return frames[frames >= 0]


def read_blocks(blocks: Iterable[Block], readers: Readers) -> Iterator[tuple[Block, Decoded | Exception]]:
    """Each block with its frames, resized and cropped for each geometry; or with what went wrong."""
    flying: deque[tuple[Block, Callable[[], Decoded]]] = deque()
    for block in blocks:
        if all(job.failed for job in block.jobs):
            continue
        flying.append((block, readers.start(block.path, block.indices, block.wanted)))
        if len(flying) > readers.ahead:
            yield landed(*flying.popleft())
    while flying:
        yield landed(*flying.popleft())


def landed(block: Block, wait: Callable[[], Decoded]) -> tuple[Block, Decoded | Exception]:
    try:
        return block, wait()
    except BrokenExecutor as problem:
        raise SystemicError(f"embed: a decoding worker died: {problem}. Use fewer (embed.workers).") from None
    except Exception as problem:  # noqa: BLE001  recorded for the trailer by the caller
        return block, problem


class Readers:
    """Workers that decode, resize and crop: threads beside a CPU's network, processes beside a GPU's.

    A network on the CPU leaves no core to a process of its own; a GPU wants more frames than one
    interpreter hands over.
    """

    def __init__(self, workers: int | None, *, on_gpu: bool) -> None:
        if workers is None:
            workers = max(1, min(8, (os.cpu_count() or 1) - 1)) if on_gpu else 1
        self.ahead = workers * BLOCKS_AHEAD
        self.pool: Executor | None = None
        if workers and on_gpu:
            # A forked child of a process that uses CUDA cannot; a fresh one has nothing to inherit.
            self.pool = ProcessPoolExecutor(workers, get_context("spawn"))
        elif workers:
            self.pool = ThreadPoolExecutor(workers)

    def start(self, path: Path, indices: np.ndarray, wanted: Wanted) -> Callable[[], Decoded]:
        """Begin to read; what is given waits for the frames."""
        if self.pool is None:
            return lambda: read(path, indices, wanted)
        return self.pool.submit(read, path, indices, wanted).result

    def __enter__(self) -> Readers:
        return self

    def __exit__(self, *problem: object) -> None:
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)
        close_video()


OPEN = threading.local()  # the video that this thread read last


def read(path: Path, indices: np.ndarray, wanted: Wanted) -> Decoded:
    """uint8 (n, height, width, 3) for each geometry."""
    from trailers.backbones.transform import resize_and_crop

    video = open_video(path)
    if indices[-1] >= len(video):
        raise StoreError(f"{path}: has {len(video)} frames, the clips want frame {indices[-1]}. Run clips again.")
    found: dict[Geometry, list[np.ndarray]] = {key: [np.zeros((0, *key[1], 3), np.uint8)] for key in wanted}
    step = max(1, DECODED_BYTES // (video.height * video.width * 3))
    for start in range(0, len(indices), step):
        some = indices[start : start + step]
        frames = video.batch(some)
        for key, (transform, all_indices) in wanted.items():
            low, high = np.searchsorted(all_indices, (some[0], some[-1] + 1))
            if low < high:
                rows = np.searchsorted(some, all_indices[low:high])
                found[key].append(resize_and_crop(frames if len(rows) == len(frames) else frames[rows], transform))
    return {key: np.concatenate(parts) for key, parts in found.items()}


def open_video(path: Path) -> VideoFrames:
    if getattr(OPEN, "path", None) != path:
        close_video()
        OPEN.video, OPEN.path = VideoFrames(path), path
    video: VideoFrames = OPEN.video
    return video


def close_video() -> None:
    if getattr(OPEN, "path", None) is not None:
        OPEN.video.close()
        OPEN.video = OPEN.path = None


def fail(job: Job, problem: Exception) -> None:
    if not job.failed:
        job.failed = True
        job.open.clear()
        job.pair.work.fail(job.trailer, problem)


def finish(job: Job, precision: str) -> None:
    try:
        write(job, precision)
    except Exception as problem:  # noqa: BLE001  one trailer never stops the others; recorded with its cause
        fail(job, problem)


def write(job: Job, precision: str) -> None:
    pair = job.pair
    attributes = {
        **origin(pair.row, pair.weights_sha256, pair.settings, precision),
        "trailer": job.trailer,
        "clip_strategy": str(pair.strategy),
        "frames_a_clip": job.sources.shape[1],
        "fps": pair.strategy.fps,
        "source_sha256": source_sha256(pair.work.layout, job.trailer),
        "fingerprint": job.mark,
    }
    write_embedding(pair.path(job.trailer), job.vectors, job.clips, attributes)
    pair.work.record(pair.ledger_row(job.trailer, job.mark, job.vectors.shape, precision))


def source_sha256(layout: Layout, trailer: str) -> str:
    """Of the video as published; empty where its receipt is gone, as for videos brought at 24 fps."""
    path = layout.receipt(trailer)
    return read_receipt(path).sha256 if path.exists() else ""
