"""Which source frame is shown at which position of the grid, and with which bytes."""

import subprocess

import numpy as np
import pytest

from corpus import CASES, P420, WOVEN, Video, ffmpeg
from trailers.video import ffmpeg_path
from video_lab import counted


@pytest.mark.parametrize(
    ("fps", "frames", "shown"),
    [
        # 24/25 of n, rounded: frames 12 and 13 both get position 12, and 37 and 38 get 36; the later is shown.
        ("25", 50, [n for n in range(50) if n not in (12, 37)]),
        # 0, 0.8, 1.6, 2.4, 3.2 -> 0, 1, 2, 2, 3: the third of every five frames is left out.
        ("30", 20, [0, 1, 3, 4, 5, 6, 8, 9, 10, 11, 13, 14, 15, 16, 18, 19]),
        # 0, 2.4, 4.8, 7.2, 9.6 -> 0, 2, 5, 7, 10.
        ("10", 5, [0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 4, 4]),
    ],
)
def test_the_grid_of_24_fps_shows_the_nearest_frame(lab, tmp_path, fps, frames, shown):
    lab.put(Video("v.mp4", P420, frames=frames, fps=fps)(tmp_path))
    lab.make()
    assert counted(lab.small()) == [n % 20 for n in shown]
    assert counted(lab.large()) == [n % 20 for n in shown]


def test_a_gap_shows_the_frame_before_it(lab, tmp_path):
    lab.put(next(case for case in CASES if case.name == "a gap of a second").make(tmp_path))
    lab.make()
    assert counted(lab.small()) == [n % 20 for n in [*range(24), *[23] * 24, *range(24, 48)]]


def test_times_continue_after_a_change_of_size(lab, tmp_path):
    lab.put(next(case for case in CASES if case.name == "the size changes half-way").make(tmp_path))
    lab.make()
    assert counted(lab.large()) == [n % 20 for n in [*range(24), *range(24)]]


def test_interlaced_video_is_deinterlaced(lab, tmp_path):
    fields = np.full((96, 48, 64, 3), 30, np.uint8)
    for number, field in enumerate(fields):
        at = number % 12 * 4
        field[:, at : at + 12] = 220
    path = tmp_path / "v.ts"
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x48", "-r", "48", "-i", "pipe:0"]
    ffmpeg(*raw, *WOVEN.split(), path, data=fields.tobytes())

    def comb(frames):
        frames = frames.astype(int)
        return np.abs(frames[:, 2:-2:2] - (frames[:, 1:-3:2] + frames[:, 3:-1:2]) // 2).mean()

    raw = subprocess.run(
        [ffmpeg_path(), "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
        capture_output=True,
        check=True,
    )
    before = np.frombuffer(raw.stdout, np.uint8).reshape(-1, 48, 64, 3)
    lab.put(path)
    lab.make()
    assert comb(lab.large()) < comb(before) / 4


def plain_reference(path, *filters):
    """The frames as the reference code of TransNet V2 makes them with ffmpeg."""
    command = [
        ffmpeg_path(),
        "-v",
        "error",
        "-i",
        path,
        *filters,
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-s",
        "48x27",
        "-",
    ]
    return np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, np.uint8).reshape(
        -1, 27, 48, 3
    )


@pytest.mark.parametrize("options", [P420, f"{P420} -colorspace bt709", "-c:v mpeg4 -qscale:v 2"])
def test_frames_for_detection_have_the_same_bytes_as_in_the_reference_code(lab, tmp_path, options):
    source = Video("v.mkv", options, width=320, height=180)(tmp_path)
    lab.put(source)
    lab.make()
    assert (lab.small() == plain_reference(source)).all()


@pytest.mark.parametrize(
    ("name", "frames", "dropped"), [("sintel_trailer_480x204.mp4", 1252, 0), ("sintel_clip_848x480_25fps.mp4", 626, 26)]
)
def test_real_videos_keep_their_frames(lab, shared_data, name, frames, dropped):
    source = shared_data / "videos" / name
    lab.put(source)
    row = lab.make()
    assert (row.facts["frames"], row.facts["frames_dropped"], row.facts["frames_duplicated"]) == (frames, dropped, 0)
    filters = ["-vf", "setpts=PTS-STARTPTS,fps=24"] if dropped else []
    assert (lab.small(limit=frames) == plain_reference(source, *filters)).all()


def test_the_same_video_gives_the_same_bytes(lab, tmp_path):
    source = Video("v.mp4", P420, frames=60, width=320, height=180)(tmp_path)
    for trailer in ("a", "b"):
        lab.put(source, trailer)
        lab.make(trailer)
    assert lab.layout.video("a").read_bytes() == lab.layout.video("b").read_bytes()
    assert (lab.small("a") == lab.small("b")).all()
