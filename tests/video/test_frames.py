"""Reading the frames of a 24 fps video by index."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus import P420, Video, chart
from trailers.errors import StoreError
from trailers.video import VideoFrames, frame_counts
from video_lab import to_24


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """A video of 60 frames at 24 fps with a key frame every 12 frames, and its frames as decord reads them."""
    import decord

    folder = tmp_path_factory.mktemp("video")
    source = Video("v.mkv", P420, frames=60, width=320, height=180)(folder)
    path = folder / "24.mp4"
    to_24(source, path, gop=12)
    return path, decord.VideoReader(str(path)).get_batch(range(60)).asnumpy()


@settings(max_examples=30)
@given(indices=st.lists(st.integers(0, 59), max_size=12))
def test_any_indices_give_what_decord_gives(video, indices):
    path, frames = video
    with VideoFrames(path) as reader:
        assert (reader.batch(indices) == frames[indices]).all()


def test_one_reader_reads_in_any_order(video):
    path, frames = video
    with VideoFrames(path, threads=2) as reader:
        for indices in ([59], [0], range(10, 40), [40], [13, 37, 25, 37], range(60), [11], [12], []):
            assert (reader.batch(indices) == frames[list(indices)]).all()
        assert (len(reader), reader.width, reader.height) == (60, 320, 180)


@pytest.mark.parametrize("width", [16, 32, 48, 62, 64, 66])
def test_narrow_frames_are_read_without_padding(tmp_path, width):
    to_24(Video("v.mkv", P420, frames=5, width=width)(tmp_path), tmp_path / "24.mp4")
    with VideoFrames(tmp_path / "24.mp4") as reader:
        frames = reader.batch([4])
    assert frames.shape == (1, 48, width, 3)
    assert np.abs(frames[0].astype(int) - chart(5, width=width)[4]).mean() < 12


@pytest.mark.parametrize("indices", [[60], [-1], [0, 99]])
def test_indices_outside_the_video_are_an_index_error(video, indices):
    with VideoFrames(video[0]) as reader, pytest.raises(IndexError, match="has frames 0 to 59"):
        reader.batch(indices)


def test_closed_readers_leave_no_open_files_or_threads(video):
    before = len(os.listdir("/proc/self/fd"))
    threads = len(os.listdir("/proc/self/task"))
    for _ in range(30):
        with VideoFrames(video[0], threads=2) as reader:
            reader.batch([0, 40])
        reader.close()
    assert len(os.listdir("/proc/self/fd")) == before
    assert len(os.listdir("/proc/self/task")) <= threads


def test_a_video_of_another_rate_is_refused(tmp_path):
    with pytest.raises(StoreError, match="one video stream of 24 frames per second"):
        VideoFrames(Video("v.mp4", P420, frames=5, fps="25")(tmp_path))


def test_the_message_for_a_missing_video_names_the_stage_to_run(tmp_path):
    with pytest.raises(StoreError, match="Run the normalise stage first"):
        VideoFrames(tmp_path / "24.mp4")


@pytest.mark.parametrize("share", [0, 0.05, 0.5, 0.99])
def test_a_cut_off_video_is_damaged(video, tmp_path, share):
    path, data = tmp_path / "24.mp4", video[0].read_bytes()
    path.write_bytes(data[: int(len(data) * share)])

    def read():
        with VideoFrames(path) as reader:
            reader.batch(range(60))

    with pytest.raises(StoreError, match="is damaged"):
        read()


def test_frames_that_are_read_after_a_damaged_one_are_right(video, tmp_path):
    path, data = tmp_path / "24.mp4", video[0].read_bytes()
    path.write_bytes(data[: int(len(data) * 0.7)])
    with VideoFrames(path) as reader:
        with pytest.raises(StoreError, match="is damaged"):
            reader.batch([59])
        assert (reader.batch([14, 3]) == video[1][[14, 3]]).all()


def test_both_readers_count_the_same(video):
    assert frame_counts(video[0]) == {"PyAV": 60, "decord": 60}


def test_zero_threads_are_refused(video):
    with pytest.raises(ValueError, match="at least one thread"):
        VideoFrames(video[0], threads=0)


def test_importing_the_package_loads_no_decoder():
    words = "import sys, trailers.video; print({'av', 'decord', 'ffmpeg', 'imageio_ffmpeg'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
