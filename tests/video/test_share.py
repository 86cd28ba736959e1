"""The share of its frames that a video delivered."""

from dataclasses import replace

import pytest

from trailers.stages.normalise import share_of_frames
from trailers.video import Converted, Probe

SEEN = Probe(
    container="matroska,webm", codec="h264", stream=0, video_streams=1, duration_s=10, is_duration_own=True, fps=25,
    first_s=0, width=640, height=360, pixel_aspect=1, turn=(), pix_fmt="yuv420p", is_interlaced=False, matrix="bt709",
    range="limited", hdr="",
)  # fmt: skip
MADE = Converted(
    frames=240, frames_duplicated=0, frames_dropped=10, source_frames=250, decode_errors=0, frames_corrupt=0,
    complaints=(), is_cut_short=False, is_variable_rate=False, longest_gap_s=0, width=456, height=256,
)  # fmt: skip


@pytest.mark.parametrize(
    ("seen", "made", "share"),
    [
        ({}, {}, 1),
        ({}, {"source_frames": 200, "decode_errors": 50}, 0.8),
        ({}, {"frames_corrupt": 25}, 0.9),
        ({}, {"frames": 119}, 0.5),
        ({"is_duration_own": False}, {"frames": 119}, 1),
        ({"duration_s": 0}, {"frames": 119}, 1),
        ({}, {"source_frames": 125}, 1),
        ({}, {"source_frames": 125, "complaints": ("something",)}, 0.5),
        # The sound goes on for as long again, and ffmpeg has something to say.
        ({"is_duration_own": False, "duration_s": 20}, {"complaints": ("something",)}, 1),
        (
            {"is_duration_own": False, "duration_s": 20},
            {"complaints": ("it ended prematurely",), "is_cut_short": True},
            0.5,
        ),
        ({"fps": 0}, {"source_frames": 125, "complaints": ("something",)}, 1),
        ({}, {"source_frames": 10, "frames_corrupt": 10}, 0),
    ],
)
def test_the_worst_witness_of_damage_counts(seen, made, share):
    assert share_of_frames(replace(SEEN, **seen), replace(MADE, **made)) == share
