"""The stage as it is run, on the corpus of odd videos and on ordinary ones."""

import argparse
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from corpus import CASES, P420, WOVEN, Case, Video, chart, ffmpeg
from trailers.errors import ConfigError, StoreError, TrailerError, VideoError
from trailers.stages import normalise
from trailers.stages.normalise import Effort, Settings, share_of_frames, workers
from trailers.store.fingerprint import sha256_of
from trailers.store.frames import open_frames
from trailers.store.layout import Layout
from trailers.store.ledger import DEAD, OK, read_ledger
from trailers.store.receipt import Receipt, write_receipt
from trailers.video import Converted, Probe, VideoFrames, ffmpeg_path, read_fingerprint

SETTINGS = Settings(short_side=256, crf=18, gop=24, min_share=0.95, max_hours=4)
EFFORT = Effort(stall_s=60)


class Lab:
    """A results folder, and the stage at work in it."""

    def __init__(self, root):
        self.layout = Layout(root)

    def put(self, source, trailer="t", mark="m"):
        """Take ``source`` as if it had been downloaded."""
        receipt = self.layout.receipt(trailer)
        receipt.parent.mkdir(parents=True, exist_ok=True)
        video = receipt.with_name(trailer + source.suffix)
        video.write_bytes(source.read_bytes())
        write_receipt(receipt, Receipt(trailer, OK, video.name, sha256_of(video), mark))
        return video

    def make(self, trailer="t", **changes):
        return workers(self.layout, replace(SETTINGS, **changes), EFFORT)[1](trailer)

    def settled(self, trailer="t", **changes):
        return workers(self.layout, replace(SETTINGS, **changes), EFFORT)[0](trailer)

    def small(self, trailer="t", limit=500):
        with open_frames(self.layout.frames(trailer)) as frames:
            return frames.read(0, min(limit, len(frames)))

    def large(self, trailer="t", limit=500):
        with VideoFrames(self.layout.video(trailer)) as frames:
            return frames.batch(range(min(limit, len(frames))))

    def files(self):
        folder = self.layout.root / "normalise"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path / "results")


def quarters(frames):
    """Mean colour (4, frames, 3) of the inner quarters: top left, top right, bottom left, bottom right."""
    height, width = frames.shape[1:3]
    rows = [slice(height // 8, height * 3 // 8), slice(height * 5 // 8, height * 7 // 8)]
    columns = [slice(width // 8, width * 3 // 8), slice(width * 5 // 8, width * 7 // 8)]
    return np.array([[frames[:, row, column].mean((1, 2))] for row in rows for column in columns]).squeeze(1)


def counted(frames):
    """Which frame of the chart, modulo 20, each of ``frames`` shows."""
    return np.rint((quarters(frames)[3].mean(1) - 40) / 8).astype(int).tolist()


# Every odd video.


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.name, marks=[pytest.mark.slow] * case.slow) for case in CASES]
)
def test_an_odd_video_is_right_or_refused_in_one_sentence(lab, tmp_path, case: Case):
    lab.put(case.make(tmp_path))
    if case.refused:
        with pytest.raises(VideoError) as refusal:
            lab.make()
        assert case.refused in str(refusal.value)
        assert "\n" not in str(refusal.value)
        assert lab.files() == []
        return
    row = lab.make()
    assert {key: row.facts[key] for key in case.facts} == dict(case.facts)
    assert lab.settled() == row
    assert lab.files() == ["t.frames.h5", "t.mp4"]
    for frames in (lab.small(), lab.large()):
        for seen, wanted in zip(quarters(frames), case.colours, strict=False):
            assert wanted is None or np.abs(seen - wanted).max() <= case.tolerance


def test_the_corpus_has_no_two_cases_of_one_name():
    assert len({case.name for case in CASES}) == len(CASES)


# Which source frame is shown when.


@pytest.mark.parametrize(
    ("fps", "frames", "shown"),
    [
        # 24/25 of n, rounded: frames 12 and 13 both fall on 12, and 37 and 38 on 36; the later is shown.
        ("25", 50, [n for n in range(50) if n not in (12, 37)]),
        # 0, 0.8, 1.6, 2.4, 3.2 -> 0, 1, 2, 2, 3: of every five the third is left out.
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


def test_time_goes_on_where_the_size_changes(lab, tmp_path):
    lab.put(next(case for case in CASES if case.name == "the size changes half-way").make(tmp_path))
    lab.make()
    assert counted(lab.large()) == [n % 20 for n in [*range(24), *range(24)]]


def test_the_comb_of_interlaced_video_is_gone(lab, tmp_path):
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


# Exactness.


def plain_reference(path, *filters):
    """The frames as the reference of TransNet V2 has ffmpeg make them."""
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
def test_detection_sees_the_same_bytes_as_the_reference(lab, tmp_path, options):
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


# What is settled.


@pytest.fixture
def made(lab, tmp_path):
    lab.put(Video("v.mp4")(tmp_path))
    lab.make()
    return lab


def test_the_same_bytes_downloaded_again_redo_nothing(made):
    row = made.settled()
    made.put(made.layout.receipt("t").with_name("t.mp4"), mark="another way to get it")
    assert made.settled() == row is not None


def test_another_video_is_not_settled(made, tmp_path):
    made.put(Video("w.mp4", frames=30)(tmp_path))
    assert made.settled() is None


@pytest.mark.parametrize("change", [{"crf": 20}, {"short_side": 128}, {"short_side": None}, {"gop": 12}])
def test_another_setting_is_not_settled(made, change):
    assert made.settled(**change) is None


def test_the_fingerprint_is_in_both_files(made):
    mark = made.settled().fingerprint
    assert read_fingerprint(made.layout.video("t")) == mark
    with open_frames(made.layout.frames("t")) as frames:
        assert frames.attributes["fingerprint"] == mark
        assert frames.attributes["video_sha256"] == sha256_of(made.layout.video("t"))


def test_a_cut_off_mp4_is_made_again(made):
    video, row = made.layout.video("t"), made.settled()
    whole = video.read_bytes()
    video.write_bytes(whole[:-100])
    assert made.settled() is None
    assert made.make() == row
    assert video.read_bytes() == whole


def test_a_cut_off_frames_file_is_made_again(made):
    frames = made.layout.frames("t")
    frames.write_bytes(frames.read_bytes()[:-100])
    with pytest.raises(StoreError, match="is damaged"):
        made.settled()


def test_a_missing_mp4_is_made_again(made):
    made.layout.video("t").unlink()
    assert made.settled() is None


# Settings.


def test_the_short_side_may_stay_as_it_is(lab, tmp_path):
    lab.put(Video("v.mp4", P420, width=640, height=360, frames=12)(tmp_path))
    facts = lab.make(short_side=None).facts
    assert (facts["width_px"], facts["height_px"]) == (640, 360)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"crf": 52}, "normalise.crf is 0 to 51, got 52"),
        ({"short_side": 8}, "normalise.short_side is at least 16, or null, got 8"),
        ({"gop": 0}, "normalise.gop is at least 1, got 0"),
        ({"min_share": 1.5}, "normalise.min_share is 0 to 1, got 1.5"),
        ({"max_hours": 0}, "normalise.max_hours is above 0, got 0"),
    ],
)
def test_a_setting_ffmpeg_would_refuse_is_refused_before_any_video(change, words):
    with pytest.raises(ConfigError, match=words):
        replace(SETTINGS, **change)


