"""Get the videos as published (Sec. 3).

in   rows of the manifest: links, YouTube ids or paths of files, in the order they are tried
out  results/download/{trailer}.json      the receipt: what was got, or why not
     results/download/{trailer}.{suffix}  the video it names, if there is one

With --posters the same for the column `poster`: results/posters/{trailer}.json and the image it names.

A trailer that is removed, private or no video is `dead`: its receipt is a tombstone, and nothing is
asked again until its links change or --retry-dead is given. What may pass (a network, a rate limit)
is `failed` and tried again by the next run, from the byte where it stopped.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from trailers.errors import ConfigError, ImageError, ManifestError, VideoError
from trailers.settings import add_flags as add_setting_flags
from trailers.settings import from_flags, setting
from trailers.stages import shard
from trailers.store.fingerprint import fingerprint
from trailers.store.image import open_image
from trailers.store.layout import Layout
from trailers.store.manifest import read_manifest
from trailers.web.client import Client, Effort
from trailers.web.collect import Collection, Kind, refuse
from trailers.web.formats import IMAGE_SUFFIXES, VIDEO_SUFFIXES, lines
from trailers.web.reasons import LinkError, clean

SCHEMA = "download/1"
POSTERS_SCHEMA = "posters/1"


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


def videos(layout: Layout, settings: Settings) -> Kind:
    def missed(facts: Mapping[str, Any]) -> dict[str, str]:
        height = lines(facts["width_px"], facts["height_px"])
        return shortcomings(settings, duration_s=facts["duration_s"], height=height)

    return Kind(
        stage="download",
        folder=layout.download_folder(),
        suffixes=VIDEO_SUFFIXES,
        refusal="not a video",
        urls=lambda trailer: trailer.urls,
        mark=lambda urls: fingerprint(SCHEMA, settings, *urls),
        look=look_at_video,
        shortcomings=missed,
        accept=partial(accept_duration, settings),
        enforce=settings.enforce_quality,
        facts=("bytes", "duration_s", "width_px", "height_px", "quality"),
        asked={"asked_max_height": settings.max_height},
    )


def posters(layout: Layout) -> Kind:
    return Kind(
        stage="posters",
        folder=layout.poster_folder(),
        suffixes=IMAGE_SUFFIXES,
        refusal="not an image",
        urls=lambda trailer: (trailer.poster,) if trailer.poster else (),
        mark=lambda urls: fingerprint(POSTERS_SCHEMA, {}, *urls),
        look=look_at_image,
        shortcomings=lambda _: {},
        accept=lambda _: None,
        enforce=False,
        facts=("bytes", "width_px", "height_px"),
        asked={},
    )


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
    if settings.enforce_quality:
        refuse(shortcomings(settings, duration_s=duration_s))


def look_at_video(path: Path) -> dict[str, Any]:
    """Raises LinkError when ``path`` is no video."""
    from trailers.video import probe

    try:
        seen = probe(path)
    except VideoError as problem:
        # What to do about it is another matter here: the next link.
        raise LinkError("not a video", clean(str(problem).removeprefix(f"{path}: ").split(". ")[0])) from problem
    return {
        "container": seen.container,
        "codec": seen.codec,
        "fps": round(seen.fps, 3),
        "duration_s": round(seen.duration_s, 3) or None,
        "width_px": seen.width,
        "height_px": seen.height,
    }


def look_at_image(path: Path) -> dict[str, Any]:
    """Raises LinkError when ``path`` is no image that can be read to its end."""
    try:
        image = open_image(path)
    except ImageError as problem:
        raise LinkError("not an image", clean(str(problem).removeprefix(f"{path}: ").split(". ")[0])) from problem
    return {"container": str(image.format), "width_px": image.width, "height_px": image.height}


def add_flags(parser: argparse.ArgumentParser) -> None:
    shard.add_flags(parser)
    parser.add_argument("--manifest", type=Path, required=True, metavar="CSV", help="where the trailers' links stand")
    parser.add_argument(
        "--retry-dead", action="store_true", help="ask again for what was removed, private, not a video"
    )
    parser.add_argument("--posters", action="store_true", help="get the posters of the column `poster` instead")
    add_setting_flags(parser, Settings, "download")
    add_setting_flags(parser, Effort, "download")


def run(arguments: argparse.Namespace) -> None:
    settings, effort = from_flags(Settings, arguments), from_flags(Effort, arguments)
    layout = Layout(arguments.results)
    kind = posters(layout) if arguments.posters else videos(layout, settings)
    work = shard.ShardRun.from_flags(kind.stage, arguments)
    trailers = {trailer.trailer: trailer for trailer in read_manifest(arguments.manifest)}
    for trailer in work.trailers:
        if trailer not in trailers:
            raise ManifestError(f"{arguments.manifest}: has no row for '{trailer}'. Add one, or name another trailer.")
    without = {trailer: "the manifest gives none" for trailer in work.trailers if not kind.urls(trailers[trailer])}
    work.skipped = {**work.skipped, **without}
    client = Client(effort, settings.min_height, settings.max_height, kind.folder / ".cache")
    base = arguments.manifest.parent
    collection = Collection(kind, trailers, base, client, layout.root, retry_dead=arguments.retry_dead)
    wanted = work.to_make(collection.settled)
    if wanted and effort.cookies is not None:
        _ = client.downloader  # a bad cookies file is told once, not once a trailer
    for trailer in wanted:
        work.attempt(trailer, collection.make)
    work.finish()
