"""Look at every product on disk; with --repair, remove exactly what is wrong.

in   everything below results/
out  a line for each thing that is wrong; exit status 1 when there is one

Looked at are: schema and checksums, whether a product is whole, whether it was made from the one
before it as that is now, whether it is what its ledger says, what killed jobs left behind, and
times that lie in the future. A product that was removed is made again by the next `snakemake` run:
--repair also counts one more attempt for its shard, which makes Snakemake look at it.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from trailers.domain import Clip, ClipStrategy, Shot, is_safe_id
from trailers.errors import ConfigError, StoreError, TrailerError
from trailers.machine.progress import Progress
from trailers.stages.shard import bump
from trailers.store.atomic import TEMPORARY
from trailers.store.embeddings import check_vectors, read_embedding, read_poster
from trailers.store.experiment import read_metrics
from trailers.store.fingerprint import sha256_of
from trailers.store.frames import BLOCK, open_frames
from trailers.store.layout import Layout
from trailers.store.ledger import OK, LedgerRow, read_ledger
from trailers.store.pack import check_sums, open_pack
from trailers.store.receipt import Receipt, read_receipt, source_of
from trailers.store.scores import read_scores
from trailers.store.shards import read_shard
from trailers.store.spans import CLIPS_SCHEMA, SHOTS_SCHEMA, read_spans

log = logging.getLogger(__name__)

STAGES = ("download", "normalise", "shots", "clips", "embed", "posters")
OTHERS = ("ledger", "shards", "pack", "classify")
AHEAD_S = 60  # clocks of several machines differ
LEFTOVER_S = 600  # a temporary file that nobody wrote to for so long, by a process that is gone, is left over
TEMPORARY_NAME = re.compile(re.escape(TEMPORARY) + r"(\d+)-")


@dataclass(frozen=True)
class Trouble:
    """What is wrong with one product, and what goes when it is repaired."""

    stage: str
    path: Path
    words: str
    remove: tuple[Path, ...] = ()
    trailer: str = ""  # whose shards have to run again; none for what is no trailer's
    variant: tuple[str, ...] = ()
    touch: tuple[Path, ...] = ()  # what stays and gets the time of now


@dataclass
class Claims:
    """What the ledgers say: stage and variant -> trailer -> its row and the ledgers that have it."""

    rows: dict[tuple[str, ...], dict[str, LedgerRow]] = field(default_factory=dict)
    ledgers: dict[tuple[str, ...], dict[str, list[Path]]] = field(default_factory=dict)

    def add(self, key: tuple[str, ...], path: Path) -> None:
        for trailer, row in read_ledger(path).items():
            self.rows.setdefault(key, {})[trailer] = row
            self.ledgers.setdefault(key, {}).setdefault(trailer, []).append(path)


def read_claims(layout: Layout) -> tuple[Claims, list[Trouble]]:
    """All ledgers, and those that are damaged."""
    claims, wrong = Claims(), []
    for path in sorted((layout.root / "ledger").rglob("*.tsv")):
        if path.name.startswith(TEMPORARY):
            continue
        try:
            claims.add(path.relative_to(layout.root / "ledger").parts[:-1], path)
        except StoreError as problem:
            wrong.append(Trouble("ledger", path, words_of(problem, path), (path,)))
    return claims, wrong


def words_of(problem: Exception, path: Path) -> str:
    """What is wrong, without the path that stands before it and the remedy that --repair is."""
    words = str(problem).removeprefix(f"{path}: ")
    return re.sub(r" Remove it.*$", "", words, flags=re.DOTALL).rstrip(".")


@dataclass(frozen=True)
class Walk:
    """The products of one results folder."""

    layout: Layout
    claims: Claims
    deep: bool

    def stages(self) -> dict[tuple[str, ...], Callable[[str], Iterator[Trouble]]]:
        """Stage and variant -> what looks at one trailer's product; those that have products or ledgers."""
        root = self.layout.root
        found: dict[tuple[str, ...], Callable[[str], Iterator[Trouble]]] = {
            ("download",): self.download,
            ("normalise",): self.normalise,
            ("shots",): self.shots,
        }
        named = [key for key in self.claims.rows if key[0] in ("clips", "embed", "posters")]
        lying: list[tuple[str, ...]] = [("clips", path.name) for path in (root / "clips").glob("*/")]
        lying += [("embed", *path.relative_to(root / "embed").parts) for path in (root / "embed").glob("*/*/")]
        lying += [("posters",)] if (root / "posters").is_dir() else []
        lying += [("posters", path.name) for path in (root / "posters").glob("[!.]*/")]
        for key in sorted({*named, *lying}):
            if key[0] == "clips" and len(key) == 2:
                found[key] = lambda trailer, key=key: self.clips(trailer, key[1])  # type: ignore[misc]
            elif key[0] == "embed" and len(key) == 3:
                found[key] = lambda trailer, key=key: self.embed(trailer, key[1], key[2])  # type: ignore[misc]
            elif key == ("posters",):
                found[key] = lambda trailer: self.published("posters", trailer, self.layout.poster_receipt(trailer))
            elif key[0] == "posters" and len(key) == 2:
                found[key] = lambda trailer, key=key: self.poster(trailer, key[1])  # type: ignore[misc]
        return found

    def trailers(self, key: tuple[str, ...]) -> list[str]:
        """Those with a file of this stage, or an ok row."""
        folder = self.layout.root.joinpath(*key)
        there = {path.name.split(".")[0] for path in folder.glob("*.*") if path.is_file()}
        claimed = {trailer for trailer, row in self.claims.rows.get(key, {}).items() if row.status == OK}
        return sorted(name for name in there | claimed if is_safe_id(name))

    def claimed(self, key: tuple[str, ...], trailer: str) -> LedgerRow | None:
        row = self.claims.rows.get(key, {}).get(trailer)
        return row if row is not None and row.status == OK else None

    def against_ledger(self, key: tuple[str, ...], trailer: str, path: Path, mark: str) -> Iterator[Trouble]:
        row = self.claimed(key, trailer)
        if row is not None and row.fingerprint != mark:
            words = f"its fingerprint is {mark}, its ledger says {row.fingerprint}: made by another run"
            yield Trouble(key[0], path, words, (), trailer, key[1:])

    def absent(self, key: tuple[str, ...], trailer: str, path: Path) -> Iterator[Trouble]:
        if self.claimed(key, trailer) is not None:
            yield Trouble(key[0], path, "is not there, but its ledger says it is", (), trailer, key[1:])

    def download(self, trailer: str) -> Iterator[Trouble]:
        yield from self.published("download", trailer, self.layout.receipt(trailer))

    def published(self, stage: str, trailer: str, path: Path) -> Iterator[Trouble]:
        """A receipt at ``path`` and the video or poster beside it."""
        files = tuple(other for other in path.parent.glob(f"{trailer}.*") if other != path and other.is_file())
        if not path.exists():
            if files:
                yield Trouble(stage, files[0], "no receipt names it", files, trailer)
            yield from self.absent((stage,), trailer, path)
            return
        try:
            receipt = read_receipt(path)
        except StoreError as problem:
            yield Trouble(stage, path, words_of(problem, path), (path,), trailer)
            return
        named = {receipt.file, receipt.facts.get("kept", {}).get("file")}
        for file in files:
            if file.name not in named:
                yield Trouble(stage, file, "no receipt names it", (file,))
        if receipt.status == OK:
            yield from self.as_published(stage, trailer, path, receipt)
            yield from self.against_ledger((stage,), trailer, path, receipt.fingerprint)

    def as_published(self, stage: str, trailer: str, path: Path, receipt: Receipt) -> Iterator[Trouble]:
        file = source_of(path, receipt)
        ours = (path,) if receipt.reference else (file, path)  # a file of the user's own stays
        size = file.stat().st_size if file.is_file() else None
        if size is None:
            yield Trouble(stage, file, "is not there, but its receipt is", (path,), trailer)
        elif size != receipt.facts.get("bytes", size):
            words = f"has {size:,} bytes, its receipt says {receipt.facts['bytes']:,}"
            yield Trouble(stage, file, words, ours, trailer)
        elif (self.deep or receipt.reference) and sha256_of(file) != receipt.sha256:
            yield Trouble(stage, file, "its sha256 is not the one in its receipt", ours, trailer)

    def normalise(self, trailer: str) -> Iterator[Trouble]:
        video, path = self.layout.video(trailer), self.layout.frames(trailer)
        both = tuple(other for other in (video, path) if other.exists())
        if len(both) < 2:
            if both:
                lost = path if both[0] == video else video
                yield Trouble("normalise", both[0], f"{lost.name} is missing beside it", both, trailer)
            yield from self.absent(("normalise",), trailer, video)
            return
        try:
            with open_frames(path) as frames:
                for start in range(0, len(frames), BLOCK):
                    frames.read(start, min(start + BLOCK, len(frames)))
                attributes, count = frames.attributes, len(frames)
        except StoreError as problem:
            yield Trouble("normalise", path, words_of(problem, path), both, trailer)
            return
        words = self.trouble_with_video(video, attributes, count)
        if words or attributes.get("trailer") != trailer:
            yield Trouble("normalise", video, words or f"belongs to {attributes.get('trailer')}", both, trailer)
        else:
            yield from self.against_ledger(("normalise",), trailer, video, str(attributes.get("fingerprint")))

    def trouble_with_video(self, video: Path, attributes: Mapping[str, Any], count: int) -> str:
        """What is wrong with a 24 fps video of ``count`` frames; empty when nothing is."""
        from trailers.video import VideoFrames, read_fingerprint

        size = video.stat().st_size
        if size != attributes.get("video_bytes"):
            return f"has {size:,} bytes, its frames file says {attributes.get('video_bytes', 0):,}"
        mark = read_fingerprint(video)
        if mark != attributes.get("fingerprint"):
            return f"its fingerprint is {mark}, its frames file says {attributes.get('fingerprint')}"
        try:
            with VideoFrames(video) as frames:
                if len(frames) != count:
                    return f"has {len(frames)} frames, its frames file {count}"
                frames.batch([count - 1])  # which takes the whole last group of pictures
        except TrailerError as problem:
            return words_of(problem, video)
        if self.deep and sha256_of(video) != attributes.get("video_sha256"):
            return "its sha256 is not the one in its frames file"
        return ""

    def shots(self, trailer: str) -> Iterator[Trouble]:
        path, scores_path = self.layout.shots(trailer), self.layout.scores(trailer)
        if not path.exists() or not scores_path.exists():
            there = [other for other in (path, scores_path) if other.exists()]
            if there:
                lost = path if there[0] == scores_path else scores_path
                yield Trouble("shots", lost, f"is missing beside {there[0].name}", (), trailer)
            else:
                yield from self.absent(("shots",), trailer, path)
            return
        try:
            scores, _ = read_scores(scores_path)
        except StoreError as problem:
            yield Trouble("shots", scores_path, words_of(problem, scores_path), (scores_path,), trailer)
            return
        try:
            shots, header = read_spans(path, kind=Shot, schema=SHOTS_SCHEMA)
        except StoreError as problem:
            yield Trouble("shots", path, words_of(problem, path), (path,), trailer)
            return
        words = trouble_with_shots(shots, header, len(scores)) or self.made_from_frames(trailer, header)
        if words:
            yield Trouble("shots", path, words, (path,), trailer)
        else:
            yield from self.against_ledger(("shots",), trailer, path, header.get("fingerprint", ""))

    def made_from_frames(self, trailer: str, header: Mapping[str, str]) -> str:
        path = self.layout.frames(trailer)
        try:
            with open_frames(path) as frames:
                now = str(frames.attributes.get("fingerprint"))
        except StoreError:
            return ""  # said of the stage normalise
        made = header.get("frames_fingerprint")
        return "" if made == now else f"was made from the frames {made}, which are {now} now"

    def clips(self, trailer: str, name: str) -> Iterator[Trouble]:
        path, key = self.layout.clips(name, trailer), ("clips", name)
        if not path.exists():
            yield from self.absent(key, trailer, path)
            return
        try:
            clips, header = read_spans(path, kind=Clip, schema=CLIPS_SCHEMA)
            words = trouble_with_clips(clips, ClipStrategy.parse(name), self.shots_of(trailer))
        except TrailerError as problem:
            words = words_of(problem, path)
        if words:
            yield Trouble("clips", path, words, (path,), trailer, key[1:])
        else:
            yield from self.against_ledger(key, trailer, path, header.get("fingerprint", ""))

    def shots_of(self, trailer: str) -> list[Shot]:
        """What shotN clips must fit; none when it cannot be read, which is said of the stage shots."""
        try:
            return read_spans(self.layout.shots(trailer), kind=Shot, schema=SHOTS_SCHEMA)[0]
        except StoreError:
            return []

    def embed(self, trailer: str, name: str, backbone: str) -> Iterator[Trouble]:
        path, key = self.layout.embedding(name, backbone, trailer), ("embed", name, backbone)
        if not path.exists():
            yield from self.absent(key, trailer, path)
            return
        try:
            vectors, clips, attributes = read_embedding(path)
            check_vectors(vectors, str(path))
            words = "" if attributes.get("trailer") == trailer else f"belongs to {attributes.get('trailer')}"
        except StoreError as problem:
            words = words_of(problem, path)
        words = words or self.made_from_clips(trailer, name, clips)
        if words:
            yield Trouble("embed", path, words, (path,), trailer, key[1:])
        else:
            yield from self.against_ledger(key, trailer, path, str(attributes.get("fingerprint")))

    def poster(self, trailer: str, backbone: str) -> Iterator[Trouble]:
        path, key = self.layout.poster(backbone, trailer), ("posters", backbone)
        if not path.exists():
            yield from self.absent(key, trailer, path)
            return
        try:
            vectors, attributes = read_poster(path)
            check_vectors(vectors, str(path))
            words = "" if attributes.get("trailer") == trailer else f"belongs to {attributes.get('trailer')}"
        except StoreError as problem:
            words = words_of(problem, path)
        if words:
            yield Trouble("posters", path, words, (path,), trailer, key[1:])
        else:
            yield from self.against_ledger(key, trailer, path, str(attributes.get("fingerprint")))

    def made_from_clips(self, trailer: str, name: str, spans: np.ndarray) -> str:
        try:
            clips, _ = read_spans(self.layout.clips(name, trailer), kind=Clip, schema=CLIPS_SCHEMA)
        except StoreError:
            return ""  # said of the stage clips
        now = np.array([(c.shot, c.start, c.end, c.padding) for c in clips], np.int64).reshape(-1, 4)
        return "" if np.array_equal(spans, now) else "was made from other clips than there are now"