def test_key_frames_stand_exactly_every_gop(lab, tmp_path):
    import av

    lab.put(Video("v.mp4", P420, frames=50)(tmp_path))
    lab.make(gop=12)
    with av.open(str(lab.layout.video("t"))) as container:
        keys = [number for number, frame in enumerate(container.decode(video=0)) if frame.key_frame]
    assert keys == [0, 12, 24, 36, 48]


def test_damage_is_accepted_as_far_as_the_settings_say(lab, tmp_path):
    lab.put(next(case for case in CASES if case.name == "50% of v.mkv").make(tmp_path))
    assert lab.make(min_share=0.4).facts["frames"] == 116


def test_a_video_that_would_be_too_long_is_refused(lab, tmp_path):
    lab.put(Video("v.mp4", P420, frames=30, fps="1")(tmp_path))
    with pytest.raises(VideoError, match=r"more than 0\.005 h at 24 fps"):
        lab.make(max_hours=0.005)
    assert lab.files() == []


# The share of frames.

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


# The run.


def arguments(lab, *words):
    parser = argparse.ArgumentParser()
    normalise.add_flags(parser)
    return parser.parse_args([*words, "--results", str(lab.layout.root)])


def test_a_shard_goes_on_past_a_video_that_is_none(lab, tmp_path):
    lab.put(Video("v.mp4")(tmp_path), "good")
    (tmp_path / "text.mp4").write_bytes(b"not a video\n" * 99)
    lab.put(tmp_path / "text.mp4", "bad")
    (tmp_path / "shard.txt").write_text("bad\ngood\n")
    ledger = tmp_path / "ledger.tsv"
    words = ["--shard", str(tmp_path / "shard.txt"), "--ledger", str(ledger)]
    normalise.run(arguments(lab, *words))
    rows = read_ledger(ledger)
    assert (rows["bad"].status, rows["good"].status) == (DEAD, OK)
    assert "is text and no video" in rows["bad"].error
    assert rows["good"].path == "normalise/good.mp4"
    assert rows["good"].facts["frames"] == 48
    first = ledger.read_bytes()
    made = lab.layout.video("good").stat().st_mtime_ns
    normalise.run(arguments(lab, *words))
    assert ledger.read_bytes() == first
    assert lab.layout.video("good").stat().st_mtime_ns == made


def test_one_trailer_alone(lab, tmp_path):
    lab.put(Video("v.mp4")(tmp_path))
    normalise.run(arguments(lab, "--trailer", "t"))
    assert lab.files() == ["t.frames.h5", "t.mp4"]


def test_a_dead_receipt_says_why(lab):
    receipt = lab.layout.receipt("t")
    receipt.parent.mkdir(parents=True)
    write_receipt(receipt, Receipt("t", DEAD, error="removed: the uploader closed the account"))
    with pytest.raises(TrailerError, match="the uploader closed the account"):
        lab.make()


def test_a_video_that_went_missing_can_be_downloaded_again(lab, tmp_path):
    lab.put(Video("v.mp4")(tmp_path)).unlink()
    with pytest.raises(TrailerError, match="is not there, though its receipt is") as problem:
        lab.make()
    assert not problem.value.dead


def test_the_chart_is_what_the_tests_think():
    frames = chart(22)
    assert frames.shape == (22, 48, 64, 3)
    assert counted(frames) == [*range(20), 0, 1]
