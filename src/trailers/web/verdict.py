"""Gives the reason for an exception of yt-dlp or an answer of a server."""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from trailers.errors import MACHINE
from trailers.store.ledger import one_line
from trailers.web.reasons import REASONS, LinkError

BYTES_FAILED = "[download] Got error"  # yt-dlp's message, without a cause, for a broken connection or a 5xx

# Reason -> pattern of messages of sites and of yt-dlp; the first match counts. Taken from messages of yt-dlp.
WORDS = (
    ("network", rf"^{re.escape(BYTES_FAILED)}|^fragment \d+ not found"),
    ("bot check", r"not a bot|captcha|anti-bot|unusual traffic"),
    ("rate limited", r"rate.?limit|too many requests|try again later"),
    # The whole site.
    ("site", r"site is known to use drm|site is no longer supported|primarily used for piracy"),
    # A guess, or a statement about the client, says nothing certain about the video.
    (
        "client",
        r"possibly|either unavailable|\b(?:may|might) (?:be|have been) (?:deleted|removed|private|unavailable)"
        r"|cannot be downloaded yet|passed cookies|authcheck"
        r"|\byour? (?:\w+ )?account (?:is|was|has been)\b|\byour? .{0,40}(?:\bviolat|terminated|suspended|banned)",
    ),
    # Something is missing in yt-dlp or on the site.
    ("other", r"please install|\b(?:phantomjs|ffmpeg|pycryptodomex?|runtime|module|library|dependency) not found"),
    (
        "network",
        r"\b(?:service|server|api|endpoint|gateway|web ?site|site) (?:is |was )?(?:\w+ )?(?:unavailable|not available)",
    ),
    ("not ready", r"\btemporar|currently unavailable|available yet|too new\b|after \d\d:\d\d|being processed"),
    # yt-dlp did not find a video in a page, which may have changed.
    (
        "page",
        r"\bno videos? (?:\w+ )?(?:was )?found(?: in| on|$)"
        r"|(?:found (?:in|on|at)|video on) (?:the )?(?:(?:web ?)?page|provided url)",
    ),
    ("age", r"confirm your age|age.?restricted|age.?verif|inappropriate for some users"),
    ("geo", r"in your country|in your region|from your location|geo.?restrict"),
    ("private", r"\bprivate|members.only|requires payment|purchase|premium (?:video|content|member)|subscribers"),
    ("removed", r"removed|deleted|terminated|no longer available|copyright|violat"),
    (
        "client",
        r"(?:this|your|the) (?:\w+ )?(?:app|application|device|browser|client|player|platform|ip|network)\b"
        r"|unsupported (?:app|browser|client|device)|no longer supported|latest version|(?:out of|up to) date|outdated"
        r"|(?:sign|log|logged)[ -]?in\b|login|registered users|authenti|credentials|access (?:is )?denied|forbidden"
        r"|\bblocked|\bvpn\b|\bproxy|be reloaded|playback on other websites|premium",
    ),
    ("no format", r"requested format is not available|no video formats|drm protected"),
    ("not a video", r"unsupported url|no video"),
    ("not found", r"unavailable|not available|does not exist|not found"),
    ("network", r"timed out|did not get any data|unable to continue"),
)
TEMPORARY_STATUSES = {408: "network", 425: "network", 429: "rate limited"}
STATUSES = {
    **TEMPORARY_STATUSES,
    401: "private",
    402: "private",
    403: "private",
    404: "not found",
    410: "removed",
    451: "geo",
}

WORDS_LENGTH = 300
ADDRESS_LENGTH = 120


@dataclass(frozen=True)
class Try:
    """The circumstances in which an exception was raised."""

    link: str
    is_site: bool = False  # whether the link leads to a video site that yt-dlp knows
    is_for_bytes: bool = False  # whether the page had answered, and the bytes were requested
    last_refusal: Exception | None = None  # the last refusal, because yt-dlp may pass on only its message


def causes(problem: BaseException | None) -> list[BaseException]:
    """The exception and its causes, nearest first; yt-dlp keeps causes in three places."""
    found: list[BaseException] = []
    waiting = [problem]
    while waiting:
        error = waiting.pop(0)
        if isinstance(error, BaseException) and all(error is not other for other in found):
            found.append(error)
            kept = getattr(error, "exc_info", None) or ()
            waiting += [*kept[1:2], getattr(error, "cause", None), error.__cause__, error.__context__]
    return found