def trouble_with_shots(shots: Sequence[Shot], header: Mapping[str, str], frames: int) -> str:
    """What is wrong with shots of a trailer whose scores have ``frames`` frames; empty when nothing is."""
    if header.get("frames") != str(frames):
        return f"speaks of {header.get('frames')} frames, its scores of {frames}"
    if not shots:
        return "has no shots"
    if any(after.start < before.end for before, after in itertools.pairwise(shots)):
        return "has shots that overlap"
    return f"has a shot beyond frame {frames}" if shots[-1].end > frames else ""


def trouble_with_clips(clips: Sequence[Clip], strategy: ClipStrategy, shots: Sequence[Shot]) -> str:
    """What is wrong with clips; empty when nothing is. Without ``shots`` their place is not looked at."""
    if not clips:
        return "has no clips"
    if any(len(clip) != strategy.frames for clip in clips):
        return f"has a clip of another length than {strategy.frames} frames"
    if strategy.kind == "shot" and shots:
        if clips[-1].shot != len(shots) - 1:
            return f"has clips of {clips[-1].shot + 1} shots, there are {len(shots)}"
        if any(not shots[clip.shot].start <= clip.start < clip.end <= shots[clip.shot].end for clip in clips):
            return "has a clip that does not lie in its shot"
    return ""


