"""The normalise stage: which products are up to date, its settings and its ledger."""

import argparse
from dataclasses import replace

import pytest

from corpus import CASES, P420, Video
from trailers.errors import ConfigError, StoreError, SystemicError, TrailerError, VideoError
from trailers.stages import normalise
from trailers.store.fingerprint import sha256_of
from trailers.store.frames import open_frames
from trailers.store.ledger import DEAD, OK, read_ledger
from trailers.store.receipt import Receipt, read_receipt, write_receipt
from trailers.video import read_fingerprint
from video_lab import EFFORT, SETTINGS, Lab


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path / "results")


@pytest.fixture
def made(lab, tmp_path):
    lab.put(Video("v.mp4")(tmp_path))
    lab.make()
    return lab


def test_the_same_bytes_downloaded_again_redo_nothing(made):
    row = made.existing()
    made.put(made.layout.receipt("t").with_name("t.mp4"), fingerprint="other settings")
    assert made.existing() == row is not None


def test_another_video_is_outdated(made, tmp_path):
    made.put(Video("w.mp4", frames=30)(tmp_path))
    assert made.existing() is None


@pytest.mark.parametrize("change", [{"crf": 20}, {"short_side": 128}, {"short_side": None}, {"gop": 12}])
def test_another_setting_is_outdated(made, change):
    assert made.existing(**change) is None


def test_the_fingerprint_is_in_both_files(made):
    fingerprint = made.existing().fingerprint
    assert read_fingerprint(made.layout.video("t")) == fingerprint
    with open_frames(made.layout.frames("t")) as frames:
        assert frames.attributes["fingerprint"] == fingerprint
        assert frames.attributes["video_sha256"] == sha256_of(made.layout.video("t"))


def test_a_cut_off_mp4_is_made_again(made):
    video, row = made.layout.video("t"), made.existing()
    whole = video.read_bytes()
    video.write_bytes(whole[:-100])
    with pytest.raises(StoreError, match="bytes, but its frames file says"):
        made.existing()
    assert made.make() == row
    assert video.read_bytes() == whole


def test_a_cut_off_frames_file_is_made_again(made):
    frames = made.layout.frames("t")
    frames.write_bytes(frames.read_bytes()[:-100])
    with pytest.raises(StoreError, match="is damaged"):
        made.existing()


def test_a_missing_mp4_is_made_again(made):
    made.layout.video("t").unlink()
    assert made.existing() is None


def test_with_short_side_null_the_size_is_kept(lab, tmp_path):
    lab.put(Video("v.mp4", P420, width=640, height=360, frames=12)(tmp_path))
    facts = lab.make(short_side=None).facts
    assert (facts["width_px"], facts["height_px"]) == (640, 360)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"crf": 52}, "normalise.crf must be 0 to 51, got 52"),
        ({"short_side": 8}, "normalise.short_side must be at least 16, or null, got 8"),
        ({"gop": 0}, "normalise.gop must be at least 1, got 0"),
        ({"min_share": 1.5}, "normalise.min_share must be 0 to 1, got 1.5"),
        ({"max_hours": 0}, "normalise.max_hours must be above 0, got 0"),
    ],
)
def test_a_setting_that_ffmpeg_would_refuse_is_refused_before_any_video(change, words):
    with pytest.raises(ConfigError, match=words):
        replace(SETTINGS, **change)


def test_there_is_a_key_frame_exactly_every_gop_frames(lab, tmp_path):
    import av

    lab.put(Video("v.mp4", P420, frames=50)(tmp_path))
    lab.make(gop=12)
    with av.open(str(lab.layout.video("t"))) as container:
        keys = [number for number, frame in enumerate(container.decode(video=0)) if frame.key_frame]
    assert keys == [0, 12, 24, 36, 48]


def test_damage_is_accepted_up_to_the_configured_share(lab, tmp_path):
    lab.put(next(case for case in CASES if case.name == "50% of v.mkv").make(tmp_path))
    assert lab.make(min_share=0.4).facts["frames"] == 116


def test_a_video_that_would_be_too_long_is_refused(lab, tmp_path):
    lab.put(Video("v.mp4", P420, frames=30, fps="1")(tmp_path))
    with pytest.raises(VideoError, match=r"more than 0\.005 h at 24 fps"):
        lab.make(max_hours=0.005)
    assert lab.files() == []


def arguments(lab, *words):
    parser = argparse.ArgumentParser()
    normalise.add_flags(parser)
    return parser.parse_args([*words, "--results", str(lab.layout.root)])


