"""The reasons for messages of sites and HTTP statuses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from trailers.errors import DownloadError
from trailers.web import reasons, uniform, verdict
from trailers.web.verdict import Try

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
    ("Requested format is not available. Use --list-formats", "no format"),
    ("Premieres in 5 hours", "other"),
    ("The following content is not available on this app.. Watch on the latest version of YouTube.", "client"),
    ("Please sign in", "client"),
    ("Please sign in. Use --cookies-from-browser or --cookies for the authentication", "client"),
    ("YouTube is no longer supported in this application or device", "client"),
    ("This video is only available for registered users. Use --cookies", "client"),
    ("The web client only works when logged-in", "client"),
    ("Your browser is out of date", "client"),
    ("The page needs to be reloaded", "client"),
    ("Playback on other websites has been disabled by the video owner", "client"),
    ("Access denied", "client"),
    ("This content is blocked for VPN users", "client"),
    ("This video is private. Log in if you have access", "private"),
    ("This video contains content from a studio, who has blocked it on copyright grounds", "removed"),
    ("This video is DRM protected", "no format"),
    ("No video could be found in this post", "not a video"),
    ("The requested site is known to use DRM protection. It will not be supported.", "site"),
    ("This website is no longer supported since it has been determined to be primarily used for piracy", "site"),
    # Guesses.
    ("Redirection detected; the video may be deleted or require login", "client"),
    ("Failed to get KSession, possibly a premium video", "client"),
    ("This video is either unavailable in your region or is DRM protected", "client"),
    # The client.
    ("Your account has been terminated", "client"),
    ("You have violated the terms of use", "client"),
    ("Your IP was banned; videos are no longer available to it", "client"),
    ("Premium videos cannot be downloaded yet.", "client"),
    ("Required cookies for the domain were not found among passed cookies", "client"),
    ("PhantomJS not found, please download it", "other"),
    ("pycryptodomex not found. Please install", "other"),
    # The site, and the time.
    ("Service temporarily unavailable", "network"),
    ("The API is unavailable", "network"),
    ("This content is currently unavailable", "not ready"),
    ("This video is temporarily not available", "not ready"),
    ("This video is not available yet. Release date: 2026-12-01", "not ready"),
    ("This video is only available for age verified users or after 22:00", "not ready"),
    ("Show not found in A&E feed (too new?)", "not ready"),
    # Pages in which yt-dlp finds nothing.
    ("Brightcove video ID not found in webpage", "page"),
    ("No videos found on webpage", "page"),
    ("No video found", "page"),
    ("no video on the webpage", "page"),
    # Still evidence about the video.
    ("This clip is no longer available", "removed"),
    ("Content not found; it has most likely expired", "not found"),
    ("There is no video in this post", "not a video"),
    ("This user's account is private. Log into an account that has access", "private"),
    ("Unable to extract player response", "other"),
]


@pytest.mark.parametrize(("words", "expected"), MESSAGES)
def test_messages_of_a_site_give_the_right_reason(words, expected):
    from yt_dlp.utils import DownloadError as YtDlpError
    from yt_dlp.utils import ExtractorError

    error = ExtractorError(words, expected=True, video_id="rpr3DyXZ46k", ie="youtube")
    error_of_library = YtDlpError(f"ERROR: {error}", (type(error), error, None))
    problem = verdict.explain(error_of_library, Try("https://www.youtube.com/watch?v=rpr3DyXZ46k"))
    assert problem.reason == expected
    assert problem.words.startswith("[youtube] rpr3DyXZ46k: " + words[:60].rstrip("."))


@pytest.mark.parametrize(
    "words",
    ["Unable to extract player response", "nsig function not found", "No video formats found!", "config unavailable"],
)
def test_an_unexpected_error_of_yt_dlp_never_makes_a_video_dead(words):
    from yt_dlp.utils import DownloadError as YtDlpError
    from yt_dlp.utils import ExtractorError

    error = ExtractorError(words, video_id="rpr3DyXZ46k", ie="youtube")
    problem = verdict.explain(YtDlpError(f"ERROR: {error}", (type(error), error, None)), Try("https://host/cat"))
    assert not problem.dead
    assert problem.sentence == words


@pytest.mark.parametrize(
    "words",
    [
        "EOF occurred in violation of protocol (_ssl.c:1006)",
        "Connection terminated by the peer",
        "Tunnel connection failed: host not found",
        "Failed to resolve 'private.host'",
    ],
)
def test_a_connection_error_never_makes_a_video_dead(words):
    from yt_dlp.networking.exceptions import SSLError
    from yt_dlp.utils import ExtractorError

    error = ExtractorError(f"Unable to download webpage: {words}", expected=True, cause=SSLError(words), ie="youtube")
    problem = verdict.explain(error, Try("https://www.youtube.com/watch?v=rpr3DyXZ46k"))
    assert problem.reason == "network"


def test_a_missing_fragment_does_not_make_a_video_dead():
    from yt_dlp.utils import DownloadError as YtDlpError

    assert verdict.explain(YtDlpError("ERROR: fragment 1 not found, unable to continue"), Try("")).reason == "network"


def every_sentence_of_the_extractors() -> set[str]:
    """The fixed sentences that yt-dlp's extractors raise."""
    import yt_dlp

    calls = re.compile(r"(?:ExtractorError|raise_no_formats)\(\s*'((?:[^'\\\n]|\\.)+)'")
    folder = Path(yt_dlp.__file__).parent / "extractor"
    return {text for path in folder.glob("*.py") for text in calls.findall(path.read_text(encoding="utf-8"))}