def look_at_declared(layout: Layout) -> Iterator[Trouble]:
    """What Snakemake makes again by itself once it is gone and the report with it: shard lists, packs, metrics."""
    readers: tuple[tuple[str, str, Callable[[Path], Any]], ...] = (
        ("shards", "*.txt", read_shard),
        ("pack", "*/*/*.h5", lambda path: check_sums(open_pack(path))),
        ("classify", "*/*/metrics.json", read_metrics),
    )
    for stage, pattern, read in readers:
        for path in sorted((layout.root / stage).glob(pattern)):
            if path.name.startswith(TEMPORARY):
                continue
            try:
                read(path)
            except StoreError as problem:
                yield Trouble(stage, path, words_of(problem, path), (path,))


def from_the_future(layout: Layout) -> Iterator[Trouble]:
    """What Snakemake compares the times of, where a clock was ahead: it refuses all that is made from it until then."""
    now = time.time()
    for stage in OTHERS:
        for path in sorted((layout.root / stage).rglob("*.*")):
            ahead_s = path.stat().st_mtime - now if path.is_file() else 0
            if ahead_s > AHEAD_S and not path.name.startswith(TEMPORARY):
                words = f"its time lies {ahead_s / 3600:.1f} h in the future; a clock was wrong"
                yield Trouble(stage, path, words, touch=(path,))


