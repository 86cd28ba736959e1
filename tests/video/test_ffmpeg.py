"""How an ffmpeg that hangs or dies is handled, and how its log is read."""

import errno
import time
from pathlib import Path

import pytest

from trailers.errors import TrailerError, VideoError
from trailers.video import Log, ffmpeg_path, running


def run_instead(command, log=None, stall_s=20.0):
    log = log or Log()
    with running(command, Path("v.mp4"), log, stall_s, target=Path("w.mp4")) as portions:
        return sum(len(portion) for portion in portions), log


def test_an_ffmpeg_that_hangs_is_stopped_and_may_be_tried_again():
    started = time.monotonic()
    with pytest.raises(TrailerError, match=r"produced nothing for 0\.2 s") as problem:
        run_instead(["sleep", "60"], stall_s=0.2)
    assert not problem.value.dead
    assert time.monotonic() - started < 10


def test_an_ffmpeg_that_hangs_after_its_last_frame_is_stopped():
    with pytest.raises(TrailerError, match=r"produced nothing for 0\.2 s"):
        run_instead(["sh", "-c", "exec >&-; exec sleep 60"], stall_s=0.2)


def test_an_ffmpeg_that_is_killed_may_be_tried_again():
    with pytest.raises(TrailerError, match="killed by signal 9") as problem:
        run_instead(["sh", "-c", "kill -9 $$"])
    assert not problem.value.dead


@pytest.mark.parametrize(
    ("end", "number"),
    [
        ("echo '[mp4 @ 0x1] [error] write: No space left on device' >&2; exit 1", errno.ENOSPC),
        ("echo '[mp4 @ 0x1] [error] write: Disk quota exceeded' >&2; exit 1", errno.EDQUOT),
        ("echo '[out#0] [error] Error opening output file:w.mp4: Read-only file system' >&2; exit 1", errno.EROFS),
        ("echo '[out#0] [error] File too large' >&2; echo '[error] Conversion failed!' >&2; exit 1", errno.EFBIG),
        ("kill -XFSZ $$", errno.EFBIG),
    ],
)
def test_a_full_disk_does_not_make_a_video_dead_and_the_written_file_is_named(end, number):
    with pytest.raises(OSError, match=r"w\.mp4") as problem:
        run_instead(["sh", "-c", end])
    assert (problem.value.errno, problem.value.filename) == (number, "w.mp4")


def test_a_deleted_folder_does_not_make_a_video_dead():
    words = "Error opening output file file:/x/v.mp4: No such file or directory"
    with pytest.raises(TrailerError, match=r"ffmpeg could not write, because the disk is full .*rerun\.") as problem:
        run_instead(["sh", "-c", f"echo '[out#0/mp4 @ 0x1] [error] {words}' >&2; exit 1"])
    assert not problem.value.dead


@pytest.mark.parametrize("words", ["Cannot allocate memory", "Resource temporarily unavailable"])
def test_a_full_memory_does_not_make_a_video_dead(words):
    with pytest.raises(TrailerError, match="ran out of memory or threads") as problem:
        run_instead(["sh", "-c", f"echo '[error] Error: {words}' >&2; exit 244"])
    assert not problem.value.dead


def test_an_ffmpeg_that_fails_is_quoted_without_addresses():
    counts = "5 frames in, 5 frames out; 0 frames dropped, 0 frames duplicated."
    words = f"echo '[h264 @ 0x55] [error] first'; echo '[error] second'; echo '{counts}'"
    with pytest.raises(VideoError, match=r'code 3 \(ffmpeg: "first ... second"\)\. Download it again\.') as problem:
        run_instead(["sh", "-c", f"({words}) >&2; exit 3"])
    assert problem.value.dead


def test_an_incomplete_frame_at_the_end_is_ignored():
    assert run_instead(["head", "-c", str(3888 * 250 + 17), "/dev/zero"])[0] == 250


def test_any_amount_of_log_output_is_read():
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
    with pytest.raises(VideoError, match=r"v\.mp4: 47 frames were received, but ffmpeg made 48"):
        log.converted(Path("v.mp4"), 47, 64, 48)


def test_time_stamps_in_milliseconds_are_not_a_variable_rate():
    log = Log()
    log.take("tb graph 0 input from stream 0:0 [verbose] w:64 tb:1/1000")
    log.take("VFR:0.6 (30/47) min: 41 max: 42 avg: 41")
    log.take("48 frames in, 48 frames out; 0 frames dropped, 0 frames duplicated.")
    assert not log.converted(Path("v.mp4"), 48, 64, 48).is_variable_rate


def test_the_pinned_ffmpeg_is_used():
    assert "imageio_ffmpeg" in ffmpeg_path()
    assert Path(ffmpeg_path()).is_file()
