"""Why a link gave no video: a typed reason, with the site's own words."""

from __future__ import annotations

import email.utils
import errno
import re
import time

from trailers.errors import DownloadError
from trailers.store.ledger import one_line

# Why a trailer could not be had, and whether asking again can help only when something changes.
REASONS = {
    "removed": True,
    "private": True,
    "geo": True,
    "age": True,
    "not found": True,
    "not a video": True,
    "not an image": True,
    "too short": True,
    "too long": True,
    "too small": True,
    "bot check": False,
    "rate limited": False,
    "network": False,
    "other": False,
}
QUALITY = ("too short", "too long", "too small")  # the limits of Sec. 3; they exclude only with enforce_quality

QUALITY = ("too short", "too long", "too small")  # the limits of Sec. 3; they exclude only with enforce_quality

BYTES_FAILED = "[download] Got error"  # a cut or a 5xx on the way of the bytes; yt-dlp passes on words alone

# How a site words what it withholds, first match first; seen in yt-dlp's messages.
WORDS = (
    ("network", rf"^{re.escape(BYTES_FAILED)}"),
    ("bot check", r"not a bot|captcha|anti-bot"),
    ("rate limited", r"rate.?limit|too many requests|try again later"),
    ("age", r"confirm your age|age.?restricted|age.?verif|inappropriate for some users"),
    ("geo", r"in your country|in your region|from your location|geo.?restrict"),
    ("private", r"private|members.only|registered users|log ?in|sign in|requires payment|purchase|premium"),
    ("removed", r"removed|deleted|terminated|no longer available|copyright|violat"),
    ("not a video", r"unsupported url|no video|requested format is not available|drm protected"),
    ("not found", r"unavailable|not available|does not exist|not found"),
    ("network", r"timed out|did not get any data|unable to continue"),
)
STATUSES = {
    401: "private",
    402: "private",
    403: "private",
    404: "not found",
    408: "network",
    410: "removed",
    425: "network",
    429: "rate limited",
    451: "geo",
}

WORDS_LENGTH = 300
OWN_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE}  # this machine's, not the link's


class LinkError(DownloadError):
    """A link that gave no video; ``wait_s`` is what the site asks for."""

    def __init__(self, reason: str, words: str, *, wait_s: float = 0) -> None:
        super().__init__(reason, words, dead=REASONS[reason])
        self.wait_s = wait_s


def causes(problem: BaseException | None) -> list[BaseException]:
    """The problem and all that led to it, nearest first; yt-dlp keeps its causes in three places."""
    found: list[BaseException] = []
    waiting = [problem]
    while waiting:
        error = waiting.pop(0)
        if isinstance(error, BaseException) and all(error is not other for other in found):
            found.append(error)
            kept = getattr(error, "exc_info", None) or ()
            waiting += [*kept[1:2], getattr(error, "cause", None), error.__cause__, error.__context__]
    return found


def explain(problem: Exception, link: str, *, is_site: bool = False, heard: Exception | None = None) -> LinkError:
    """The typed reason for what yt-dlp raised, with its own words.

    Args:
        problem: what was raised.
        link: what was asked for; its own words are no reason.
        is_site: whether a video site of yt-dlp's is behind the link, and not any web server.
        heard: the last answer that was no success, where ``problem`` has but its words.

    Raises:
        OSError: the cause is this machine's (a full disk), not the link's.
    """
    from yt_dlp.networking.exceptions import HTTPError, TransportError
    from yt_dlp.utils import ContentTooShortError, GeoRestrictedError, UnsupportedError

    words = clean(str(problem))
    chain = causes(problem)
    if words.startswith(BYTES_FAILED) and len(chain) == 1:
        chain += causes(heard)
    for error in chain:
        if isinstance(error, OSError) and error.errno in OWN_TROUBLE:
            raise error
    for error in chain:
        if isinstance(error, GeoRestrictedError):
            return LinkError("geo", words)
        if isinstance(error, UnsupportedError):
            return LinkError("not a video", words)
        if isinstance(error, HTTPError):
            is_site = is_site or any(getattr(other, "ie", None) not in (None, "generic") for other in chain)
            reason = reason_of_status(error.status, words, is_site=is_site)
            return LinkError(reason, words, wait_s=retry_after_s(error.response.headers.get("Retry-After")))
        if isinstance(error, TransportError | ContentTooShortError):
            return LinkError("network", words)
    return LinkError(reason_of_words(words.replace(link, "")), words)


def reason_of_status(status: int, words: str, *, is_site: bool) -> str:
    """``is_site``: a video site of yt-dlp's, whose 403 is a doubt about who asks, not an answer."""
    if status == 403 and (is_site or "anti-bot" in words):
        return "bot check"
    return STATUSES.get(status, "network" if status >= 500 else "other")


def reason_of_words(words: str) -> str:
    return next((reason for reason, pattern in WORDS if re.search(pattern, words, re.IGNORECASE)), "other")


def clean(words: str) -> str:
    """``words`` of yt-dlp in one line, without colours, memory addresses and requests for bug reports."""
    words = re.sub(r"\x1b\[[0-9;]*m|\(caused by .*|; please report this issue.*| at 0x[0-9a-f]+", "", one_line(words))
    words = words.replace("\r", " ").strip().removeprefix("ERROR:").strip(" .")
    return words if len(words) <= WORDS_LENGTH else words[: WORDS_LENGTH - 3] + "..."


def retry_after_s(header: str | None, *, now: float | None = None) -> float:
    """Seconds that a Retry-After header asks for: a number or a date; 0 when it says nothing."""
    if not header:
        return 0
    if header.strip().isdigit():
        return float(header.strip())
    try:
        date = email.utils.parsedate_to_datetime(header).timestamp()
    except ValueError:
        return 0
    return max(0.0, date - (time.time() if now is None else now))