def leftovers(root: Path, *, older_s: float) -> Iterator[Trouble]:
    """Temporary files of processes that are gone. One of another host may still be at work, hence ``older_s``."""
    now = time.time()
    for path in sorted(root.rglob(f"{TEMPORARY}*")):
        match = TEMPORARY_NAME.match(path.name)
        try:
            age = now - path.stat().st_mtime
        except FileNotFoundError:  # finished while we looked
            continue
        if age >= older_s and not (match and is_running(int(match[1]))):
            yield Trouble("leftover", path, f"was left by a process that is gone, {age / 60:.0f} min ago", (path,))


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def repair(troubles: Sequence[Trouble], layout: Layout, claims: Claims) -> list[Path]:
    """Remove what is wrong, and a report that hides it; count an attempt for every shard that lost something."""
    gone, shards = [], set()
    for trouble in troubles:
        for path in trouble.remove:
            if path.exists() or path.is_symlink():
                path.unlink()
                gone.append(path)
        for path in trouble.touch:
            if path not in gone:
                os.utime(path)
        key = (trouble.stage, *trouble.variant)
        for ledger in claims.ledgers.get(key, {}).get(trouble.trailer, ()):
            shards.add(ledger.relative_to(layout.root / "ledger").with_suffix(""))
    for shard in sorted(shards):
        bump(layout.root / "attempts" / shard)
    if any(trouble.stage in OTHERS and trouble.remove for trouble in troubles):
        # Snakemake makes nothing anew that stands before a finished report.
        for path in sorted((layout.root / "report").rglob("index.html")):
            path.unlink()
            gone.append(path)
    return gone


