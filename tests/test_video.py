"""The video room: hostile names and files, reading by index, ffmpeg that hangs, dies or talks."""

import os
import socket
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus import P420, Video, chart
from trailers.errors import StoreError, TrailerError, VideoError
from trailers.video import (
    Log,
    Probe,
    VideoFrames,
    convert,
    ffmpeg_path,
    frame_counts,
    probe,
    read_fingerprint,
    running,
    size_at,
)

NAMES = [
    "two words.mp4",
    "quote'and\"quote.mp4",
    "line\nbreak.mp4",
    "-i.mp4",
    "--help",
    "%03d.mp4",
    "*.mp4",
    "concat:a|b.mp4",
    "http:example.org.mp4",
    "pipe:0",
    "file:x.mp4",
    "[0:v]null.mp4",
    "a,b;c=d.mp4",
    "\\back.mp4",
    "été – ☃.mp4",
    "mp4",
]


def to_24(source, target, take=lambda frames: None, **changes):
    values = {
        "short_side": 256, "crf": 18, "gop": 24, "max_hours": 4, "fingerprint": "0123456789abcdef", "stall_s": 60
    } | changes  # fmt: skip
    return convert(source, target, take, seen=probe(source), **values)


# Names and disguises.


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_only_a_name(tmp_path, monkeypatch, name):
    made = Video("v.mp4", frames=3)(tmp_path)
    folder = tmp_path / "odd: 'folder'"
    folder.mkdir()
    # From inside the folder the name stands alone, as it would on a command line.
    monkeypatch.chdir(folder)
    source = Path(name)
    made.rename(source)
    assert probe(source).width == 64
    assert to_24(source, Path(f"24 {name}")).frames == 3
    with VideoFrames(Path(f"24 {name}")) as frames:
        assert len(frames) == 3
    assert read_fingerprint(Path(f"24 {name}")) == "0123456789abcdef"
    assert sorted(path.name for path in folder.iterdir()) == sorted([name, f"24 {name}"])


@pytest.fixture
def listening():
    """A port on loopback, and how often something connected to it."""
    calls = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)

        def listen():
            while not done.is_set():
                try:
                    calls.append(server.accept()[0].close())
                except TimeoutError:
                    continue

        done = threading.Event()
        thread = threading.Thread(target=listen)
        thread.start()
        yield server.getsockname()[1], calls
        done.set()
        thread.join()


@pytest.mark.parametrize(
    "content",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{url}/a.ts\n#EXT-X-ENDLIST\n",
        "\ufeff\n#EXTM3U\n#EXTINF:9,\n{file}\n",
        "ffconcat version 1.0\nfile '{file}'\n",
        "<?xml version='1.0'?>\n<MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><BaseURL>{url}</BaseURL></MPD>",
        "[playlist]\nFile1={url}/a.mp4\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
        "{url}/a.mp4\n",
        "<html><video src='{url}/a.mp4'></video></html>",
        "; sneaky\n\x01#EXTM3U\n{url}/a.ts\n",
    ],
)
@pytest.mark.parametrize("suffix", ["mp4", "m3u8"])
def test_what_names_other_files_opens_none_of_them(tmp_path, listening, content, suffix):
    port, calls = listening
    secret = Video("secret.ts", frames=3)(tmp_path)
    path = tmp_path / f"odd.{suffix}"
    path.write_text(content.format(url=f"http://127.0.0.1:{port}", file=secret), encoding="utf-8")
    with pytest.raises(VideoError, match=r"is a playlist|is text|its container is none of|no video that can be read"):
        probe(path)
    assert calls == []


@pytest.mark.parametrize("name", ["nothing there", ".", "pipe"])
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(VideoError, match="is not a file"):
        probe(tmp_path / name)


def test_a_report_file_asked_for_by_the_environment_is_not_written(tmp_path, monkeypatch):
    source = Video("v.mp4", frames=3)(tmp_path)
    monkeypatch.setenv("FFREPORT", f"file={tmp_path}/report.log")
    to_24(source, tmp_path / "24.mp4")
    assert not (tmp_path / "report.log").exists()


def test_the_probe_tells_what_a_download_is_judged_by(tmp_path):
    seen = probe(Video("v.mp4", P420, frames=50, fps="25")(tmp_path))
    assert (seen.width, seen.height, seen.duration_s, seen.fps) == (64, 48, 2.0, 25.0)
    assert (seen.codec, seen.container, seen.first_s) == ("h264", "mov,mp4,m4a,3gp,3g2,mj2", 0.0)


# Sizes.


