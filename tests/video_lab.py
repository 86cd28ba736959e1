"""A results folder in which the normalise stage is run, and helpers that read its frames."""

from dataclasses import replace
from fractions import Fraction

import numpy as np

from trailers.stages.normalise import Effort, Normalise, Settings
from trailers.store.fingerprint import sha256_of
from trailers.store.frames import open_frames
from trailers.store.layout import Layout
from trailers.store.ledger import OK
from trailers.store.receipt import Receipt, write_receipt
from trailers.video import Probe, VideoFrames, convert, probe
from trailers.video.colours import Colours
from trailers.video.timeline import Timeline

SETTINGS = Settings(short_side=256, crf=18, gop=24, min_share=0.95, max_hours=4)
EFFORT = Effort(stall_s=60)


class Lab:
    """A results folder in which the stage is run."""

    def __init__(self, root):
        self.layout = Layout(root)

    def put(self, source, trailer="t", fingerprint="m"):
        """Add ``source`` as if it had been downloaded."""
        receipt = self.layout.receipt(trailer)
        receipt.parent.mkdir(parents=True, exist_ok=True)
        video = receipt.with_name(trailer + source.suffix)
        video.write_bytes(source.read_bytes())
        write_receipt(receipt, Receipt(trailer, OK, video.name, sha256_of(video), fingerprint))
        return video

    def make(self, trailer="t", **changes):
        return Normalise(self.layout, (), replace(SETTINGS, **changes), EFFORT).make(trailer)

    def existing(self, trailer="t", **changes):
        return Normalise(self.layout, (), replace(SETTINGS, **changes), EFFORT).existing(trailer)

    def small(self, trailer="t", limit=500):
        with open_frames(self.layout.frames(trailer)) as frames:
            return frames.read(0, min(limit, len(frames)))

    def large(self, trailer="t", limit=500):
        with VideoFrames(self.layout.video(trailer)) as frames:
            return frames.batch(range(min(limit, len(frames))))

    def files(self):
        folder = self.layout.root / "normalise"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def quarters(frames):
    """Mean colour (4, frames, 3) of the inner quarters: top left, top right, bottom left, bottom right."""
    height, width = frames.shape[1:3]
    rows = [slice(height // 8, height * 3 // 8), slice(height * 5 // 8, height * 7 // 8)]
    columns = [slice(width // 8, width * 3 // 8), slice(width * 5 // 8, width * 7 // 8)]
    return np.array([[frames[:, row, column].mean((1, 2))] for row in rows for column in columns]).squeeze(1)


def counted(frames):
    """The number of the chart's frame, modulo 20, that each of ``frames`` shows."""
    return np.rint((quarters(frames)[3].mean(1) - 40) / 8).astype(int).tolist()


def to_24(source, target, take=lambda frames: None, **changes):
    values = {
        "short_side": 256, "crf": 18, "gop": 24, "max_hours": 4, "fingerprint": "0123456789abcdef", "stall_s": 60
    } | changes  # fmt: skip
    return convert(source, target, take, seen=probe(source), **values)


TIMES = Timeline(
    frames=250, frames_hidden=0, first_s=0.0, end_s=10.0, length_s=10.0, step_s=0.04, jump_s=10.0, jumps_s=(),
    gap_s=0.0, gap_at_s=0.0, frames_in_gaps=0, is_film=False, is_unordered=False, starts_fast=False,
    frames_crowded=0, aspects=(),
)  # fmt: skip
SEEN = Probe(
    container="matroska,webm", codec="h264", stream=0, video_streams=1, times=TIMES, frames_cut_off=0, fps=25,
    width=640, height=360, pixel_aspect=Fraction(1), turn=(), pix_fmt="yuv420p", is_interlaced=False, matrix="bt709",
    range="limited", colours=Colours("bt709", "", "bt2020nc", (), ()),
)  # fmt: skip
