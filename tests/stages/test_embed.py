"""The stage embed: what a shard run makes, shares, leaves alone and refuses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from trailers.__main__ import main
from trailers.domain import Clip
from trailers.store.embeddings import read_embedding
from trailers.store.layout import Layout
from trailers.store.ledger import OK, SKIPPED, write_ledger
from trailers.store.ledger import Row as LedgerRow
from trailers.store.spans import CLIPS_SCHEMA, write_spans
from trailers.video import VideoFrames, encode_frames

SHARD = "s0000"

# A 2D and a 3D network small enough for every test. Vectors are means of brightness, so that what
# a clip must give can be worked out from its frames.
OWN = """
from trailers.backbones.row import Row, Transform, Weights

def build(three):
    import torch
    class Means(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(4))
        def forward(self, x):
            x = x.mean(dim=(1, -1, -2))          # (N,) or (N, T): brightness of each frame
            x = x[:, None] if x.ndim == 1 else x
            return torch.stack([x.mean(1), x[:, 0], x[:, -1], x.max(1).values], dim=1) * self.scale
    return Means()

transform = Transform((16, 16), (16, 16), (0.0, 0.0, 0.0), (1 / 255,) * 3)
flat = Row("", "own", "flat", 2, 4, transform, Weights("made up", "means.pth"), make=lambda: build(False), batch_cpu=5)
weights = Weights("made up", "means.pth")
deep = Row("", "own", "deep", 3, 4, transform, weights, None, make=lambda: build(True), batch_cpu=3)
"""


def shot_strategy_clips() -> list[Clip]:
    return [
        Clip(0, 0, 8, 0, 3),
        Clip(0, 8, 12, 4, 9),
        Clip(1, 12, 20, 0, 19),
        Clip(1, 20, 28, 0, 20),
        Clip(2, 30, 31, 7),
    ]


class House:
    """A results folder with trailers at 24 fps and their clips."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.layout = Layout(folder / "results")
        (folder / "mine.py").write_text(OWN)
        self.backbones = [f"{folder / 'mine.py'}:flat", f"{folder / 'mine.py'}:deep"]

    def add(self, trailer: str, *, frames: int = 36, strategy: str = "shot8", clips: Sequence[Clip] = ()) -> None:
        if not self.layout.video(trailer).exists():
            seed = sum(trailer.encode())
            levels = [np.full((32, 48, 3), (seed + 5 * n) % 200 + 16, np.uint8) for n in range(frames)]
            encode_frames(self.layout.video(trailer), levels, width_px=48, height_px=32, fps=24, fingerprint="0" * 16)
        header = {"trailer": trailer, "frames": frames, "fingerprint": f"{strategy}-{trailer}"}
        path = self.layout.clips(strategy, trailer)
        write_spans(path, clips or shot_strategy_clips(), kind=Clip, header=header, schema=CLIPS_SCHEMA)

    def shard(self, *trailers: str, strategies: Sequence[str] = ("shot8",), skipped: Sequence[str] = ()) -> None:
        path = self.layout.shard(SHARD)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{trailer}\n" for trailer in trailers))
        for strategy in strategies:
            rows = [LedgerRow(t, SKIPPED, error="gone") if t in skipped else LedgerRow(t, OK) for t in trailers]
            write_ledger(self.layout.ledger("clips", SHARD, strategy), rows)

    def ledger(self, backbone: str, strategy: str = "shot8") -> Path:
        return self.layout.ledger("embed", SHARD, strategy, backbone)

    def embed(
        self,
        *flags: str,
        strategies: Sequence[str] = ("shot8",),
        backbones: Sequence[str] = (),
        pairs=None,
        one: str = "",
    ) -> int:
        backbones = backbones or self.backbones
        ledgers = [str(self.ledger(b, s)) for s in strategies for b in backbones if pairs is None or (s, b) in pairs]
        which = ["--trailer", one] if one else ["--shard", str(self.layout.shard(SHARD)), "--ledger", *ledgers]
        return main(
            [
                "embed", *which, "--results", str(self.layout.root), "--clips", *strategies, "--backbones", *backbones,
                "--random-weights", "true", "--precision", "float32", "--device", "cpu", *flags,
            ]
        )  # fmt: skip

    def files(self) -> dict[Path, tuple[int, bytes]]:
        found = (self.layout.root / "embed").rglob("*.h5")
        return {path.relative_to(self.layout.root): (path.stat().st_mtime_ns, path.read_bytes()) for path in found}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def brightness(house: House, trailer: str) -> np.ndarray:
    """float64 (frames,): mean level of each frame as decoded."""
    with VideoFrames(house.layout.video(trailer)) as video:
        return video.batch(range(len(video))).mean(axis=(1, 2, 3))


def test_vectors_are_those_of_the_frames_of_each_clip(house: House) -> None:
    house.add("alpha")
    house.shard("alpha")
    assert house.embed() == 0
    level = brightness(house, "alpha")

    flat, clips, _ = read_embedding(house.layout.embedding("shot8", house.backbones[0], "alpha"))
    np.testing.assert_allclose(flat[:, 0], level[[3, 9, 19, 20, 30]], atol=0.5)

    deep, clips, _ = read_embedding(house.layout.embedding("shot8", house.backbones[1], "alpha"))
    assert clips.tolist() == [[0, 0, 8, 0], [0, 8, 12, 4], [1, 12, 20, 0], [1, 20, 28, 0], [2, 30, 31, 7]]
    np.testing.assert_allclose(deep[:, 1], level[[0, 8, 12, 20, 30]], atol=0.5)  # first frame
    np.testing.assert_allclose(
        deep[:, 2], [level[7], 0, level[19], level[27], 0], atol=0.5
    )  # last frame; padding is black
    means = [level[0:8].mean(), level[8:12].sum() / 8, level[12:20].mean(), level[20:28].mean(), level[30] / 8]
    np.testing.assert_allclose(deep[:, 0], means, atol=0.5)


def test_a_lower_frame_rate_shows_every_kth_frame(house: House) -> None:
    clips = [Clip(0, 0, 8, 0, 4), Clip(0, 8, 13, 3, 12)]
    house.add("alpha", strategy="shot8-fps6", clips=clips)
    house.shard("alpha", strategies=["shot8-fps6"])
    assert house.embed(strategies=["shot8-fps6"], backbones=house.backbones[1:]) == 0
    vectors, _, attributes = read_embedding(house.layout.embedding("shot8-fps6", house.backbones[1], "alpha"))
    level = brightness(house, "alpha")
    # Step 4: frames 0 and 4; 8 and 12, where 13 to 15 are padding that is never shown.
    np.testing.assert_allclose(vectors[:, 0], [level[[0, 4]].mean(), level[[8, 12]].mean()], atol=0.5)
    assert (attributes["frames_a_clip"], attributes["fps"]) == (2, 6)