def seen_as(width, height, aspect="1"):
    return Probe(
        container="", codec="", stream=0, video_streams=1, duration_s=0, is_duration_own=True, fps=24, first_s=0,
        width=width, height=height, pixel_aspect=Fraction(aspect), turn=(), pix_fmt="", is_interlaced=False, matrix="",
        range="", hdr="",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("width", "height", "aspect", "short_side", "size"),
    [
        (1280, 720, "1", 256, (456, 256)),  # 455.1
        (1920, 800, "1", 256, (614, 256)),  # 614.4
        (720, 1280, "1", 256, (256, 456)),
        (480, 204, "1", 256, (480, 204)),  # never enlarged
        (1280, 720, "1", None, (1280, 720)),
        (65, 49, "1", None, (64, 48)),
        (65, 49, "1", 256, (64, 48)),
        (720, 576, "16/15", 256, (342, 256)),  # 720 x 540: 341.3
        (800, 332, "399/400", 256, (616, 256)),  # 798 x 332: 615.3
        (720, 480, "8/9", None, (640, 480)),
        (352, 480, "2", None, (352, 240)),
        (10000, 16, "1", 256, (10000, 16)),
        (16, 16, "1/16", 256, (2, 16)),
    ],
)
def test_sizes_are_even_square_and_never_larger(width, height, aspect, short_side, size):
    assert size_at(seen_as(width, height, aspect), short_side) == size


# Reading by index.


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """60 frames at 24 fps with a key frame every 12, and all of them as decord reads them."""
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


def test_one_reader_goes_back_and_forth(video):
    path, frames = video
    with VideoFrames(path, threads=2) as reader:
        for indices in ([59], [0], range(10, 40), [40], [13, 37, 25, 37], range(60), [11], [12], []):
            assert (reader.batch(indices) == frames[list(indices)]).all()
        assert (len(reader), reader.width, reader.height) == (60, 320, 180)


@pytest.mark.parametrize("width", [16, 32, 48, 62, 64, 66])
def test_narrow_frames_are_whole(tmp_path, width):
    to_24(Video("v.mkv", P420, frames=5, width=width)(tmp_path), tmp_path / "24.mp4")
    with VideoFrames(tmp_path / "24.mp4") as reader:
        frames = reader.batch([4])
    assert frames.shape == (1, 48, width, 3)
    assert np.abs(frames[0].astype(int) - chart(5, width=width)[4]).mean() < 12


@pytest.mark.parametrize("indices", [[60], [-1], [0, 99]])
def test_frames_that_are_not_there_are_an_index_error(video, indices):
    with VideoFrames(video[0]) as reader, pytest.raises(IndexError, match="has frames 0 to 59"):
        reader.batch(indices)


def test_nothing_stays_open(video):
    before = len(os.listdir("/proc/self/fd"))
    threads = len(os.listdir("/proc/self/task"))
    for _ in range(30):
        with VideoFrames(video[0], threads=2) as reader:
            reader.batch([0, 40])
        reader.close()
    assert len(os.listdir("/proc/self/fd")) == before
    assert len(os.listdir("/proc/self/task")) <= threads


def test_a_video_of_another_rate_is_refused(tmp_path):
    with pytest.raises(StoreError, match="not one video stream of 24 frames a second"):
        VideoFrames(Video("v.mp4", P420, frames=5, fps="25")(tmp_path))


def test_a_missing_video_says_what_to_run(tmp_path):
    with pytest.raises(StoreError, match="Run the stage normalise first"):
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


def test_after_damage_the_other_frames_are_still_right(video, tmp_path):
    path, data = tmp_path / "24.mp4", video[0].read_bytes()
    path.write_bytes(data[: int(len(data) * 0.7)])
    with VideoFrames(path) as reader:
        with pytest.raises(StoreError, match="is damaged"):
            reader.batch([59])
        assert (reader.batch([14, 3]) == video[1][[14, 3]]).all()


def test_both_readers_count_the_same(video):
    assert frame_counts(video[0]) == {"PyAV": 60, "decord": 60}


def test_no_threads_are_refused(video):
    with pytest.raises(ValueError, match="at least one thread"):
        VideoFrames(video[0], threads=0)


def test_importing_the_room_loads_no_decoder():
    words = "import sys, trailers.video; print({'av', 'decord', 'ffmpeg', 'imageio_ffmpeg'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# ffmpeg that hangs, dies or talks.


def run_instead(command, log=None, stall_s=20.0):
    log = log or Log()
    with running(command, Path("v.mp4"), log, stall_s) as portions:
        return sum(len(portion) for portion in portions), log


def test_an_ffmpeg_that_hangs_is_stopped_and_may_be_tried_again():
    started = time.monotonic()
    with pytest.raises(TrailerError, match=r"gave nothing for 0\.2 s") as problem:
        run_instead(["sleep", "60"], stall_s=0.2)
    assert not problem.value.dead
    assert time.monotonic() - started < 10


def test_an_ffmpeg_that_hangs_after_its_last_frame_is_stopped():
    with pytest.raises(TrailerError, match=r"gave nothing for 0\.2 s"):
        run_instead(["sh", "-c", "exec >&-; exec sleep 60"], stall_s=0.2)


