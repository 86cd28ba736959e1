"""Which format is taken, what the words of a site mean, how long is waited."""

from __future__ import annotations

import signal
import time

import pytest

from trailers.errors import DownloadError
from trailers.web import client, formats, reasons
from trailers.web.formats import choose_format, lines


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((854, 480), 480),
        ((854, 356), 480),  # wide trailers keep the width
        ((848, 352), 480),  # encoders cut widths to multiples of 16
        ((640, 480), 480),
        ((480, 854), 480),
        ((1280, 720), 720),
        ((1280, 536), 720),
        ((1920, 800), 1080),
        ((480, 204), 272),
        ((None, 360), 360),
        ((None, None), 0),
    ],
)
def test_lines_are_counted_as_sites_do(size, expected):
    assert lines(*size) == expected


def offer(name: str, height: int | None, **more):
    given = {"format_id": name, "height": height, "vcodec": "avc1", "acodec": "none", "protocol": "https"}
    return {**given, "url": "https://host/video", "fps": 24, **more}


FORMATS = [
    ([offer("a", 360), offer("b", 480), offer("c", 720), offer("d", 1080)], "c"),
    ([offer("a", 360), offer("b", 1080), offer("c", 2160)], "b"),  # at least 480p where there is one
    ([offer("a", 144), offer("b", 360)], "b"),
    ([offer("a", None)], "a"),
    ([offer("a", 800, width=1920), offer("b", 534, width=1280)], "b"),
    ([offer("a", 720, fps=60), offer("b", 720, fps=30)], "b"),
    ([offer("a", 720, dynamic_range="HDR10", tbr=9), offer("b", 720, tbr=1)], "b"),
    ([offer("a", 720, vcodec="av01", tbr=9), offer("b", 720, tbr=1)], "b"),
    ([offer("a", 720, protocol="m3u8_native", tbr=9), offer("b", 720, tbr=1)], "b"),
    ([offer("a", 720, acodec="mp4a", tbr=9), offer("b", 720, tbr=1)], "b"),
    ([offer("a", 720, tbr=1), offer("b", 720, tbr=2)], "b"),
    ([offer("a", 720), offer("b", 720)], "b"),  # of all equals what yt-dlp holds best
    ([offer("a", 360), offer("b", 720, has_drm=True)], "a"),
    ([offer("a", 360), offer("b", 720, protocol="rtmp")], "a"),
    ([offer("a", 360), offer("b", 720, url="ftp://host/video")], "a"),
    ([offer("a", None, vcodec="none", acodec="mp4a")], None),
    ([], None),
]


@pytest.mark.parametrize(("formats", "expected"), FORMATS)
def test_the_format_that_is_taken(formats, expected):
    chosen = choose_format(formats, min_height=480, max_height=720)
    assert (chosen and chosen["format_id"]) == expected


MESSAGES = [
    ("Private video. Sign in if you've been granted access to this video", "private"),
    ("Sign in to confirm your age. This video may be inappropriate for some users.", "age"),
    ("Sign in to confirm you’re not a bot. Use --cookies-from-browser", "bot check"),
    ("Video unavailable. This video has been removed by the uploader", "removed"),
    ("Video unavailable. This video is no longer available because the account has been terminated", "removed"),
    ("Video unavailable", "not found"),
    ("This video is not available", "not found"),
    ("The uploader has not made this video available in your country", "geo"),
    ("Video unavailable. The current session has been rate-limited by YouTube for up to an hour", "rate limited"),
    ("Join this channel to get access to members-only content like this video", "private"),
    ("Requested format is not available. Use --list-formats", "not a video"),
    ("Premieres in 5 hours", "other"),
    ("Unable to extract player response", "other"),
]


@pytest.mark.parametrize(("words", "expected"), MESSAGES)
def test_reasons_behind_the_words_of_a_site(words, expected):
    from yt_dlp.utils import DownloadError as Told
    from yt_dlp.utils import ExtractorError

    error = ExtractorError(words, expected=True, video_id="rpr3DyXZ46k", ie="youtube")
    told = Told(f"ERROR: {error}", (type(error), error, None))
    problem = reasons.explain(told, "https://www.youtube.com/watch?v=rpr3DyXZ46k")
    assert problem.reason == expected
    assert problem.words.startswith("[youtube] rpr3DyXZ46k: " + words[:60].rstrip("."))


def test_a_link_does_not_give_itself_a_reason():
    from yt_dlp.utils import DownloadError as Told

    link = "https://host/private-video-removed.mp4"
    assert reasons.explain(Told(f"ERROR: odd answer from {link}"), link).reason == "other"


def test_a_403_of_a_video_site_is_a_doubt_and_not_an_answer():
    assert reasons.reason_of_status(403, "HTTP Error 403: Forbidden", is_site=True) == "bot check"
    assert reasons.reason_of_status(403, "HTTP Error 403: Forbidden", is_site=False) == "private"


def test_a_full_disk_is_not_the_trailers_fault(tmp_path):
    from yt_dlp.utils import DownloadError as Told

    full = OSError(28, "No space left on device")
    with pytest.raises(OSError, match="No space left"):
        reasons.explain(Told("ERROR: unable to write data", (OSError, full, None)), "https://host/cat.mp4")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, 0),
        ("120", 120),
        (" 7 ", 7),
        ("Mon, 05 Jan 2026 10:01:00 GMT", 60),
        ("Mon, 05 Jan 2026 09:00:00 GMT", 0),
        ("soon", 0),
        ("-5", 0),
    ],
)
def test_retry_after_is_a_number_or_a_date(header, expected):
    assert reasons.retry_after_s(header, now=1767607200.0) == expected  # Mon, 05 Jan 2026 10:00:00 GMT


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [("MP4", "mp4"), ("webm", "webm"), ("exe", "bytes"), ("json", "bytes"), ("../x", "bytes"), ("", "bytes")],
)
def test_a_suffix_from_a_stranger_is_not_taken_over(suffix, expected):
    assert formats.safe_suffix(suffix, formats.VIDEO_SUFFIXES) == expected


def test_every_reason_can_be_raised():
    for reason, dead in reasons.REASONS.items():
        problem = reasons.LinkError(reason, "words")
        assert isinstance(problem, DownloadError)
        assert (str(problem), problem.dead) == (f"{reason}: words", dead)


def test_the_deadline_leaves_the_alarms_of_others_alone():
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(time.monotonic()))
    earlier = signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        started = time.monotonic()
        with client.deadline(60):
            time.sleep(0.1)
        end = time.monotonic() + 20
        while not rung and time.monotonic() < end:
            time.sleep(0.01)
        assert 0.25 < rung[0] - started < 5
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *earlier)