def test_messages_of_extractors_about_client_site_or_tool_never_make_a_video_dead():
    found = every_sentence_of_the_extractors()
    about_others = re.compile(
        r"log ?in|cookie|proxy|install|drm|site is|page\b|service|server|possibly|may be|yet\b|currently|your account"
        r"|\bIP\b|browser|try again|token|captcha|api\b|module|app\b",
        re.IGNORECASE,
    )
    dead = {text for text in found if reasons.REASONS[verdict.reason_of_words(text)] and about_others.search(text)}
    assert len(found) > 300
    # All of these also say that the video is private, or only for members.
    assert {text for text in dead if not re.search("private|purchase|age-restricted", text, re.IGNORECASE)} == set()


def test_links_of_a_site_under_drm_fail_without_stopping_the_run():
    refusals = uniform.Refusals("download")
    problem = reasons.LinkError("site", "The requested site is known to use DRM protection")
    for _ in range(9):
        refusals.refused("www.disneyplus.com", problem)
    assert not problem.dead


def test_the_same_answer_for_two_videos_is_the_same_sentence():
    from yt_dlp.utils import ExtractorError

    errors = [ExtractorError("Video unavailable", expected=True, video_id=name, ie="youtube") for name in ("a", "b")]
    problems = [verdict.explain(error, Try("https://host/cat")) for error in errors]
    assert [problem.words for problem in problems] == [
        "[youtube] a: Video unavailable",
        "[youtube] b: Video unavailable",
    ]
    assert {problem.sentence for problem in problems} == {"Video unavailable"}


@pytest.mark.parametrize(
    ("status", "is_link", "expected"),
    [(404, True, "not found"), (404, False, "part refused"), (410, False, "part refused"), (403, False, "part refused"),
     (451, False, "part refused"), (429, False, "rate limited"), (408, False, "network"), (503, False, "network")],
)  # fmt: skip
def test_only_the_answer_to_the_link_itself_can_make_a_video_dead(status, is_link, expected):
    assert verdict.reason_of_status(status, "", is_site=False, is_link=is_link) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("https://www.host/a/", "http://host/a?x=1", True),
        ("https://host/a", "https://host/a/config.json", False),
        ("https://host/a", "https://cdn.host/a", False),
    ],
)
def test_addresses_of_the_link_itself_are_recognised(one, other, expected):
    assert verdict.is_same_page(one, other) == expected


def test_text_in_a_link_is_not_taken_for_a_reason():
    from yt_dlp.utils import DownloadError as YtDlpError

    link = "https://host/private-video-removed.mp4"
    assert verdict.explain(YtDlpError(f"ERROR: odd answer from {link}"), Try(link)).reason == "other"


def test_a_403_of_a_video_site_is_a_temporary_failure():
    assert verdict.reason_of_status(403, "HTTP Error 403: Forbidden", is_site=True) == "bot check"
    assert verdict.reason_of_status(403, "HTTP Error 403: Forbidden", is_site=False) == "private"


def test_a_full_disk_does_not_make_a_trailer_dead(tmp_path):
    from yt_dlp.utils import DownloadError as YtDlpError

    full = OSError(28, "No space left on device")
    with pytest.raises(OSError, match="No space left"):
        verdict.explain(YtDlpError("ERROR: unable to write data", (OSError, full, None)), Try("https://host/cat.mp4"))


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
    assert verdict.retry_after_s(header, now=1767607200.0) == expected  # Mon, 05 Jan 2026 10:00:00 GMT


def test_every_reason_can_be_raised():
    for reason, dead in reasons.REASONS.items():
        problem = reasons.LinkError(reason, "words")
        assert isinstance(problem, DownloadError)
        assert (str(problem), problem.dead) == (f"{reason}: words", dead)
