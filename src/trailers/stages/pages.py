"""Write one page per trailer, with a picture of every shot and frames of every clip (Sec. 5, 7.1).

in   results/normalise/{trailer}.mp4, .frames.h5   the 24 fps video and its record
     results/shots/{trailer}.csv, .scores.h5       start, end; both heads' transition probabilities
     results/clips/{clips}/{trailer}.csv           shot, start, end, padding, frame
out  results/pages/{trailer}.jpg                   one picture per shot
     results/pages/{trailer}.clips.jpg             first, representative and last frame of every clip
     results/pages/{trailer}.thumb.jpg             a thumbnail
     results/pages/{trailer}.html                  the page, with a checksum of each picture
     results/pages/assets/                         style and scripts shared by all pages

A page depends only on its own trailer. Its title, neighbours and predictions come from results/pages/data/{trailer}.js,
which ``browse`` writes together with the list of all trailers.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trailers.domain import FPS, Clip, ClipStrategy, Shot
from trailers.errors import ConfigError, StoreError
from trailers.machine.watchdog import alive
from trailers.pages import rendering, timeline, words
from trailers.pages.choice import frames_of_clips, frames_of_shots, most_varied
from trailers.pages.sheets import Sheet, halved, make_sheet, tile_size
from trailers.settings import add_flags as add_setting_flags
from trailers.settings import from_flags, setting
from trailers.stages import shard
from trailers.stages.stage import Stage, check_owner
from trailers.store.atomic import atomic, refuse_links, write_text
from trailers.store.fingerprint import fingerprint, sha256_of
from trailers.store.frames import open_frames
from trailers.store.layout import Layout
from trailers.store.ledger import LedgerRow
from trailers.store.scores import read_scores
from trailers.store.spans import CLIPS_SCHEMA, SHOTS_SCHEMA, read_header, read_spans
from trailers.video import VideoFrames

SCHEMA = "pages/1"
REMEDY = "Remove it and rerun the pages stage."
THUMBNAIL_BYTES = 6000
SHOTS_SHARE = 0.42  # share of the largest size of a page that the pictures of shots may take
DATA_BYTES = 40_000  # reserved for the data that ``browse`` adds to a page
CLIP_BYTES = 24  # per clip, in the text of a page
BLOCK = 64  # frames that are read between two calls of ``alive``


@dataclass(frozen=True)
class Settings:
    """options that change the pages"""

    picture_px: int = setting("height of the picture of a shot in px, a multiple of 32")
    largest_kb: int = setting("maximum size of a page with its pictures, in kB")

    def __post_init__(self) -> None:
        if self.picture_px < 32 or self.picture_px % 32:
            raise ConfigError(f"pages.picture_px: {self.picture_px} is not a multiple of 32. The default is 96.")
        if self.largest_kb < 50:
            raise ConfigError(f"pages.largest_kb: {self.largest_kb} is too small for a page. The default is 400.")


@dataclass(frozen=True)
class Shown:
    """Settings from other sections of config.yaml that a page shows."""

    strategies: tuple[str, ...]  # clip strategies, in the order of the page
    threshold: float  # of transition probabilities
    head: str  # single or many


@dataclass(frozen=True, eq=False)
class Inputs:
    """The products from which a page is made."""

    facts: Mapping[str, Any]  # about the 24 fps video
    shots: Sequence[Shot]
    clips: Mapping[str, Sequence[Clip]]  # by strategy
    single: np.ndarray  # float32 (frames,), transition probabilities
    many: np.ndarray


def add_flags(parser: argparse.ArgumentParser) -> None:
    shard.add_flags(parser)
    parser.add_argument(
        "--clips", nargs="+", type=ClipStrategy.parse, required=True, help="clip strategies, such as shot24"
    )
    parser.add_argument(
        "--threshold", type=float, required=True, help="threshold of the shots stage, drawn in the plot"
    )
    parser.add_argument("--head", required=True, help="head of the shots stage, named in the plot")
    add_setting_flags(parser, Settings, "pages")


def run(arguments: argparse.Namespace) -> None:
    layout = Layout(arguments.results)
    stage = Pages(layout, (), from_flags(Settings, arguments))
    stage.show(Shown(tuple(map(str, arguments.clips)), arguments.threshold, arguments.head))
    rendering.write_assets(layout.page_assets(), below=layout.root)
    shard.run_stage(stage, arguments)


class Pages(Stage):
    """The page of a trailer and its pictures."""

    name, folder, schema = "pages", "pages", SCHEMA
    settings: Settings
    shown: Shown | None = None  # set by ``show``

    def show(self, shown: Shown) -> None:
        """Set what to show; before this call, the stage can only read and check products."""
        self.shown = shown

    @property
    def strategies(self) -> tuple[str, ...]:
        return self.shown.strategies if self.shown else ()

    def variants(self, axes: Sequence[str]) -> list[tuple[str, ...]]:
        return [(name,) for name in self.strategies] if tuple(axes) == ("clips",) else super().variants(axes)

    def products(self, trailer: str) -> tuple[Path, ...]:
        layout = self.layout
        pictures = layout.shot_pictures(trailer), layout.clip_pictures(trailer), layout.thumbnail(trailer)
        return *pictures, layout.page(trailer)

    def inputs(self, trailer: str) -> tuple[Path, ...]:
        layout = self.layout
        clips = (layout.clips(name, trailer) for name in self.strategies)
        own = layout.video(trailer), layout.frames(trailer), layout.scores(trailer), layout.shots(trailer)
        return *own, *clips

    def shared(self) -> tuple[Path, ...]:
        index = self.layout.page_index()
        return index, index.with_suffix(".js")

    def fingerprint(self, trailer: str) -> str:
        assert self.shown is not None
        layout, shown = self.layout, asdict(self.shown)
        shots = read_header(layout.shots(trailer), schema=SHOTS_SCHEMA)
        clips = [read_header(layout.clips(name, trailer), schema=CLIPS_SCHEMA) for name in self.strategies]
        inputs = [shots["frames_fingerprint"], *(header["fingerprint"] for header in (shots, *clips))]
        return fingerprint(SCHEMA, {**asdict(self.settings), "shown": shown}, *inputs)

    def stored_fingerprint(self, trailer: str) -> str:
        return str(rendering.read_page(self.layout.page(trailer)).get("fingerprint"))

    def read(self, trailer: str) -> LedgerRow:
        path = self.layout.page(trailer)
        data = rendering.read_page(path)
        check_owner(trailer, data, path)
        for file, sheet in zip(self.products(trailer), data["sheets"], strict=False):
            check_picture(file, sheet)
        return self.row_of(trailer, data)

    def row_of(self, trailer: str, data: Mapping[str, Any]) -> LedgerRow:
        pictures = sum(len(sheet["frames"]) for sheet in data["sheets"][:2])
        facts = {"shots": len(data["shots"]), "pictures": pictures, "thumbnail_frame": data["sheets"][2]["frames"][0]}
        return self.row(trailer, str(data["fingerprint"]), facts)

    def make(self, trailer: str) -> LedgerRow:
        wanted, seen = self.fingerprint(trailer), self.read_inputs(trailer)
        sheets, colours = self.make_sheets(trailer, seen)
        files = self.products(trailer)
        for file, sheet in zip(files, sheets, strict=False):
            refuse_links(file, below=self.layout.root)
            with atomic(file) as temporary:
                temporary.write_bytes(sheet.data)
        described = [sheet.described(file.name) for file, sheet in zip(files, sheets, strict=False)]
        data = {**self.data_of(trailer, seen), "fingerprint": wanted, "sheets": described, "colours": colours}
        refuse_links(files[-1], below=self.layout.root)
        write_text(files[-1], rendering.sealed(rendering.render("trailer.html.j2", self.page_of(trailer, seen, data))))
        return self.row_of(trailer, data)

    def read_inputs(self, trailer: str) -> Inputs:
        """Everything except pictures. Raises StoreError if a product is missing or damaged, or of another video."""
        layout = self.layout
        with open_frames(layout.frames(trailer)) as frames:
            facts = dict(frames.attributes)
        shots, header = read_spans(layout.shots(trailer), kind=Shot, schema=SHOTS_SCHEMA)
        scores, _ = read_scores(layout.scores(trailer))
        clips = {
            name: read_spans(layout.clips(name, trailer), kind=Clip, schema=CLIPS_SCHEMA)[0] for name in self.strategies
        }
        if header.get("frames_fingerprint") != facts.get("fingerprint") or len(scores) != facts.get("frames"):
            raise StoreError(
                "was made from frames that have changed since", where=layout.shots(trailer),
                remedy="Rerun snakemake to make it again.",
            )  # fmt: skip
        return Inputs(facts, shots, clips, scores.single, scores.many)

    def make_sheets(self, trailer: str, seen: Inputs) -> tuple[tuple[Sheet, Sheet, Sheet], Mapping[str, Any]]:
        """Pictures of shots, pictures of clips and the thumbnail; and the colours of the trailer over time."""
        settings = self.settings
        of_shots, of_clips = frames_of_shots(seen.shots, seen.clips), frames_of_clips(seen.clips)
        wanted = np.unique([*of_shots, *of_clips])
        with VideoFrames(self.layout.video(trailer)) as video:
            size = tile_size(video.width, video.height, tile_px=settings.picture_px)
            pictures = read_pictures(video, wanted, size)
        shots = pictures[np.searchsorted(wanted, of_shots)]
        small = halved(pictures)
        clips = small[np.searchsorted(wanted, of_clips)]
        best, largest = most_varied(shots), settings.largest_kb * 1000
        of_all = make_sheet(shots, of_shots, most_bytes=round(SHOTS_SHARE * largest))
        thumbnail = make_sheet(shots[best : best + 1], of_shots[best : best + 1], most_bytes=THUMBNAIL_BYTES)
        room = largest - len(of_all.data) - len(thumbnail.data) - DATA_BYTES - text_bytes(seen, len(wanted))
        return (
            of_all,
            make_sheet(clips, of_clips, most_bytes=max(room, 0)),
            thumbnail,
        ), timeline.colours(small, wanted)

    def data_of(self, trailer: str, seen: Inputs) -> dict[str, Any]:
        """The data that the script of the page draws."""
        assert self.shown is not None
        video = Path("..", *self.layout.video(trailer).relative_to(self.layout.root).parts)
        return {
            "schema": SCHEMA,
            "trailer": trailer,
            "fps": FPS,
            "frames": len(seen.single),
            "size": [int(seen.facts["width_px"]), int(seen.facts["height_px"])],
            "video": video.as_posix(),
            "shots": [[shot.start, shot.end] for shot in seen.shots],
            "clips": {
                name: [[clip.shot, clip.start, clip.end, clip.padding, clip.frame] for clip in clips]
                for name, clips in seen.clips.items()
            },
            "threshold": self.shown.threshold,
            "head": self.shown.head,
            "single": timeline.curve(seen.single),
            "many": timeline.curve(seen.many),
        }

    def page_of(self, trailer: str, seen: Inputs, data: Mapping[str, Any]) -> dict[str, Any]:
        """The values of the names in the template."""
        assert self.shown is not None
        lengths = [len(shot) for shot in seen.shots]
        clips = [
            words.clip_sentence(name, len(clips), sum(clip.padding > 0 for clip in clips))
            for name, clips in seen.clips.items()
        ]
        return {
            "trailer": trailer,
            "data": data,
            "data_file": f"data/{self.layout.page_data(trailer).name}",
            "stages": {
                "normalise": words.normalise_sentences(seen.facts),
                "shots": words.shot_sentences(lengths, head=self.shown.head, threshold=self.shown.threshold),
                "clips": clips,
            },
            "warnings": [text for text in str(seen.facts.get("warnings", "")).split("; ") if text],
        }


def check_picture(path: Path, sheet: Mapping[str, Any]) -> None:
    """Raise StoreError unless the picture at ``path`` is the one that its page describes."""
    if not path.is_file():
        raise StoreError("does not exist, but its page does", where=path, remedy=REMEDY)
    if sha256_of(path) != sheet["sha256"]:
        raise StoreError("its sha256 is not the one in its page", where=path, remedy=REMEDY)


def text_bytes(seen: Inputs, pictures: int) -> int:
    """Estimated size of the text of a page in bytes."""
    curves = 2 * min(len(seen.single), timeline.MOST_VALUES) * 4 // 3
    return 9000 + curves + CLIP_BYTES * sum(map(len, seen.clips.values())) + 16 * len(seen.shots) + 16 * pictures


def read_pictures(video: VideoFrames, frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """uint8 (frames, height, width, 3): the frames in the size of tiles; ``size`` is (width, height)."""
    width, height = size
    parts = []
    for start in range(0, len(frames), BLOCK):
        alive()
        parts.append(video.batch(frames[start : start + BLOCK], width_px=width, height_px=height))
    return np.concatenate(parts)
