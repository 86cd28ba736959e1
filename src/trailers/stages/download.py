"""Download the videos as published (Sec. 3).

in   rows of the manifest: links, YouTube ids or paths of files, in the order in which they are tried
out  results/download/{trailer}.json      the receipt: what was downloaded, or why nothing was downloaded
     results/download/{trailer}.{suffix}  the video that the receipt names, if any

With --posters, it does the same for the column `poster`: results/posters/{trailer}.json and the image it names.

A trailer is `dead` if its video is removed, private or not a video. Its receipt records the reason, and no request
is made again until its links change or --retry-dead is given. A failure that says nothing about the video (network,
rate limit, refused client or fragment) is `failed`; the next run tries again, from the byte where the download
stopped. The job stops if a site refuses the client for five links in a row.

The receipt records the duration that site, playlist or manifest stated as `promised_s`. A video that is shorter by
more than 5 % and 1 s gets the warning `incomplete`.
"""

from __future__ import annotations

import argparse
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from trailers.errors import ConfigError, ManifestError, StoreError
from trailers.settings import add_flags as add_setting_flags
from trailers.settings import from_flags, setting
from trailers.stages import shard
from trailers.stages.stage import Stage, Work
from trailers.store.atomic import remove
from trailers.store.fingerprint import fingerprint, sha256_of
from trailers.store.layout import Layout
from trailers.store.ledger import DEAD, OK, LedgerRow
from trailers.store.manifest import read_manifest
from trailers.store.receipt import read_receipt, source_of
from trailers.web.client import Client
from trailers.web.collect import Collection, Kind, ledger_row, refuse
from trailers.web.content import look_at_image, look_at_video
from trailers.web.formats import IMAGE_SUFFIXES, VIDEO_SUFFIXES, lines
from trailers.web.patience import Effort
from trailers.web.stream import missing


@dataclass(frozen=True)
class Settings:
    """options that change the receipt"""

    max_height: int = setting("in px; the best format up to this height is downloaded")
    min_height: int = setting("in px; formats of at least this height are preferred, smaller videos get a warning")
    min_duration_s: float = setting("in seconds; shorter videos get a warning")
    max_duration_s: float = setting("in seconds; longer videos get a warning")
    enforce_quality: bool = setting("exclude videos outside these limits")

    def __post_init__(self) -> None:
        if self.min_height > self.max_height or self.min_duration_s > self.max_duration_s:
            raise ConfigError(
                f"a minimum is above its maximum: height {self.min_height} to {self.max_height} px, duration "
                f"{self.min_duration_s:g} to {self.max_duration_s:g} s. Correct `download` in config.yaml."
            )


def videos(layout: Layout, settings: Settings) -> Kind:
    def missed(facts: Mapping[str, Any]) -> dict[str, str]:
        height = lines(facts["width_px"], facts["height_px"])
        short = shortcomings(settings, duration_s=facts["duration_s"], height=height)
        return {**missing(facts), **short}

    return Kind(
        stage=Download.name,
        folder=layout.download_folder(),
        suffixes=VIDEO_SUFFIXES,
        refusal="not a video",
        urls=lambda trailer: trailer.urls,
        fingerprint=lambda urls: fingerprint(Download.schema, settings, *urls),
        inspect=look_at_video,
        shortcomings=missed,
        accept=partial(accept_duration, settings),
        enforce=settings.enforce_quality,
        facts=Download.facts,
        asked={"asked_max_height": settings.max_height},
    )


def posters(layout: Layout) -> Kind:
    return Kind(
        stage=PosterDownload.name,
        folder=layout.poster_folder(),
        suffixes=IMAGE_SUFFIXES,
        refusal="not an image",
        urls=lambda trailer: (trailer.poster,) if trailer.poster else (),
        fingerprint=lambda urls: fingerprint(PosterDownload.schema, {}, *urls),
        inspect=look_at_image,
        shortcomings=lambda _: {},
        accept=lambda _: None,
        enforce=False,
        facts=PosterDownload.facts,
        asked={},
    )


def shortcomings(settings: Settings, *, duration_s: float | None, height: int = 0) -> dict[str, str]:
    """Reason -> sentence, for every limit of Sec. 3 that a video does not meet; unknown values count as met."""
    found = {}
    if duration_s is not None and duration_s < settings.min_duration_s:
        found["too short"] = f"{duration_s:g} s, but download.min_duration_s is {settings.min_duration_s:g} s"
    if duration_s is not None and duration_s > settings.max_duration_s:
        found["too long"] = f"{duration_s:g} s, but download.max_duration_s is {settings.max_duration_s:g} s"
    if height and height < settings.min_height:
        found["too small"] = f"{height} px high, but download.min_height is {settings.min_height} px"
    return found


def accept_duration(settings: Settings, duration_s: float) -> None:
    """Refuse a video by the duration that the site states, before any byte of it is requested."""
    if settings.enforce_quality:
        refuse(shortcomings(settings, duration_s=duration_s))


def add_flags(parser: argparse.ArgumentParser) -> None:
    shard.add_flags(parser)
    parser.add_argument("--manifest", type=Path, required=True, metavar="CSV", help="the links of all trailers")
    parser.add_argument(
        "--base",
        type=Path,
        metavar="FOLDER",
        help="folder that paths in the manifest are relative to (default: the manifest's own)",
    )
    parser.add_argument(
        "--retry-dead", action="store_true", help="try again the trailers that were removed, private or not a video"
    )
    parser.add_argument("--posters", action="store_true", help="download the posters of the column `poster` instead")
    add_setting_flags(parser, Settings, "download")
    add_setting_flags(parser, Effort, "download")


