"""Time stamps that start late, jump, do not advance, are out of order, or are faster than the grid."""

import numpy as np
import pytest

from corpus import CODECS, P420, SOUND, Video, ffmpeg, remux, then
from trailers.errors import VideoError
from trailers.video import probe
from trailers.video.telecine import in_cycles
from video_lab import counted
from video_made import joined, recordings, soft_telecine, without_composition_offsets

VP8 = CODECS[6][1]


def shown(lab):
    return counted(lab.small())


@pytest.mark.parametrize(
    ("name", "options", "offset"),
    [
        ("late.webm", VP8, 4),
        ("late.mkv", P420, 4),
        ("late.mkv", P420, 5000),
        ("late.mp4", P420, 4),
        ("late.mov", P420, 90000),
        ("late.flv", P420, 600),
        ("late.nut", P420, 5000),
        ("late.ts", P420, 95442),  # its clock of 33 bits wraps around
        ("late.mpg", "-c:v mpeg2video -qscale:v 2", 300),
    ],
)
def test_a_video_that_starts_late_keeps_its_length(lab, tmp_path, name, options, offset):
    source = Video(name, f"{options} -output_ts_offset {offset}")(tmp_path)
    assert probe(source).duration_s == pytest.approx(2, abs=0.002)
    lab.put(source)
    facts = lab.make().facts
    assert (facts["frames"], facts["frames_share"], facts["frames_duplicated"]) == (48, 1.0, 0)
    assert shown(lab) == [n % 20 for n in range(48)]


@pytest.mark.parametrize("name", ["late.mkv", "late.mp4", "late.webm"])
def test_a_video_that_starts_later_than_its_sound_keeps_its_length(lab, tmp_path, name):
    codecs = f"{VP8} -c:a libopus" if name.endswith("webm") else f"{P420} -c:a aac"
    video = Video("v.mkv", VP8 if name.endswith("webm") else P420)(tmp_path)
    ffmpeg("-itsoffset", "3", "-i", video, *SOUND.split(), "-map", "0", "-map", "1", *codecs.split(), tmp_path / name)
    lab.put(tmp_path / name)
    facts = lab.make().facts
    assert (facts["frames"], facts["frames_share"]) == (48, 1.0)
    assert "warnings" not in facts


@pytest.mark.parametrize(
    ("suffix", "offsets", "warning"),
    [
        ("ts", [0, 3600], "time stamps jump (+3598.958 s); the jumps are left out"),
        ("ts", [3600, 0], "time stamps jump (-3601.042 s); the jumps are left out"),
        ("ts", [0, 0], "time stamps jump (-1.000 s); the jumps are left out"),
        ("ts", [0, 16], "time stamps jump"),
        ("ts", [0, 90000, 20, 7200, 0], "time stamps jump"),
        ("mpg", [0, 500], "time stamps jump"),
        ("mpg", [500, 0], "time stamps jump"),
    ],
)
def test_joined_recordings_keep_all_their_frames(lab, tmp_path, suffix, offsets, warning):
    lab.put(joined(tmp_path, f"odd.{suffix}", recordings(tmp_path, suffix, offsets)))
    facts = lab.make().facts
    assert (facts["frames"], facts["frames_share"]) == (24 * len(offsets), 1.0)
    assert facts["warnings"].startswith(warning[:16])
    assert shown(lab) == [n % 20 for n in range(24)] * len(offsets)


def stamped(expression):
    return f"-vf settb=1/24000,setpts='{expression}' -fps_mode passthrough -enc_time_base 1/24000 {P420} -bf 0"


@pytest.mark.parametrize("name", ["odd.mp4", "odd.mkv", "odd.mov"])
@pytest.mark.parametrize(
    "expression",
    ["(N/24+gte(N,24)*10800)/TB", "(N/24+gte(N,47)*12600)/TB", "(N/24+gte(N,16)*60+gte(N,32)*80000)/TB"],
)
def test_one_wrong_time_stamp_does_not_duplicate_frames(lab, tmp_path, name, expression):
    lab.put(Video(name, stamped(expression))(tmp_path))
    facts = lab.make().facts
    assert (facts["frames"], facts["frames_duplicated"], facts["frames_share"]) == (48, 0, 1.0)
    assert "time stamps jump (+" in facts["warnings"]
    assert shown(lab) == [n % 20 for n in range(48)]