def explain(problem: Exception, tried: Try) -> LinkError:
    """The reason for an exception of yt-dlp, with its message.

    Raises:
        OSError: the cause is this machine, such as a full disk, and not the link.
    """
    from yt_dlp.networking.exceptions import HTTPError, TransportError
    from yt_dlp.utils import ContentTooShortError, ExtractorError, GeoRestrictedError, UnsupportedError

    words = clean(str(problem))
    chain = causes(problem)
    if tried.is_for_bytes or (words.startswith(BYTES_FAILED) and len(chain) == 1):
        chain += [error for error in causes(tried.last_refusal) if all(error is not other for other in chain)]
    for error in chain:
        if isinstance(error, OSError) and error.errno in MACHINE:
            raise error
    said = next((error for error in chain if isinstance(error, ExtractorError)), None)
    sentence = clean(said.orig_msg) if said is not None else words.replace(tried.link, "")
    if leads_elsewhere(chain):
        return LinkError(
            "not a video", f"leads to an address that is neither http nor https: {words}", sentence="leads elsewhere"
        )
    kinds = HTTPError | TransportError | ContentTooShortError
    answered = next((error for error in chain if isinstance(error, kinds)), None)
    if isinstance(answered, TransportError | ContentTooShortError):
        # Before the message is compared: TLS says "in violation of protocol", proxies say "not available".
        return LinkError("network", words, sentence=sentence)
    for error in chain:
        if isinstance(error, GeoRestrictedError):
            return LinkError("geo", words, sentence=sentence)
        if isinstance(error, UnsupportedError):
            sentence = "a web page on which yt-dlp finds no video"
            return LinkError("page", f"{shorten(tried.link)}: {sentence}", sentence=sentence)
        if isinstance(error, ExtractorError) and "HTTP Error" not in error.orig_msg:
            reason = reason_of_words(sentence, is_expected=error.expected)
            if reason != "other":
                return LinkError(reason, words, sentence=sentence)
        if isinstance(error, HTTPError):
            return explain_status(error, tried, words, is_site=tried.is_site or is_of_site(chain))
    is_expected = said is None or said.expected
    return LinkError(reason_of_words(sentence, is_expected=is_expected), words, sentence=sentence)


def explain_fragment(refusal: Any, *, is_site: bool) -> LinkError | None:
    """The meaning of the last refusal of a fragment; None if there was none."""
    from yt_dlp.networking.exceptions import HTTPError

    if not isinstance(refusal, HTTPError):
        return None
    return explain_status(refusal, Try("", is_for_bytes=True), "", is_site=is_site)


def leads_elsewhere(chain: Iterable[BaseException]) -> bool:
    """Whether a redirect or a playlist leads to a file on this machine, or to another scheme than http and https."""
    from requests.exceptions import InvalidSchema
    from yt_dlp.networking.exceptions import UnsupportedRequest

    return any(isinstance(error, InvalidSchema | UnsupportedRequest) for error in chain)


def is_of_site(chain: Iterable[BaseException]) -> bool:
    return any(getattr(error, "ie", None) not in (None, "generic", "Generic") for error in chain)


def explain_status(error: Any, tried: Try, words: str, *, is_site: bool) -> LinkError:
    """The meaning of an HTTP status, which depends on the request: for the link itself, or for bytes or a fragment."""
    asked = getattr(error, "asked", "") or error.response.url
    is_link = not tried.is_for_bytes and is_same_page(asked, tried.link)
    reason = reason_of_status(error.status, words, is_site=is_site, is_link=is_link)
    sentence = f"HTTP Error {error.status}"
    if not is_link:
        words = f"{shorten(asked)}: {clean(str(error))}"
    wait_s = retry_after_s(error.response.headers.get("Retry-After"))
    return LinkError(reason, words, wait_s=wait_s, sentence=sentence)


def reason_of_status(status: int, words: str, *, is_site: bool, is_link: bool = True) -> str:
    """The reason behind an HTTP status.

    Args:
        status: status of the answer.
        words: yt-dlp's message.
        is_site: whether the answer is from a video site that yt-dlp knows, whose 403 is usually a bot check.
        is_link: whether the trailer's own link was requested, and not a fragment or the address of a format: only
            then does the status say something about the trailer.
    """
    if status == 403 and (is_site or "anti-bot" in words):
        return "bot check"
    if status >= 500:
        return "network"
    if not is_link:
        return TEMPORARY_STATUSES.get(status, "part refused")
    return STATUSES.get(status, "other")


def reason_of_words(words: str, *, is_expected: bool = True) -> str:
    """The reason for the message ``words``; an error that yt-dlp did not expect is never a fault of the video."""
    reason = next((reason for reason, pattern in WORDS if re.search(pattern, words, re.IGNORECASE)), "other")
    return reason if is_expected or not REASONS[reason] else "other"


def is_same_page(one: str, other: str) -> bool:
    """Whether two addresses differ only in scheme, www, query and a trailing slash."""

    def page(address: str) -> tuple[str, str]:
        parts = urlsplit(address)
        return parts.netloc.lower().removeprefix("www."), parts.path.rstrip("/")

    return page(one) == page(other)


def shorten(address: str) -> str:
    """An address without its query, which may contain a signature of a kilobyte."""
    plain = urlsplit(address)._replace(query="", fragment="").geturl()
    return plain if len(plain) <= ADDRESS_LENGTH else plain[: ADDRESS_LENGTH - 3] + "..."


def clean(words: str) -> str:
    """A message of yt-dlp in one line, without colours, memory addresses and requests for bug reports."""
    words = re.sub(r"\x1b\[[0-9;]*m|\(caused by .*|; please report this issue.*| at 0x[0-9a-f]+", "", one_line(words))
    words = words.replace("\r", " ").strip().removeprefix("ERROR:").strip(" .")
    return words if len(words) <= WORDS_LENGTH else words[: WORDS_LENGTH - 3] + "..."


def retry_after_s(header: str | None, *, now: float | None = None) -> float:
    """Seconds to wait by a Retry-After header, which is a number or a date; 0 if it is neither."""
    if not header:
        return 0
    if header.strip().isdigit():
        return float(header.strip())
    try:
        date = email.utils.parsedate_to_datetime(header).timestamp()
    except ValueError:
        return 0
    return max(0.0, date - (time.time() if now is None else now))