def examine(layout: Layout, claims: Claims, stages: Sequence[str], *, deep: bool) -> Iterator[Trouble]:
    """What is wrong with the per-trailer products of ``stages``."""
    walk = Walk(layout, claims, deep)
    for key, look in walk.stages().items():
        if key[0] not in stages:
            continue
        trailers = walk.trailers(key)
        progress = Progress(f"verify: {' '.join(key)}", len(trailers))
        for trailer in trailers:
            yield from look(trailer)
            if progress.bar is not None:
                progress.bar.update()
        progress.close()
        log.info("verify: %s: %d trailers looked at", " ".join(key), len(trailers))


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="FOLDER", help="where products live")
    parser.add_argument(
        "--stages",
        nargs="+",
        choices=(*STAGES, *OTHERS),
        default=[*STAGES, *OTHERS],
        help="only these; all if not given",
    )
    parser.add_argument("--deep", action="store_true", help="also read all videos whole and compare their sha256")
    parser.add_argument(
        "--repair", action="store_true", help="remove what is wrong, so that the next run makes it again"
    )
    parser.add_argument(
        "--older-s", type=float, default=LEFTOVER_S, metavar="S",
        help="age of temporary files that count as left over (%(default)s); younger ones may be another host's at work",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    layout = Layout(arguments.results)
    if not layout.root.is_dir():
        raise ConfigError(f"{layout.root}: there is no such folder. Name the results with --results.")
    claims, troubles = read_claims(layout)
    troubles = [trouble for trouble in troubles if trouble.stage in arguments.stages]
    troubles += examine(layout, claims, arguments.stages, deep=arguments.deep)
    troubles += [trouble for trouble in look_at_declared(layout) if trouble.stage in arguments.stages]
    troubles += [trouble for trouble in from_the_future(layout) if trouble.stage in arguments.stages]
    troubles += leftovers(layout.root, older_s=arguments.older_s)
    for trouble in troubles:
        print(f"{trouble.path}: {trouble.words}")
    if not troubles:
        print("nothing is wrong")
        return 0
    if not arguments.repair:
        print(f"{len(troubles)} things are wrong. --repair removes them; run snakemake again after it.")
        return 1
    gone = repair(troubles, layout, claims)
    print(f"{len(troubles)} things were wrong, {len(gone)} files are removed. Run snakemake again to have them made.")
    return 0
