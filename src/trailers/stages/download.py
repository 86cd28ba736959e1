"""Get the videos as published (Sec. 3).

in   rows of the manifest: links, YouTube ids or paths of files, in the order they are tried
out  results/download/{trailer}.json      the receipt: what was got, or why not
     results/download/{trailer}.{suffix}  the video it names, if there is one

A trailer that is removed, private or no video is `dead`: its receipt is a tombstone, and nothing is
asked again until its links change or --retry-dead is given. What may pass (a network, a rate limit)
is `failed` and tried again by the next run, from the byte where it stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import logging
import os
import shutil
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from trailers.domain import Trailer
from trailers.errors import ConfigError, ManifestError, StoreError, SystemicError, VideoError
from trailers.settings import add_flags as add_setting_flags
from trailers.settings import from_flags, setting
from trailers.stages import shard
from trailers.store.atomic import atomic, sync
from trailers.store.fingerprint import fingerprint, sha256_of
from trailers.store.layout import Layout
from trailers.store.ledger import DEAD, OK, Row
from trailers.store.manifest import read_manifest, web_link
from trailers.store.receipt import Receipt, read_receipt, write_receipt
from trailers.web.client import Client, Effort
from trailers.web.formats import lines, safe_suffix
from trailers.web.reasons import REASONS, LinkError, clean

log = logging.getLogger(__name__)

SCHEMA = "download/1"

QUALITY = ("too short", "too long", "too small")  # the limits of Sec. 3; they exclude only with enforce_quality
BLOCKED = ("bot check", "rate limited")  # the site has had enough of us, whatever the trailer
BLOCKED_IN_A_ROW = 5  # then the run stops: going on would only prolong the ban
FICLONE = 0x40049409  # linux/fs.h: share the blocks of a file until either is written to


@dataclass(frozen=True)
class Settings:
    """what shapes the receipt"""

    max_height: int = setting("px; the best format up to this height is taken")
    min_height: int = setting("px; a format of at least this height is preferred, a smaller video is noted")
    min_duration_s: float = setting("s; a shorter video is noted")
    max_duration_s: float = setting("s; a longer video is noted")
    enforce_quality: bool = setting("whether videos outside these limits are excluded")

    def __post_init__(self) -> None:
        if self.min_height > self.max_height or self.min_duration_s > self.max_duration_s:
            raise ConfigError(
                f"no video can have {self.min_height} to {self.max_height} px and {self.min_duration_s:g} to "
                f"{self.max_duration_s:g} s. Correct config.yaml, download."
            )


@dataclass(frozen=True)
class Video:
    """Bytes that are a video: ``path`` is where they lie now, ``facts`` what is known of them."""

    path: Path
    sha256: str
    facts: Mapping[str, Any]
    is_local: bool = False


def shortcomings(settings: Settings, *, duration_s: float | None, height: int = 0) -> dict[str, str]:
    """Reason -> words for every limit of Sec. 3 that a video misses; what is unknown misses none."""
    found = {}
    if duration_s is not None and duration_s < settings.min_duration_s:
        found["too short"] = f"{duration_s:g} s, at least {settings.min_duration_s:g} s are asked for"
    if duration_s is not None and duration_s > settings.max_duration_s:
        found["too long"] = f"{duration_s:g} s, at most {settings.max_duration_s:g} s are asked for"
    if height and height < settings.min_height:
        found["too small"] = f"{height}p, at least {settings.min_height}p is asked for"
    return found


def accept_duration(settings: Settings, duration_s: float) -> None:
    """Refuse by what a site states, before any byte of the video is asked for."""
    exclude(settings, shortcomings(settings, duration_s=duration_s))


def exclude(settings: Settings, found: Mapping[str, str]) -> None:
    if settings.enforce_quality and found:
        reason = next(iter(found))
        raise LinkError(reason, found[reason])


# Files


def look_at(path: Path, facts: Mapping[str, Any], *, is_local: bool = False) -> Video:
    """The video in ``path``, with its size, length and digest.

    Raises:
        LinkError: it is not a video.
    """
    from trailers.video import probe

    try:
        seen = probe(path)
    except VideoError as problem:
        # What to do about it is another matter here: the next link.
        raise LinkError("not a video", clean(str(problem).removeprefix(f"{path}: ").split(". ")[0])) from problem
    found = {
        "bytes": path.stat().st_size,
        "container": seen.container,
        "codec": seen.codec,
        "fps": round(seen.fps, 3),
        "duration_s": round(seen.duration_s, 3) or None,
        "width_px": seen.width,
        "height_px": seen.height,
    }
    return Video(path, sha256_of(path), {**facts, **found}, is_local)


def take_local(url: str, source: Path) -> Video:
    """The video of a file on this machine, which is only read.

    Raises:
        LinkError: it is not there, or not a video.
    """
    try:
        found = source.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise LinkError("not found", f"{source} does not exist") from None
    except OSError as problem:
        raise LinkError("other", f"{source}: {problem.strerror}") from None
    if not stat.S_ISREG(found.st_mode):
        raise LinkError("not a video", f"{source} is no file")
    if not os.access(source, os.R_OK):
        raise LinkError("other", f"{source} may not be read")
    facts = {"url": url, "final_url": "", "extractor": "file", "format": ""}
    noted = {"source_bytes": found.st_size, "source_mtime_ns": found.st_mtime_ns}
    return look_at(source, {**facts, **noted}, is_local=True)


def share(source: Path, target: Path) -> None:
    """Make ``target`` the same bytes: shared blocks where the file system can, else a hard link, else a copy.

    A hard link is one file of two names: who writes into the source in place (rather than replacing
    it) changes both; the next run notices by size and time.
    """
    real = source.resolve()
    with atomic(target) as temporary:
        for way in (clone, os.link):
            try:
                way(real, temporary)
                return
            except OSError:
                temporary.unlink(missing_ok=True)
        shutil.copyfile(real, temporary)


def clone(source: Path, target: Path) -> None:
    with source.open("rb") as read, target.open("wb") as written:
        fcntl.ioctl(written.fileno(), FICLONE, read.fileno())


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[None]:
    """``folder`` for this process alone; it goes at the end if nothing is left in it.

    Two jobs may come for one trailer, such as an orphan of a killed run: the second waits and then
    finds it done. A file system without locks is trusted to have one job.
    """
    path = folder / "lock"
    handle = take_lock(path)
    try:
        yield
    finally:
        if list(folder.iterdir()) == [path]:
            path.unlink()
            with contextlib.suppress(OSError):  # another job has just made its lock in there
                folder.rmdir()
        os.close(handle)


def take_lock(path: Path) -> int:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:  # the folder went between the two lines
            continue
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        # Who held it before may have removed the file that is locked now.
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(handle).st_ino:
                return handle
        os.close(handle)


# Trailers


@dataclass
class Downloads:
    """The two functions of a shard run: is a trailer settled, and get it."""

    layout: Layout
    settings: Settings
    trailers: Mapping[str, Trailer]
    base: Path  # what local paths are relative to
    client: Client
    retry_dead: bool = False
    blocked: Counter[str] = field(default_factory=Counter)  # host -> links in a row that it refused to answer

    def mark(self, trailer: str) -> str:
        return fingerprint(SCHEMA, self.settings, *self.trailers[trailer].urls)

    def settled(self, trailer: str) -> Row | None:
        path = self.layout.receipt(trailer)
        if not path.exists():
            return None
        receipt = read_receipt(path)
        if receipt.fingerprint != self.mark(trailer):
            return None
        try:
            if receipt.status == DEAD:
                again = self.retry_dead or self.any_appeared(receipt)
            else:
                again = not self.is_whole(receipt.file, receipt.facts) or self.source_changed(receipt.facts)
            return None if again else self.row(receipt)
        except (KeyError, TypeError) as problem:
            raise StoreError(f"{path}: its facts are damaged: {problem!r}. Run the stage download again.") from None

    def make(self, trailer: str) -> Row:
        folder = self.layout.download_folder() / ".partial" / trailer
        with hold(folder):
            try:
                row = self.settled(trailer)
                known = {} if row is not None else self.remembered(trailer)
            except StoreError:  # told already; a damaged receipt remembers nothing
                row, known = None, {}
            if row is not None:
                return row
            receipt = self.obtain(self.trailers[trailer], known, folder)
            write_receipt(self.layout.receipt(trailer), receipt)
            self.tidy(receipt, folder)
        return self.row(receipt)

    def obtain(self, trailer: Trailer, remembered: Mapping[str, Video | LinkError], folder: Path) -> Receipt:
        """The first of the trailer's links that can be had, or why none can.

        Raises:
            LinkError: some link may still be had by a later run.
        """
        refused: list[tuple[str, LinkError, Video | None]] = []
        for url in trailer.urls:
            video = None
            try:
                video = self.video(url, remembered, folder)
                height = lines(video.facts["width_px"], video.facts["height_px"])
                found = shortcomings(self.settings, duration_s=video.facts["duration_s"], height=height)
                exclude(self.settings, found)
            except LinkError as problem:
                refused.append((url, problem, video))
                if len(trailer.urls) > 1:
                    log.info("download: %s: %s: %s", trailer.trailer, url, problem)
                continue
            facts = {"quality": list(found), "refused": [told(url, problem) for url, problem, _ in refused]}
            file = self.place(trailer.trailer, video)
            mark = self.mark(trailer.trailer)
            return Receipt(trailer.trailer, OK, file, video.sha256, mark, {**video.facts, **facts})
        passing = [problem for _, problem, _ in refused if not problem.dead]
        if passing:
            raise passing[0]
        return self.tombstone(trailer.trailer, refused)

    def tombstone(self, trailer: str, refused: Sequence[tuple[str, LinkError, Video | None]]) -> Receipt:
        """All links are dead. A video that only misses the limits stays, for the day the limits change."""
        facts: dict[str, Any] = {"refused": [told(url, problem) for url, problem, _ in refused]}
        kept = next((video for _, _, video in refused if video is not None and not video.is_local), None)
        if kept is not None:
            facts["kept"] = {**kept.facts, "file": self.place(trailer, kept), "sha256": kept.sha256}
        facts["reason"] = refused[0][1].reason
        error = "; ".join(str(problem) for _, problem, _ in refused)
        return Receipt(trailer, DEAD, "", "", self.mark(trailer), facts, error)

    def video(self, url: str, remembered: Mapping[str, Video | LinkError], folder: Path) -> Video:
        link = web_link(url)
        if link is None:
            return take_local(url, self.base / url)
        outcome = remembered.get(url)
        if outcome is None:
            outcome = self.over_the_network(url, link, folder)
        if isinstance(outcome, LinkError):
            raise outcome
        return outcome

    def over_the_network(self, url: str, link: str, folder: Path) -> Video:
        host = urlsplit(link).hostname or ""
        try:
            accept = partial(accept_duration, self.settings)
            fetched = self.client.fetch(link, folder, accept)
            facts = {"url": url, **fetched.facts, "asked_max_height": self.settings.max_height}
            try:
                video = look_at(fetched.path, facts)
            except LinkError:
                fetched.path.unlink()  # or another run would find it complete
                raise
        except LinkError as problem:
            self.blocked[host] = self.blocked[host] + 1 if problem.reason in BLOCKED else 0
            if self.blocked[host] >= BLOCKED_IN_A_ROW:
                raise SystemicError(
                    f"download: {host} refused {self.blocked[host]} links in a row, the last one so: {problem}. Wait "
                    "an hour, raise download.sleep_s or set download.cookies, and run again; what is made stays."
                ) from problem
            raise
        self.blocked[host] = 0
        return video

    def remembered(self, trailer: str) -> dict[str, Video | LinkError]:
        """Link -> what is known of it from an earlier run, so that other limits ask nothing again."""
        path = self.layout.receipt(trailer)
        if not path.exists():
            return {}
        receipt = read_receipt(path)
        found: dict[str, Video | LinkError] = {}
        for item in () if self.retry_dead else receipt.facts.get("refused", ()):
            if item["reason"] not in QUALITY and REASONS.get(item["reason"]):
                found[item["url"]] = LinkError(item["reason"], item["words"])
        facts = dict(receipt.facts.get("kept") or {**receipt.facts, "file": receipt.file, "sha256": receipt.sha256})
        file, sha256 = facts.pop("file"), facts.pop("sha256")
        if facts.get("asked_max_height") == self.settings.max_height and self.is_whole(file, facts):
            plain = {key: value for key, value in facts.items() if key not in ("quality", "refused")}
            found[facts["url"]] = Video(path.with_name(file), sha256, plain)
        return found

    def place(self, trailer: str, video: Video) -> str:
        """Put the video where its receipt will name it; gives that name."""
        target = self.layout.download_folder() / f"{trailer}.{safe_suffix(video.path.suffix[1:])}"
        if video.is_local:
            share(video.path, target)
        elif video.path != target:
            sync(video.path)
            video.path.replace(target)
            sync(target.parent)
        return target.name

    def tidy(self, receipt: Receipt, folder: Path) -> None:
        """Remove what earlier links left: another suffix, partial bytes."""
        kept = {receipt.file, receipt.facts.get("kept", {}).get("file"), f"{receipt.trailer}.json"}
        # A trailer's id holds no dot, so nobody else's files begin so.
        for path in self.layout.download_folder().glob(f"{receipt.trailer}.*"):
            if path.name not in kept:
                path.unlink()
        for path in folder.iterdir():
            if path.name != "lock":
                path.unlink()

    def is_whole(self, file: str, facts: Mapping[str, Any]) -> bool:
        path = self.layout.download_folder() / file
        return bool(file) and path.is_file() and path.stat().st_size == facts.get("bytes")

    def any_appeared(self, receipt: Receipt) -> bool:
        """Whether a file that was missing is there now: looking costs nothing."""
        missing = [item["url"] for item in receipt.facts.get("refused", ()) if item["reason"] == "not found"]
        return any(web_link(url) is None and (self.base / url).exists() for url in missing)

    def source_changed(self, facts: Mapping[str, Any]) -> bool:
        """Whether the file that was linked has another size or time now; a source that is gone has done its part."""
        if facts.get("extractor") != "file":
            return False
        try:
            found = (self.base / facts["url"]).stat()
        except OSError:
            return False
        return (found.st_size, found.st_mtime_ns) != (facts.get("source_bytes"), facts.get("source_mtime_ns"))

    def row(self, receipt: Receipt) -> Row:
        if receipt.status == DEAD:
            facts = {"reason": receipt.facts.get("reason", "")}
            return Row(receipt.trailer, DEAD, "", receipt.fingerprint, facts, f"download: {receipt.error}")
        path = self.layout.download_folder() / receipt.file
        facts = {key: receipt.facts[key] for key in ("bytes", "duration_s", "width_px", "height_px", "quality")}
        return Row(receipt.trailer, OK, str(path.relative_to(self.layout.root)), receipt.fingerprint, facts)


def told(url: str, problem: LinkError) -> dict[str, str]:
    return {"url": url, "reason": problem.reason, "words": problem.words}


def add_flags(parser: argparse.ArgumentParser) -> None:
    shard.add_flags(parser)
    parser.add_argument("--manifest", type=Path, required=True, metavar="CSV", help="where the trailers' links stand")
    parser.add_argument(
        "--retry-dead", action="store_true", help="ask again for what was removed, private, not a video"
    )
    add_setting_flags(parser, Settings, "download")
    add_setting_flags(parser, Effort, "download")


def run(arguments: argparse.Namespace) -> None:
    settings, effort = from_flags(Settings, arguments), from_flags(Effort, arguments)
    work = shard.ShardRun.from_flags("download", arguments)
    trailers = {trailer.trailer: trailer for trailer in read_manifest(arguments.manifest)}
    for trailer in work.trailers:
        if trailer not in trailers:
            raise ManifestError(f"{arguments.manifest}: has no row for '{trailer}'. Add one, or name another trailer.")
    cache = work.layout.download_folder() / ".cache"
    client = Client(effort, settings.min_height, settings.max_height, cache)
    base = arguments.manifest.parent
    downloads = Downloads(work.layout, settings, trailers, base, client, retry_dead=arguments.retry_dead)
    wanted = work.unsettled(downloads.settled)
    if wanted and effort.cookies is not None:
        _ = client.downloader  # a bad cookies file is told once, not once a trailer
    for trailer in wanted:
        work.attempt(trailer, downloads.make)
    work.finish()