def test_an_ffmpeg_that_is_killed_may_be_tried_again():
    with pytest.raises(TrailerError, match="stopped from outside by signal 9") as problem:
        run_instead(["sh", "-c", "kill -9 $$"])
    assert not problem.value.dead


def test_a_full_disk_is_not_the_videos_fault():
    with pytest.raises(OSError, match="No space left on device"):
        run_instead(["sh", "-c", "echo '[mp4 @ 0x1] [error] write: No space left on device' >&2; exit 1"])


def test_a_quota_that_is_used_up_is_not_the_videos_fault():
    with pytest.raises(OSError, match="uota exceeded"):
        run_instead(["sh", "-c", "echo '[mp4 @ 0x1] [error] write: Disk quota exceeded' >&2; exit 1"])


def test_a_folder_that_went_is_not_the_videos_fault():
    words = "Error opening output file file:/x/v.mp4: No such file or directory"
    with pytest.raises(TrailerError, match=r"ffmpeg found no place to write to .*Run again\.") as problem:
        run_instead(["sh", "-c", f"echo '[out#0/mp4 @ 0x1] [error] {words}' >&2; exit 1"])
    assert not problem.value.dead


@pytest.mark.parametrize("words", ["Cannot allocate memory", "Resource temporarily unavailable"])
def test_a_full_memory_is_not_the_videos_fault(words):
    with pytest.raises(TrailerError, match="ran out of memory or threads") as problem:
        run_instead(["sh", "-c", f"echo '[error] Error: {words}' >&2; exit 244"])
    assert not problem.value.dead


def test_an_ffmpeg_that_fails_is_quoted_without_addresses():
    counts = "5 frames in, 5 frames out; 0 frames dropped, 0 frames duplicated."
    words = f"echo '[h264 @ 0x55] [error] first'; echo '[error] second'; echo '{counts}'"
    with pytest.raises(VideoError, match=r'code 3 \(ffmpeg: "first ... second"\)\. Download it again\.') as problem:
        run_instead(["sh", "-c", f"({words}) >&2; exit 3"])
    assert problem.value.dead


def test_what_is_not_a_whole_frame_at_the_end_is_left_out():
    assert run_instead(["head", "-c", str(3888 * 250 + 17), "/dev/zero"])[0] == 250


def test_any_amount_of_words_is_read():
    frames, log = run_instead(["sh", "-c", "yes '[x @ 0x1] [error] again and again' | head -n 200000 >&2"])
    assert frames == 0
    assert log.complaints == ["again and again"] * 5


def test_the_counts_are_read_from_ffmpegs_log():
    log = Log()
    for line in [
        "[Parsed_fps_3 @ 0x1] [verbose] 0 frames in, 0 frames out; 0 frames dropped, 0 frames duplicated.",
        "[graph 0 input from stream 0:0 @ 0x2] [verbose] w:64 h:48 pixfmt:yuv420p tb:1/1000 fr:25/1 sar:1/1",
        "[vist#0:0/h264 @ 0x1] [dec:h264 @ 0x2] [warning] corrupt decoded frame",
        "[Parsed_fps_3 @ 0x1] [verbose] 52 frames in, 48 frames out; 6 frames dropped, 2 frames duplicated.",
        "[Parsed_vfrdet_0 @ 0x1] [info] VFR:0.5 (20/40) min: 33 max: 1042 avg: 41",
        "[in#0] [verbose]   Input stream #0:0 (video): 53 packets read (9 bytes); 52 frames decoded; 1 decode errors; ",
    ]:
        log.take(line)
    made = log.converted(Path("v.mp4"), 48, 64, 48)
    assert (made.frames, made.frames_dropped, made.frames_duplicated) == (48, 6, 2)
    assert (made.source_frames, made.decode_errors, made.frames_corrupt) == (52, 1, 1)
    assert (made.is_variable_rate, made.longest_gap_s) == (True, 1.042)


def test_a_video_whose_counts_disagree_fails_by_name():
    log = Log()
    log.take("[verbose] 50 frames in, 48 frames out; 2 frames dropped, 0 frames duplicated.")
    with pytest.raises(VideoError, match=r"v\.mp4: detection got 47 frames where ffmpeg made 48"):
        log.converted(Path("v.mp4"), 47, 64, 48)


def test_the_clock_of_milliseconds_is_no_variable_rate():
    log = Log()
    log.take("tb graph 0 input from stream 0:0 [verbose] w:64 tb:1/1000")
    log.take("VFR:0.6 (30/47) min: 41 max: 42 avg: 41")
    log.take("48 frames in, 48 frames out; 0 frames dropped, 0 frames duplicated.")
    assert not log.converted(Path("v.mp4"), 48, 64, 48).is_variable_rate


def test_the_pinned_ffmpeg_is_used():
    assert "imageio_ffmpeg" in ffmpeg_path()
    assert Path(ffmpeg_path()).is_file()
