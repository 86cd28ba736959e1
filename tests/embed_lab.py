"""A results folder with generated trailers and their clips, and two small networks, for tests of the embed stage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trailers.__main__ import main
from trailers.domain import Clip
from trailers.store.layout import Layout
from trailers.store.ledger import OK, SKIPPED, LedgerRow, write_ledger
from trailers.store.spans import CLIPS_SCHEMA, write_spans
from trailers.video import VideoFrames, encode_frames

SHARD = "s0000"

# A small 2D and a small 3D network. Vectors are means of brightness, so that the expected vector of a clip can be
# computed from its frames.
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


class Results:
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

    def words(
        self,
        *flags: str,
        strategies: Sequence[str] = ("shot8",),
        backbones: Sequence[str] = (),
        pairs: Sequence[tuple[str, str]] | None = None,
        one: str = "",
    ) -> list[str]:
        """The command line that makes ``pairs``, or all pairs."""
        backbones = backbones or self.backbones
        ledgers = [str(self.ledger(b, s)) for s in strategies for b in backbones if pairs is None or (s, b) in pairs]
        which = ["--trailer", one] if one else ["--shard", str(self.layout.shard(SHARD)), "--ledger", *ledgers]
        what = ["--results", str(self.layout.root), "--clips", *strategies, "--backbones", *backbones]
        options = ["--random-weights", "true", "--precision", "float32", "--device", "cpu"]
        return ["embed", *which, *what, *options, *flags]

    def embed(self, *flags: str, **which: Any) -> int:
        return main(self.words(*flags, **which))

    def files(self) -> dict[Path, tuple[int, bytes]]:
        found = (self.layout.root / "embed").rglob("*.h5")
        return {path.relative_to(self.layout.root): (path.stat().st_mtime_ns, path.read_bytes()) for path in found}


def brightness(results: Results, trailer: str) -> np.ndarray:
    """float64 (frames,): mean level of each decoded frame."""
    with VideoFrames(results.layout.video(trailer)) as video:
        return video.batch(range(len(video))).mean(axis=(1, 2, 3))
