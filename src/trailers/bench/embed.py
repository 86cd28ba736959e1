"""embed: the complete stage, the network alone, decoding alone, and a plain extractor, in clips per second.

The source videos are first re-encoded at 24 fps, which is not measured, and cut into clips of equal length
from start to end. Then these ways run in turns:

    ours       the stage: decoding, transform, network, HDF5
    network    the network on prepared clips, with the backbone's batch size and precision
    decoding   reading, resizing and cropping the frames of the clips
    plain      as in most public extractors: decord's get_batch clip by clip, the published
               transform, float32, one clip at a time
    compiled   with --compile: the network after torch.compile

Ratio end_to_end_to_limit: ours divided by the limit, which is min(network, decoding) on a GPU and
1 / (1/network + 1/decoding) on a CPU, where both share the cores. end_to_end_to_plain: ours divided by
plain. On a busy machine look at cpu_ms_per_clip: ours should be the sum of network and decoding.
main_ms_per_clip is the processor time that the job's own process takes for a clip beside a GPU, where
other processes decode: 1000 over it is how many clips per second one job can hand to its GPU at most.
Weights are random if the published ones have not been fetched: speed does not depend on them.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import functools
import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from trailers.backbones.cost import cost_of
from trailers.backbones.embedder import Embedder
from trailers.backbones.network import make_network
from trailers.backbones.precision import cosines, sample_clips
from trailers.backbones.row import Row
from trailers.backbones.rows import find_row
from trailers.backbones.weights import weights_sha256
from trailers.bench import harness
from trailers.bench.normalise import take
from trailers.bench.plain_embed import embed_one_by_one
from trailers.bench.without_network import WithoutNetwork
from trailers.config import defaults
from trailers.domain import Clip, ClipStrategy, Shot
from trailers.embedding.blocks import blocks_of
from trailers.embedding.embedders import Settings
from trailers.embedding.engine import embed
from trailers.embedding.pairs import Job, Pair
from trailers.embedding.readers import Readers, Reading, readers_for
from trailers.errors import WeightsError
from trailers.machine.device import choose_device, reduced_precisions
from trailers.machine.memory import keep_freed_memory
from trailers.settings import from_section
from trailers.stages import normalise, shard
from trailers.stages.clips import cut_into_clips
from trailers.store.layout import Layout
from trailers.store.spans import CLIPS_SCHEMA, read_spans, write_spans
from trailers.video import VideoFrames

PLAIN_CLIPS = 12  # per video; the plain way is slow, and its rate does not depend on their number


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("videos", nargs="+", type=Path, metavar="VIDEO", help="source videos")
    parser.add_argument("--backbone", required=True, help="name of a backbone")
    parser.add_argument("--clips", type=ClipStrategy.parse, default="seq24", help="clip strategy (seq24)")
    parser.add_argument("--max-clips", type=int, metavar="N", help="use only the first N clips of each video")
    parser.add_argument("--no-plain", action="store_true", help="omit the plain way")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each way (3)")
    parser.add_argument("--batch-clips", type=int, metavar="N", help="clips per batch (that of the backbone)")
    parser.add_argument("--precision", default="auto", help="auto or float32 (auto)")
    parser.add_argument("--workers", type=int, metavar="N", help="decoding workers (chosen for the device)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (auto)")
    parser.add_argument("--compile", action="store_true", help="also run the network after torch.compile")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    logging.basicConfig(level=logging.WARNING)
    section = defaults("embed")
    row = find_row(arguments.backbone, Path(section["weights_dir"]))
    device = choose_device(arguments.device, setting="--device")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Layout(Path(folder)), row, ClipStrategy.parse(str(arguments.clips)), device, arguments)
        for number, video in enumerate(arguments.videos):
            bench.add(video, f"video{number}", arguments.max_clips)
        with bench.open:
            return bench.run(arguments.rounds, plain=not arguments.no_plain, compiled=arguments.compile)


class Bench:
    def __init__(
        self, layout: Layout, row: Row, strategy: ClipStrategy, device: str, arguments: argparse.Namespace
    ) -> None:
        self.layout, self.row, self.strategy, self.device = layout, row, strategy, device
        self.workers: int | None = arguments.workers
        self.trailers: list[str] = []
        self.open = contextlib.ExitStack()
        self.weights_dir = weights_here(row, Path(defaults("embed")["weights_dir"]))
        self.plain_network = make_network(row, self.weights_dir)
        self.embedder = Embedder(
            row, self.plain_network, device=device, precision=arguments.precision, batch_clips=arguments.batch_clips
        )
        # The reference for worst_cosine.
        self.exact = Embedder(row, self.plain_network, device=device, precision="float32", batch_clips=1)

    def add(self, video: Path, trailer: str, max_clips: int | None) -> None:
        """Make the 24 fps video and its clips."""
        section = defaults("normalise")
        settings, effort = from_section(normalise.Settings, section), from_section(normalise.Effort, section)
        normalise.Normalise(self.layout, (), settings, effort).make(take(self.layout, video, trailer))
        with VideoFrames(self.layout.video(trailer)) as frames:
            clips = cut_into_clips([Shot(0, len(frames))], frames=self.strategy.frames)[:max_clips]
            header: dict[str, str | int] = {"trailer": trailer, "frames": len(frames), "fingerprint": trailer}
        # The middle frame represents the clip: on average it is as far from a key frame as any other.
        clips = [Clip(c.shot, c.start, c.end, c.padding, (c.start + c.end) // 2) for c in clips]
        path = self.layout.clips(str(self.strategy), trailer)
        write_spans(path, clips, kind=Clip, header=header, schema=CLIPS_SCHEMA)
        self.trailers.append(trailer)

    def add_again(self, trailer: str) -> None:
        """Add the video and the clips of ``trailer`` again, as another trailer."""
        again = f"{trailer}-{len(self.trailers)}"
        self.layout.video(again).symlink_to(self.layout.video(trailer).name)
        strategy = str(self.strategy)
        clips, header = read_spans(self.layout.clips(strategy, trailer), kind=Clip, schema=CLIPS_SCHEMA)
        header = {**header, "trailer": again, "fingerprint": again}
        write_spans(self.layout.clips(strategy, again), clips, kind=Clip, header=header, schema=CLIPS_SCHEMA)
        self.trailers.append(again)

    def pair(self) -> Pair:
        """A pair with all trailers to do; the vectors of the preceding way are removed."""
        for trailer in self.trailers:
            self.layout.embedding(str(self.strategy), self.row.name, trailer).unlink(missing_ok=True)
        settings = Settings(precision="auto", random_weights=self.weights_dir is None)
        work = shard.ShardRun("embed", self.trailers, self.layout)
        return Pair(self.strategy, self.row, "bench", settings, work, frozenset(self.trailers))

    def ours(self) -> None:
        keep_freed_memory(self.device == "cpu")
        embed([self.pair()], lambda: {self.row.name: self.embedder}, workers=None, apart=False, running=self.readers)

    def decoding(self) -> None:
        pairs = [self.pair()]
        for _, decoded in Reading(blocks_of(pairs), self.readers):
            if isinstance(decoded, Exception):
                raise decoded

    @functools.cached_property
    def readers(self) -> Readers:
        """Decoding workers for all rounds, because a job starts its workers once for a whole shard."""
        return self.open.enter_context(readers_for([self.pair()], self.workers, apart=self.device != "cpu"))

    def compiled(self) -> Embedder:
        """The same backbone after torch.compile, which the stage does not use."""
        import torch

        embedder = copy.copy(self.embedder)
        embedder.network = torch.compile(self.embedder.network)  # type: ignore[assignment]
        return embedder

    def main_ms_per_clip(self) -> float:
        """Processor time of the job's own process, with decoding processes and without a network."""
        pair, clips = self.pair(), self.clip_count()
        without = WithoutNetwork(self.row)
        started = time.process_time()  # not of children
        embed([pair], lambda: {self.row.name: without}, workers=self.workers, apart=True)  # type: ignore[dict-item]
        return (time.process_time() - started) / clips * 1000

    def network(self, embedder: Embedder, clips: np.ndarray) -> None:
        keep_freed_memory(self.device == "cpu")
        waiting: list[Callable[[], np.ndarray]] = []
        for _ in range(network_batches(self.clip_count(), len(clips))):
            waiting.append(embedder.start(embedder.buffer(clips.shape[1]), len(clips)))
            if len(waiting) > embedder.batches_in_flight:
                waiting.pop(0)()
        for wait in waiting:
            wait()

    def jobs(self) -> list[Job]:
        pair = self.pair()
        return [Job.start(pair, trailer) for trailer in self.trailers]

    def clip_count(self) -> int:
        return sum(len(job.clips) for job in self.jobs())

    def run(self, rounds: int, *, plain: bool, compiled: bool) -> dict[str, Any]:
        jobs = self.jobs()
        count = sum(len(job.clips) for job in jobs)
        ready = np.resize(sample_clips(self.row, shown_frames=self.strategy.shown_frames), self.batch_shape(jobs[0]))
        # Spread over the whole video.
        some = [
            (
                self.layout.video(job.trailer),
                job.sources[:: max(1, len(job.sources) // PLAIN_CLIPS)][:PLAIN_CLIPS].tolist(),
            )
            for job in jobs
        ]
        plain_count = sum(len(clips) for _, clips in some)
        ways: dict[str, Callable[[], Any]] = {
            "ours": self.ours,
            "network": lambda: self.network(self.embedder, ready),
            "decoding": self.decoding,
            "plain": lambda: embed_one_by_one(self.row, self.plain_network.to(self.device), some, self.device),
        }
        if not plain:
            del ways["plain"]
        if compiled:
            embedder = self.compiled()
            started = time.perf_counter()
            embedder(ready)
            compile_s = time.perf_counter() - started
            ways["compiled"] = lambda: self.network(embedder, ready)
        timings = harness.alternate(ways, rounds=rounds)
        fed = network_batches(count, len(ready)) * len(ready)
        counts = {"ours": count, "network": fed, "decoding": count, "plain": plain_count, "compiled": fed}
        per_clip = {name: [wall / counts[name] for wall in timing.wall_s] for name, timing in timings.items()}
        limit = [self.limit(n, d) for n, d in zip(per_clip["network"], per_clip["decoding"], strict=True)]
        rates = {
            name: {
                "clips_s": 1 / np.median(values),
                "cpu_ms_per_clip": timings[name].median_cpu_s / counts[name] * 1000,
            }
            for name, values in per_clip.items()
        }
        ratios = {"end_to_end_to_limit": harness.ratio(limit, per_clip["ours"])}
        if plain:
            ratios["end_to_end_to_plain"] = harness.ratio(per_clip["plain"], per_clip["ours"])
        if compiled:
            rates["compiled"]["compile_s"] = compile_s
            ratios["compiled_to_network"] = harness.ratio(per_clip["network"], per_clip["compiled"])
        return {"figures": {**rates, "about": self.about(count, per_clip)}, "ratios": ratios}

    def batch_shape(self, job: Job) -> tuple[int, ...]:
        return (self.embedder.batch_clips, job.sources.shape[1], *self.row.transform.crop, 3)

    def limit(self, network_s: float, decoding_s: float) -> float:
        """Seconds per clip at the limit."""
        return network_s + decoding_s if self.device == "cpu" else max(network_s, decoding_s)

    def about(self, count: int, per_clip: dict[str, list[float]]) -> dict[str, Any]:
        rate = cost_of(self.row, shown_frames=self.strategy.shown_frames).multiply_adds / np.median(per_clip["network"])
        clips = sample_clips(self.row, shown_frames=self.strategy.shown_frames)
        fastest = next(iter(reduced_precisions(self.device)), "float32")
        figures = {
            "clips": count,
            "batch": self.embedder.batch_clips,
            "precision": self.embedder.precision,
            "worst_cosine": f"{cosines(self.exact(clips), self.embedder(clips)).min():.6f}",
            "main_ms_per_clip": self.main_ms_per_clip(),
            "weights": "random" if self.weights_dir is None else "published",
            "network_to_peak": rate / harness.matrix_rate(self.device, fastest, seconds=0.3),
        }
        if self.device != "cpu":
            figures["gpu_busy_share"] = float(np.median(per_clip["network"]) / np.median(per_clip["ours"]))
        return figures


def network_batches(clips: int, batch: int) -> int:
    """The number of full batches that corresponds to ``clips``, at least one."""
    return max(1, round(clips / batch))


def weights_here(row: Row, folder: Path) -> Path | None:
    try:
        weights_sha256(row, folder)
    except WeightsError:
        return None
    return folder
