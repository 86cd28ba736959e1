"""Frames and time stamps of a NASA video equal those in torchcodec's test resources."""

from __future__ import annotations

import json
import subprocess

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from trailers.video.frames import VideoFrames
from trailers.video.packets import read_packets
from trailers.video.source import probe

FRAMES = (0, 1, 5, 10, 389)
STREAM = "0:3"  # 480x270; it is not the default stream, so it is extracted


@pytest.fixture(scope="module")
def nasa(anchors):
    return anchors / "nasa"


def copied(source, target, *options):
    """Copy the video stream of the pictures from ``source``, with unchanged packets."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", source, "-map", STREAM, "-c", "copy", *options]
    subprocess.run([*command, target], check=True)
    return target


@pytest.fixture(scope="module")
def video(nasa, tmp_path_factory):
    return copied(nasa / "nasa_13013.mp4", tmp_path_factory.mktemp("nasa") / "one.mp4")


@pytest.fixture(scope="module")
def pictures(nasa):
    return np.stack([np.asarray(Image.open(nasa / f"frame_{number:06}.png").convert("RGB")) for number in FRAMES])


def test_all_frames_and_their_time_stamps_are_found(nasa, video):
    import av

    published = [float(frame["pts_time"]) for frame in json.loads((nasa / "frames.json").read_text())]
    seen = probe(video)
    assert (seen.times.frames, seen.width, seen.height, len(published)) == (390, 480, 270, 390)
    with av.open(video) as container:
        _, times, _ = read_packets(container).streams[0].seconds()
    np.testing.assert_allclose(np.sort(times), published, atol=1e-6)  # published with six decimals


def test_the_reader_of_24_fps_videos_gives_the_published_pictures(nasa, pictures, tmp_path):
    # The same packets on the grid of 24 frames per second, on which this reader finds a frame by its number.
    on_grid = "setts=pts=round(PTS*1250/1001):dts=round(DTS*1250/1001):duration=1250"
    video = copied(nasa / "nasa_13013.mp4", tmp_path / "24.mp4", "-bsf:v", on_grid)
    with VideoFrames(video) as frames:
        assert len(frames) == 390
        assert (frames.batch(FRAMES) == pictures).all()


def test_decord_gives_the_published_pictures_within_its_rounding(video, pictures):
    import decord

    found = decord.VideoReader(str(video), num_threads=1).get_batch(list(FRAMES)).asnumpy()
    # Its scaler rounds in another order when it converts YUV to RGB.
    assert np.abs(found.astype(int) - pictures).max() <= 3
