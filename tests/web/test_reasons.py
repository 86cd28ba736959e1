"""What the words and statuses of a site mean."""

from __future__ import annotations

import pytest

from trailers.errors import DownloadError
from trailers.web import reasons

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


def test_every_reason_can_be_raised():
    for reason, dead in reasons.REASONS.items():
        problem = reasons.LinkError(reason, "words")
        assert isinstance(problem, DownloadError)
        assert (str(problem), problem.dead) == (f"{reason}: words", dead)