def run(arguments: argparse.Namespace) -> None:
    settings, effort = from_flags(Settings, arguments), from_flags(Effort, arguments)
    kind = PosterDownload if arguments.posters else Download
    stage = kind(Layout(arguments.results), (), settings, effort)
    stage.open(arguments.manifest, base=arguments.base, retry_dead=arguments.retry_dead)
    shard.run_stage(stage, arguments)


class Published(Stage):
    """One file per trailer, as published, beside its receipt."""

    facts: ClassVar[tuple[str, ...]]  # names of the receipt's facts that the ledger has too
    settings: Settings
    effort: Effort
    manifest: Path
    collection: Collection  # set by ``open``

    @abstractmethod
    def kind(self) -> Kind:
        """What is downloaded."""

    def open(self, manifest: Path, *, base: Path | None = None, retry_dead: bool = False) -> None:
        """Read the links of ``manifest``; before this call, the stage can only read and check products.

        Args:
            manifest: a CSV.
            base: the folder that its paths are relative to; by default its own folder.
            retry_dead: whether dead links are tried again.

        Raises:
            ManifestError: it cannot be read as a manifest.
        """
        kind, settings = self.kind(), self.settings
        trailers = {trailer.trailer: trailer for trailer in read_manifest(manifest, genres=None)}
        client = Client(self.effort, settings.min_height, settings.max_height, kind.folder / ".cache")
        self.manifest = manifest
        base = manifest.parent if base is None else base
        self.collection = Collection(kind, trailers, base, client, self.layout.root, retry_dead=retry_dead)

    def receipt_path(self, trailer: str) -> Path:
        return self.layout.root / self.folder / f"{trailer}.json"

    def products(self, trailer: str) -> tuple[Path, ...]:
        """The file that the receipt names, unless it is the user's own, and the receipt."""
        path = self.receipt_path(trailer)
        try:
            file = read_receipt(path).file
        except StoreError:
            file = ""
        return (path.with_name(file), path) if file else (path,)

    def inputs(self, trailer: str) -> tuple[Path, ...]:  # noqa: ARG002  a link is not a product
        return ()

    def skips(self, trailer: str) -> str:
        known = self.collection.trailers.get(trailer)
        if known is None:
            remedy = "Add a row, or name another trailer."
            raise ManifestError(f"has no row for '{trailer}'", where=self.manifest, remedy=remedy)
        return "" if self.collection.kind.urls(known) else "the manifest has no link"

    def fingerprint(self, trailer: str) -> str:
        return self.collection.kind.fingerprint(self.collection.urls(trailer))

    def existing(self, trailer: str) -> LedgerRow | None:
        return self.collection.existing(trailer)

    def read(self, trailer: str) -> LedgerRow:
        receipt = read_receipt(self.receipt_path(trailer))
        known = [fact for fact in self.facts if fact in receipt.facts]  # earlier versions recorded fewer
        return ledger_row(receipt, self.name, self.folder, known)

    def make(self, trailer: str) -> LedgerRow:
        return self.collection.make(trailer)

    def make_all(self, trailers: Sequence[str], work: Work) -> None:
        if trailers and self.effort.cookies is not None:
            _ = self.collection.client.downloader  # reports a bad cookies file once, not once per trailer
        super().make_all(trailers, work)

    def check(self, trailer: str) -> None:
        self.read(trailer)
        path = self.receipt_path(trailer)
        receipt = read_receipt(path)
        if receipt.status == DEAD:
            return
        file = source_of(path, receipt)
        size, promised = file.stat().st_size if file.is_file() else None, receipt.facts.get("bytes")
        if size is None:
            raise StoreError("does not exist, but its receipt does", where=file, remedy=f"Remove {path}.")
        if size != promised:
            raise StoreError(
                f"has {size:,} bytes, but its receipt says {promised:,}", where=file, remedy=f"Remove {path}."
            )

    def check_digests(self, trailer: str) -> None:
        path = self.receipt_path(trailer)
        receipt = read_receipt(path)
        if receipt.status == OK and sha256_of(source_of(path, receipt)) != receipt.sha256:
            where = source_of(path, receipt)
            raise StoreError("its sha256 is not the one in its receipt", where=where, remedy=f"Remove {path}.")

    def forget(self, trailer: str) -> None:
        """Remove the receipt of a dead trailer; keep it if the trailer has been downloaded since."""
        path = self.receipt_path(trailer)
        if read_receipt(path).status == DEAD:
            remove(path, below=self.layout.root)


class Download(Published):
    """Videos, from the links of the manifest."""

    name, folder, schema = "download", "download", "download/1"
    facts = ("bytes", "duration_s", "width_px", "height_px", "quality")

    def kind(self) -> Kind:
        return videos(self.layout, self.settings)


class PosterDownload(Published):
    """Posters, from the column `poster`."""

    name, folder, schema = "poster download", "posters", "posters/1"
    facts = ("bytes", "width_px", "height_px")

    def kind(self) -> Kind:
        return posters(self.layout)