@pytest.mark.parametrize("name", ["odd.mp4", "odd.mkv"])
def test_a_last_frame_that_lasts_for_hours_is_shortened(lab, tmp_path, name):
    hours = ("-bsf:v", "setts=duration=if(eq(N\\,47)\\,10800/TB\\,DURATION)")
    lab.put(then(Video(f"v.{name[-3:]}", f"{P420} -bf 0"), remux(*hours))(tmp_path))
    facts = lab.make().facts
    assert (facts["frames"], facts["frames_share"]) == (48, 1.0)
    assert "time stamps jump (+10799.9" in facts["warnings"]


def test_one_damaged_time_in_matroska_does_not_change_the_expected_frames(lab, tmp_path):
    damaged = ("-bsf:v", "setts=pts=if(eq(N\\,20)\\,PTS+864000/TB\\,PTS):dts=DTS")
    # With reordered frames, because only then is the decoding time known to be right.
    reordered = "-c:v libx264 -crf 8 -preset veryfast -bf 2 -pix_fmt yuv420p"
    lab.put(then(Video("v.mkv", reordered), remux(*damaged))(tmp_path))
    facts = lab.make().facts
    assert facts["frames_share"] >= 0.97
    assert abs(facts["frames"] - 48) <= 1


def test_a_recording_that_begins_between_key_frames_is_complete_from_the_first_one(lab, tmp_path):
    data = Video("v.ts", f"{P420} -g 24 -bf 0", frames=72)(tmp_path).read_bytes()
    start = data.index(b"\x47", len(data) // 188 // 8 * 188)
    (tmp_path / "odd.ts").write_bytes(data[start:])
    lab.put(tmp_path / "odd.ts")
    facts = lab.make().facts
    assert facts["frames_share"] == 1.0
    assert facts["frames"] >= 48


def test_a_gap_of_some_seconds_is_kept_and_reported(lab, tmp_path):
    lab.put(Video("odd.mp4", stamped("(N/24+gte(N,24)*3)/TB"))(tmp_path))
    facts = lab.make().facts
    assert (facts["frames"], facts["frames_duplicated"]) == (120, 72)
    assert facts["warnings"] == "no frame for 3.042 s after 0.958 s; the last one is repeated there"


def test_a_variable_rate_is_not_reported_as_a_gap(lab, tmp_path):
    options = f"-vf select='lt(mod(n,12),4)' -fps_mode vfr {VP8}"
    lab.put(Video("odd.webm", options, frames=96)(tmp_path))
    facts = lab.make().facts
    assert (facts["source_frames"], facts["frames_dropped"], facts["variable_rate"]) == (32, 0, True)
    assert "warnings" not in facts


def test_an_ogg_file_with_a_long_last_frame_keeps_its_frames(lab, tmp_path):
    expression = "-vf setpts='PTS+eq(N,47)*20/TB' -fps_mode passthrough -c:v libtheora -qscale:v 10"
    lab.put(Video("odd.ogv", expression)(tmp_path))
    facts = lab.make().facts
    assert (facts["source_frames"], facts["frames_share"]) == (48, 1.0)
    assert facts["frames"] <= 48


def test_frames_that_a_container_hides_because_its_clock_went_back_are_counted_as_expected(lab, tmp_path):
    options = f"{P420} -g 24 -bf 0 -movflags +frag_keyframe+empty_moov+default_base_moof"
    first = Video("a.mp4", options)(tmp_path).read_bytes()
    second = Video("b.mp4", options, frames=72)(tmp_path).read_bytes()
    lab.put(joined(tmp_path, "odd.mp4", [first, second[second.index(b"moof") - 4 :]]))
    with pytest.raises(VideoError, match=r"80\.0% .*24 cut off or hidden"):
        lab.make()
    assert "24 frames are hidden by the container: time stamps go back" in lab.make(min_share=0.5).facts["warnings"]


def test_frames_with_equal_time_stamps_are_counted_as_expected(lab, tmp_path):
    source = Video("odd.nut", stamped("min(N,24)/(24*TB)+max(N-24,0)*2"))(tmp_path)
    lab.put(source)
    with pytest.raises(VideoError, match=r"23 with the time stamp of the frame before") as problem:
        lab.make()
    assert "of its frames could be decoded without errors" in str(problem.value)


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.ts", "film.flv"])
def test_film_at_23976_drops_and_duplicates_no_frame(lab, tmp_path, name):
    lab.put(Video(name, f"{P420} -bf 2", frames=720, fps="24000/1001", width=16, height=16)(tmp_path))
    facts = lab.make().facts
    assert (facts["frames"], facts["frames_duplicated"], facts["frames_dropped"]) == (720, 0, 0)
    assert counted(lab.small(limit=720)) == [n % 20 for n in range(720)]


def test_softly_telecined_film_drops_and_duplicates_no_frame(lab, tmp_path):
    lab.put(soft_telecine(tmp_path, "film.vob", frames=720))
    facts = lab.make().facts
    assert (facts["frames"], facts["frames_duplicated"], facts["frames_dropped"]) == (720, 0, 0)
    assert facts["frames_share"] == 1.0


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("name", ["film.mp4", "film.mkv"])
@pytest.mark.parametrize("fps", ["24", "24000/1001"])
def test_film_without_composition_offsets_drops_and_duplicates_no_frame(lab, tmp_path, codec, name, fps):
    lab.put(without_composition_offsets(tmp_path, name, codec, frames=96, fps=fps))
    facts = lab.make().facts
    assert (facts["frames"], facts["frames_duplicated"], facts["frames_dropped"]) == (96, 0, 0)
    assert shown(lab) == [n % 20 for n in range(96)]


def moving(seconds, *filters):
    return ["-f", "lavfi", "-i", ",".join([f"testsrc2=s=320x192:r=24000/1001:d={seconds}", *filters])]


INTERLACED = {
    "odd.mp4": "-c:v libx264 -crf 12 -preset ultrafast -flags +ildct+ilme -x264-params tff=1",
    "odd.ts": "-c:v mpeg2video -qscale:v 2 -flags +ildct+ilme",
}


@pytest.mark.parametrize("name", INTERLACED)
def test_every_frame_of_telecined_film_is_restored(lab, tmp_path, name):
    path = tmp_path / name
    ffmpeg(*moving(4, "telecine=pattern=23:first_field=top", "setfield=tff"), *INTERLACED[name].split(), path)
    ffmpeg(*moving(4), "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "48x27", tmp_path / "film.rgb")
    film = np.fromfile(tmp_path / "film.rgb", np.uint8).reshape(-1, 27, 48, 3).astype(int)
    lab.put(path)
    facts = lab.make().facts
    assert facts["frames"] - len(film) in (-1, 0, 1)
    assert (facts["frames_duplicated"], facts["frames_dropped"]) == (0, 0)
    assert "telecined film" in facts["warnings"]
    made = lab.small().astype(int)
    nearest = [int(np.abs(film - frame).mean((1, 2, 3)).argmin()) for frame in made[5:-5]]
    assert (np.diff(nearest) == 1).all()


def telecined(path, *, seconds, filters=(), options=""):
    """Film of ``seconds``, of which ``filters`` may make something else, in MPEG-2 of 29.97 fps without B-frames."""
    source = moving(seconds, *filters, "telecine=pattern=23:first_field=top", "setfield=tff")
    ffmpeg(*source, *INTERLACED["odd.ts"].split(), "-bf", "0", *options.split(), path)
    return path


def test_a_gap_in_telecined_film_is_kept_and_the_frames_around_it_are_the_films(lab, tmp_path):
    whole, path = telecined(tmp_path / "whole.ts", seconds=4), tmp_path / "gap.mkv"
    ffmpeg("-i", whole, "-c", "copy", "-bsf:v", "setts=ts=if(gte(N\\,75)\\,TS+3/TB\\,TS)", path)
    lab.put(path)
    facts = lab.make().facts
    # 120 frames of 29.97 fps are 96 of film; 3.003 s without any are 72 at 24 fps.
    assert (facts["frames"], facts["frames_duplicated"], facts["frames_dropped"]) == (168, 90, 0)
    assert "telecined film" in facts["warnings"]
    lab.put(whole, "whole")
    lab.make("whole")
    made, film = lab.small(), lab.small("whole")
    assert np.abs(np.concatenate([made[:60], made[-36:]]).astype(int) - film).mean() < 1


@pytest.mark.parametrize(
    "filters",
    [
        # Half a second in two moves, the rest is one still picture.
        ["loop=loop=36:size=1:start=12", "loop=loop=36:size=1:start=60", "trim=end_frame=96"],
        ["drawbox=t=fill:color=black:enable='gt(mod(n,48),12)'"],
    ],
)
def test_telecined_film_is_recognised_between_titles_and_black(lab, tmp_path, filters):
    lab.put(telecined(tmp_path / "v.ts", seconds=4, filters=filters))
    facts = lab.make().facts
    assert facts["frames_dropped"] == 0
    assert "telecined film" in facts["warnings"]


def test_telecined_film_before_interlaced_video_is_recognised(lab, tmp_path):
    film = telecined(tmp_path / "film.ts", seconds=1)
    video = "testsrc2=s=320x192:r=60000/1001:d=4,tinterlace=interleave_top,setfield=tff"
    ffmpeg("-f", "lavfi", "-i", video, *INTERLACED["odd.ts"].split(), "-bf", "0", tmp_path / "video.ts")
    lab.put(joined(tmp_path, "both.ts", [film.read_bytes(), (tmp_path / "video.ts").read_bytes()]))
    assert "telecined film" in lab.make().facts["warnings"]


def test_only_cycles_of_five_frames_that_follow_each_other_are_telecine():
    none, top, bottom = "neither", "top", "bottom"
    film = [none, top, none, bottom, none]
    assert in_cycles([top, top, *film, *film, bottom, bottom]) == 10
    assert in_cycles(film * 4) == 20
    assert in_cycles(film + [none] * 5 + film) == 0
    assert in_cycles([top, bottom] * 20) == 0
    assert in_cycles([none, top, none, none, none] * 4) == 0
    assert in_cycles(film[:3]) == 0


def test_interlaced_video_is_not_taken_for_telecined_film(lab, tmp_path):
    path = tmp_path / "odd.ts"
    source = "testsrc2=s=320x192:r=60000/1001:d=2,tinterlace=interleave_top,setfield=tff"
    ffmpeg("-f", "lavfi", "-i", source, *INTERLACED["odd.ts"].split(), path)
    lab.put(path)
    assert "warnings" not in lab.make().facts


@pytest.mark.parametrize(("fps", "name"), [("50", "v.ts"), ("60", "v.mp4"), ("60000/1001", "v.mkv"), ("120", "v.mp4")])
def test_frame_0_is_the_first_frame_at_any_rate(lab, tmp_path, fps, name):
    lab.put(Video(name, P420, frames=60, fps=fps)(tmp_path))
    lab.make()
    assert shown(lab)[0] == 0


@pytest.mark.parametrize(("fps", "name"), [("500", "v.mp4"), ("600", "v.mkv"), ("1000", "v.mp4"), ("2000", "v.mkv")])
def test_a_source_of_hundreds_of_frames_per_second_is_complete(lab, tmp_path, fps, name):
    lab.put(Video(name, P420, frames=500, fps=fps, width=16, height=16)(tmp_path))
    row = lab.make()
    assert row.facts["frames_share"] == 1
    assert "warnings" not in row.facts


def test_frame_0_is_the_first_frame_where_the_rate_starts_fast(lab, tmp_path):
    lab.put(Video("v.mkv", stamped("if(lt(N,4),N/120,(N-3)/24)/TB"), frames=24)(tmp_path))
    lab.make()
    assert shown(lab)[0] == 0


def test_frames_whose_time_goes_back_again_and_again_are_counted(lab, tmp_path):
    plain, path = Video("plain.mkv", f"{P420} -bf 0", frames=120, fps="24")(tmp_path), tmp_path / "v.mkv"
    ffmpeg("-i", plain, "-c", "copy", "-bsf:v", "setts=pts=PTS+mod(N\\,2)*125:dts=DTS", path)
    lab.put(path)
    facts = lab.make().facts
    assert abs(facts["frames"] - 120) <= 1
    assert "time stamps do not follow the order of the frames" in facts["warnings"]


def test_a_video_of_which_no_frame_decodes_is_dead_with_that_reason(lab, tmp_path):
    whole = Video("v.ts", f"{P420} -g 12 -bf 0", frames=48)(tmp_path).read_bytes()
    # Without the headers of its sequence and pictures a decoder knows neither size nor shape.
    lab.put(joined(tmp_path, "v.ts", [whole.replace(b"\x00\x00\x01\x67", b"\x00\x00\x01\x0c")]))
    with pytest.raises(VideoError, match="none of its frames could be decoded") as problem:
        lab.make()
    assert problem.value.reason == "no frames"


@pytest.mark.parametrize(
    ("name", "options", "frames", "fps", "words"),
    [
        ("v.mp4", P420, 1, "24", "is one still picture"),
        ("v.mp4", P420, 1, "1/30", "is one still picture"),
        ("v.gif", "-c:v gif", 1, "24", "is one still picture"),
        ("v.mp4", P420, 2, "1/30", "shows 2 pictures in 60 s: it is a slide show"),
        ("v.mkv", P420, 5, "1/4", "shows 5 pictures in 20 s: it is a slide show"),
    ],
)
def test_a_single_picture_is_dead_with_a_reason(tmp_path, name, options, frames, fps, words):
    with pytest.raises(VideoError, match=words) as problem:
        probe(Video(name, options, frames=frames, fps=fps)(tmp_path))
    assert problem.value.dead


def test_an_excessive_duration_is_refused_before_decoding(lab, tmp_path):
    lab.put(then(Video("v.mkv", P420, frames=30, fps="1"), remux())(tmp_path))
    with pytest.raises(VideoError, match=r"more than 0\.005 h at 24 fps"):
        lab.make(max_hours=0.005)
