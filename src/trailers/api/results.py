"""The products in the results folder of a run, by trailer."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from trailers.domain import FPS, Clip, ClipStrategy, Shot, is_safe_id
from trailers.errors import ConfigError, StoreError
from trailers.store.embeddings import read_embedding
from trailers.store.layout import Layout
from trailers.store.spans import CLIPS_SCHEMA, SHOTS_SCHEMA, read_spans
from trailers.video import VideoFrames

# Folders of the products of a trailer, and their suffixes. A trailer with one of these products is in the results.
PRODUCTS = (("normalise", ".mp4"), ("shots", ".csv"), ("clips/*", ".csv"), ("embed/*/*", ".h5"))


def open_results(folder: str | Path = "results") -> Results:
    """The results in ``folder``. Nothing is read yet.

    Raises:
        StoreError: the folder does not exist.
    """
    return Results(Path(folder))


class Results:
    """Shots, clips, vectors and frames of a results folder, by the trailer's id.

        results = trailers.open_results("results")
        vectors = results.vectors("tt0133093", "shot24", "resnet50")

    Every method raises StoreError if a product is missing or damaged, and ConfigError for an invalid name.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise StoreError("is not a folder", where=folder, remedy="Give the path of a results folder of a run.")
        self.layout = Layout(folder)

    def __repr__(self) -> str:
        return f"Results({str(self.layout.root)!r})"

    @property
    def trailers(self) -> list[str]:
        """The ids of all trailers that have a video at 24 fps, shots, clips or vectors; sorted."""
        found: set[str] = set()
        for place, suffix in PRODUCTS:
            for folder in self.layout.root.glob(place):
                names = (path.name for path in folder.glob(f"*{suffix}"))
                found |= {name.removesuffix(suffix) for name in names}
        return sorted(filter(is_safe_id, found))

    @property
    def strategies(self) -> list[str]:
        """The clip strategies that have clips; sorted."""
        return sorted(path.name for path in self.layout.root.glob("clips/*") if path.is_dir())

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The pairs of clip strategy and folder name of the backbone that have vectors; sorted."""
        found = (path for path in self.layout.root.glob("embed/*/*") if path.is_dir())
        return sorted((path.parent.name, path.name) for path in found)

    def shots(self, trailer: str) -> list[Shot]:
        """The shots of a trailer."""
        return read_spans(self.layout.shots(self.checked(trailer)), kind=Shot, schema=SHOTS_SCHEMA)[0]

    def clips(self, trailer: str, strategy: str | None = None) -> list[Clip]:
        """The clips of a trailer; ``strategy`` can be omitted if there is only one."""
        path = self.layout.clips(self.strategy(strategy), self.checked(trailer))
        return read_spans(path, kind=Clip, schema=CLIPS_SCHEMA)[0]

    def vectors(self, trailer: str, strategy: str, backbone: str) -> np.ndarray:
        """float32 (clips, F): a vector per clip, in the order of ``clips``."""
        return read_embedding(self.embedding(trailer, strategy, backbone))[0]

    def embedding(self, trailer: str, strategy: str, backbone: str) -> Path:
        """The file with the vectors; its attributes describe what they were made from."""
        return self.layout.embedding(self.strategy(strategy), backbone, self.checked(trailer))

    def video(self, trailer: str) -> Path:
        """The trailer at 24 fps, an mp4."""
        return self.layout.video(self.checked(trailer))

    def frame(self, trailer: str, number: int) -> np.ndarray:
        """uint8 (height, width, 3), RGB: a frame at 24 fps. Raises IndexError if the trailer has fewer frames."""
        with VideoFrames(self.video(trailer)) as frames:
            image: np.ndarray = frames.batch([number])[0]
            return image

    def clip_frames(self, trailer: str, number: int, strategy: str | None = None) -> np.ndarray:
        """uint8 (frames, height, width, 3), RGB: clip ``number`` at 24 fps, its padding black at the end.

        Raises:
            IndexError: the trailer does not have a clip of this number.
        """
        clips = self.clips(trailer, strategy)
        if not 0 <= number < len(clips):
            raise IndexError(f"{trailer} has clips 0 to {len(clips) - 1}, not {number}")
        clip = clips[number]
        with VideoFrames(self.video(trailer)) as frames:
            images = np.zeros((len(clip), frames.height, frames.width, 3), np.uint8)
            images[: clip.end - clip.start] = frames.batch(range(clip.start, clip.end))
        return images

    def rows(self, strategy: str | None = None) -> Iterator[dict[str, Any]]:
        """One row per clip of every trailer that has clips, for a table; times in frames and in seconds."""
        name = self.strategy(strategy)
        for path in sorted((self.layout.root / "clips" / name).glob("*.csv")):
            if is_safe_id(path.stem):
                for number, clip in enumerate(self.clips(path.stem, name)):
                    yield {
                        "trailer": path.stem, "clip": number, "shot": clip.shot, "start": clip.start, "end": clip.end,
                        "start_s": clip.start / FPS, "end_s": clip.end / FPS, "padding": clip.padding,
                        "frame": clip.frame,
                    }  # fmt: skip

    def strategy(self, name: str | None) -> str:
        """``name``, checked; if it is None, the only strategy that exists. Raises ConfigError."""
        if name is not None:
            return str(ClipStrategy.parse(name))
        found = self.strategies
        if len(found) != 1:
            what = f"{self.layout.root} has clips of {', '.join(found) or 'no strategy'}"
            raise ConfigError(what, remedy="Name the clip strategy, such as shot24.")
        return found[0]

    def checked(self, trailer: str) -> str:
        """``trailer``, after a check that it is an id, because it is used in paths; an error suggests a similar id."""
        if not is_safe_id(trailer):
            raise ConfigError(f"{trailer!r} is not the id of a trailer")
        if not any(any(self.layout.root.glob(f"{place}/{trailer}{suffix}")) for place, suffix in PRODUCTS):
            near = difflib.get_close_matches(trailer, self.trailers, n=1)
            remedy = f"Did you mean {near[0]}?" if near else "`open_results(...).trailers` lists the ids."
            raise StoreError(f"contains no product of '{trailer}'", where=self.layout.root, remedy=remedy)
        return trailer