def test_a_shard_continues_after_a_file_that_is_not_a_video(lab, tmp_path):
    lab.put(Video("v.mp4")(tmp_path), "good")
    (tmp_path / "text.mp4").write_bytes(b"not a video\n" * 99)
    lab.put(tmp_path / "text.mp4", "bad")
    (tmp_path / "shard.txt").write_text("bad\ngood\n")
    ledger = tmp_path / "ledger.tsv"
    words = ["--shard", str(tmp_path / "shard.txt"), "--ledger", str(ledger)]
    normalise.run(arguments(lab, *words))
    rows = read_ledger(ledger)
    assert (rows["bad"].status, rows["good"].status) == (DEAD, OK)
    assert "is text, not a video" in rows["bad"].error
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


def test_a_dead_trailer_keeps_the_reason_of_its_receipt(lab):
    receipt = lab.layout.receipt("t")
    receipt.parent.mkdir(parents=True)
    write_receipt(receipt, Receipt("t", DEAD, error="removed: the uploader closed the account"))
    with pytest.raises(TrailerError, match="the uploader closed the account"):
        lab.make()


def test_a_video_that_went_missing_can_be_downloaded_again(lab, tmp_path):
    lab.put(Video("v.mp4")(tmp_path)).unlink()
    with pytest.raises(TrailerError, match="does not exist, but its receipt does") as problem:
        lab.make()
    assert not problem.value.dead


def test_a_video_shorter_than_its_site_promised_is_reported(lab, tmp_path):
    lab.put(Video("v.mp4")(tmp_path))
    path = lab.layout.receipt("t")
    write_receipt(path, replace(read_receipt(path), facts={"promised_s": 120.0}))
    assert lab.make().facts["warnings"] == "it lasts 2.0 s, but its site states 120.0 s"


@pytest.mark.parametrize(("promised_s", "is_reported"), [(0.5, True), (0.95, False), (1.6, False)])
def test_a_video_longer_than_its_site_promised_is_reported(lab, tmp_path, promised_s, is_reported):
    lab.put(Video("v.mp4")(tmp_path))
    path = lab.layout.receipt("t")
    write_receipt(path, replace(read_receipt(path), facts={"promised_s": promised_s}))
    words = f"it lasts 2.0 s, but its site states only {promised_s} s: it may be another video"
    assert lab.make().facts.get("warnings") == (words if is_reported else None)


class Recorded:
    """Stands in for the shard loop; ``most`` is the largest number of trailers in work at once."""

    def __init__(self):
        self.rows, self.failed, self.in_work, self.most = {}, {}, set(), 0

    def starts(self, trailer):
        self.in_work.add(trailer)
        self.most = max(self.most, len(self.in_work))

    def record(self, row):
        self.rows[row.trailer] = row
        self.in_work.discard(row.trailer)

    def fail(self, trailer, problem):
        self.failed[trailer] = problem
        self.in_work.discard(trailer)


@pytest.mark.parametrize(("cores", "are_several"), [(2, False), (3, False), (6, True)])
def test_a_job_with_more_cores_makes_several_videos_at_once_with_the_same_bytes(
    lab, made, tmp_path, monkeypatch, cores, are_several
):
    names = ["a", "b", "c", "broken"]
    for name in names[:3]:
        lab.put(made.layout.receipt("t").with_name("t.mp4"), trailer=name)
    (tmp_path / "broken.mp4").write_bytes(b"\0" * 100)
    lab.put(tmp_path / "broken.mp4", trailer="broken")
    monkeypatch.setattr(normalise, "job_cores", lambda: cores)
    work = Recorded()
    normalise.Normalise(lab.layout, (), SETTINGS, EFFORT).make_all(names, work)
    assert sorted(work.rows) == ["a", "b", "c"]
    assert [type(problem) for problem in work.failed.values()] == [VideoError]
    assert (work.most > 1) == are_several
    alone = lab.layout.video("t").read_bytes()
    assert all(lab.layout.video(name).read_bytes() == alone for name in names[:3])
    assert not [name for name in lab.files() if name.startswith("broken") or name.startswith(".tmp")]


def test_a_problem_of_the_machine_also_stops_waiting_trailers(lab, made, tmp_path, monkeypatch):
    names = [f"n{number}" for number in range(8)]
    for name in names:
        lab.put(made.layout.receipt("t").with_name("t.mp4"), trailer=name)
    monkeypatch.setattr(normalise, "job_cores", lambda: 4)
    work = Recorded()

    def stop(*_):
        raise SystemicError("the disk is full")

    work.record = work.fail = stop
    with pytest.raises(SystemicError):
        normalise.Normalise(lab.layout, (), SETTINGS, EFFORT).make_all(names, work)
    assert len([name for name in lab.files() if name.startswith("n") and name.endswith(".mp4")]) < len(names)
