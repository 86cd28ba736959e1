"""The path of every file in the results: results/<stage>/.../<trailer>.<ext>."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from trailers.domain import folder_name


def folder(name: str) -> str:
    """The folder of a strategy or backbone; a wildcard of a rule, such as {backbone}, is kept."""
    return name if re.fullmatch(r"\{\w+\}", name) else folder_name(name)


@dataclass(frozen=True)
class Layout:
    """The paths below one results folder."""

    root: Path

    def candidates(self, title: str) -> Path:
        """The result of a search for one title."""
        return self.root / "search" / f"{title}.json"

    def search_folder(self) -> Path:
        return self.root / "search"

    def receipt(self, trailer: str) -> Path:
        """What was downloaded, or why not; names the video beside it."""
        return self.root / "download" / f"{trailer}.json"

    def download_folder(self) -> Path:
        return self.root / "download"

    def video(self, trailer: str) -> Path:
        """The video at 24 fps."""
        return self.root / "normalise" / f"{trailer}.mp4"

    def frames(self, trailer: str) -> Path:
        """All its frames at 48x27."""
        return self.root / "normalise" / f"{trailer}.frames.h5"

    def shots(self, trailer: str) -> Path:
        return self.root / "shots" / f"{trailer}.csv"

    def scores(self, trailer: str) -> Path:
        """Both heads' transition probabilities."""
        return self.root / "shots" / f"{trailer}.scores.h5"

    def quality(self, trailer: str) -> Path:
        """Flags, the active picture, and fingerprints of pictures."""
        return self.root / "quality" / f"{trailer}.json"

    def duplicates(self) -> Path:
        """Which trailers are copies of each other."""
        return self.root / "quality" / "duplicates.csv"

    def excluded(self) -> Path:
        """Which trailers are not used in training and tests, and why."""
        return self.root / "quality" / "excluded.csv"

    def clips(self, strategy: str, trailer: str) -> Path:
        return self.root / "clips" / strategy / f"{trailer}.csv"

    def embedding(self, strategy: str, backbone: str, trailer: str) -> Path:
        return self.root / "embed" / strategy / folder(backbone) / f"{trailer}.h5"

    def poster_receipt(self, trailer: str) -> Path:
        """The receipt of a poster download; names the image beside it."""
        return self.root / "posters" / f"{trailer}.json"

    def poster_folder(self) -> Path:
        return self.root / "posters"

    def poster(self, backbone: str, trailer: str) -> Path:
        """The vector of a poster."""
        return self.root / "posters" / folder(backbone) / f"{trailer}.h5"

    def pack(self, study: str, strategy: str, backbone: str) -> Path:
        """All embeddings of one study in one file, for training."""
        return self.root / "pack" / study / strategy / f"{folder(backbone)}.h5"

    def experiment(self, name: str, split: int | str) -> Path:
        return self.root / "classify" / name / f"split{split}"

    def report(self, study: str = "") -> Path:
        return self.root / "report" / study / "index.html"

    def zero_shot(self, strategy: str, backbone: str) -> Path:
        """Genre scores of trailers by a backbone that also embeds text."""
        return self.root / "zero-shot" / strategy / f"{folder(backbone)}.csv"

    def pages_folder(self) -> Path:
        return self.root / "pages"

    def page(self, trailer: str) -> Path:
        """The page of a trailer. For a trailer called "index" it has another name, because the list of all is index."""
        name = f"{trailer}.trailer" if trailer.lower() == "index" else trailer
        return self.root / "pages" / f"{name}.html"

    def shot_pictures(self, trailer: str) -> Path:
        """One picture per shot, in one image."""
        return self.root / "pages" / f"{trailer}.jpg"

    def clip_pictures(self, trailer: str) -> Path:
        """Frames of the clips, in one image."""
        return self.root / "pages" / f"{trailer}.clips.jpg"

    def thumbnail(self, trailer: str) -> Path:
        return self.root / "pages" / f"{trailer}.thumb.jpg"

    def page_data(self, trailer: str) -> Path:
        """The data that the page of a trailer shows."""
        return self.root / "pages" / "data" / f"{trailer}.js"

    def page_assets(self) -> Path:
        """Style and scripts of all pages."""
        return self.root / "pages" / "assets"

    def page_index(self, study: str = "") -> Path:
        """The list of all trailers of a study."""
        return self.root / "pages" / study / "index.html"

    def shard(self, shard: str) -> Path:
        return self.root / "shards" / f"{shard}.txt"

    def ledger(self, stage: str, shard: str, *variant: str) -> Path:
        """``variant`` is the clip strategy of clips, the strategy and backbone of embed, the backbone of posters."""
        return self.root.joinpath("ledger", stage, *map(folder, variant), f"{shard}.tsv")

    def attempts(self, stage: str, shard: str, *variant: str) -> Path:
        """Number of runs of a shard that left temporary failures; Snakemake reruns the shard when it increases."""
        return self.root.joinpath("attempts", stage, *map(folder, variant), shard)
