"""Whether a text is a link, a video of a site, or the path of a file. Uses no network.

One video has many links: https://youtu.be/ID, https://www.youtube.com/watch?v=ID&list=..., the ID alone.
``web_link`` gives the link to request, and ``identity`` a name that is the same for all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from urllib.parse import SplitResult, parse_qs, unquote, urljoin, urlsplit

from trailers.errors import ManifestError
from trailers.store.text import shorten

YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}", re.ASCII)
WATCH = "https://www.youtube.com/watch?v="
# The most common forms of links, matched without the cost of parsing the link.
COMMON = re.compile(
    r"https://(?:(?:www|m|music)\.)?(?:youtube\.com/(?:watch\?(?:[^#]*?&)?v=|(?:shorts|embed|live|v)/)|youtu\.be/)"
    r"([A-Za-z0-9_-]{11})(?![A-Za-z0-9_-])",
    re.ASCII,
)
LEADING_ID = re.compile(r"([A-Za-z0-9_-]{11})(?![A-Za-z0-9_-])", re.ASCII)  # more may follow, as in ?v=ID?t=3

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):", re.ASCII)
PLAIN = re.compile(r"https?://[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.?(?=[/?#]|$)", re.ASCII | re.IGNORECASE)
# A name with a dot and a top-level domain, or an IPv4 address, before a path.
HOST = re.compile(
    r"(?:[A-Za-z0-9-]+\.)+(?:[a-z]{2}|com|org|net|edu|gov|info|video|film|movie)(?=[/?#]|$)"
    r"|\d{1,3}(?:\.\d{1,3}){3}(?=[/?#]|$)",
    re.ASCII | re.IGNORECASE,
)
SEVERAL = re.compile(r"[\s,;|]https?:", re.IGNORECASE)
INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")

YOUTUBE = frozenset(("youtube.com", "youtube-nocookie.com", "youtubekids.com", "youtu.be", "youtube.googleapis.com"))
# Other sites that show the videos of YouTube under the same ids.
MIRRORS = frozenset(("hooktube.com", "invidio.us", "redirect.invidious.io", "yewtu.be", "piped.video"))
HINTS = ("youtu", "google", *(site.partition(".")[0] for site in MIRRORS))  # other links are not parsed
KNOWN_SITES = YOUTUBE | {"vimeo.com", "dailymotion.com", "dai.ly", "imdb.com"}
BEFORE_ID = ("watch", "embed", "shorts", "live", "v", "e")
BEFORE_LIST = ("videoseries", "live_stream")  # in /embed/videoseries?list=..., these eleven letters are not an id
WRAPPED_IN = ("u", "url", "q", "continue", "next")  # parts of a query that may contain the target of a redirect

# Redirecting pages: (site, path) -> the part of the query that contains the target.
REDIRECTS = {
    ("l.facebook.com", "/l.php"): "u",
    ("lm.facebook.com", "/l.php"): "u",
    ("facebook.com", "/l.php"): "u",
    ("l.instagram.com", ""): "u",
    ("l.messenger.com", "/l.php"): "u",
    ("out.reddit.com", ""): "url",
    ("vk.com", "/away.php"): "to",
    ("steamcommunity.com", "/linkfilter"): "u",
    ("youtube.com", "/redirect"): "q",
    ("google.com", "/url"): "q",
}
MAX_CARRIED = 3  # a link in a link in a link

EXPLICIT = ("./", "../", "/")  # prefixes that make a text a path, even if the file does not exist


def web_link(text: str) -> str | None:
    """The http or https link that ``text`` means; None if it is the path of a file.

    Eleven characters that can be a YouTube id are one; a file with such a name must be written as ``./name``. All
    forms of a link to one YouTube video give the same link. The scheme may be missing if the host is known or begins
    with www.

    Raises:
        ManifestError: it has another scheme, such as file:, ftp: or concat:, which a manifest must not use.
    """
    if YOUTUBE_ID.fullmatch(text):
        return WATCH + text
    link = with_scheme(text)
    if link is None:
        return None
    check_link(link)
    link = target_of(link)
    video = youtube_id(link)
    return WATCH + video if video else link


def target_of(link: str) -> str:
    """``link``, or its target if it is a page that only redirects, such as l.facebook.com/l.php?u=...

    Raises:
        ManifestError: the target is not a valid link.
    """
    for _ in range(MAX_CARRIED):
        if "=http" not in link.lower():
            break
        parts = split(link)
        name = REDIRECTS.get((site_of(parts.hostname or ""), parts.path.rstrip("/")))
        inner = parse_qs(parts.query).get(name, [""])[0] if name else ""
        if not inner.lower().startswith(("http://", "https://")):
            break
        check_link(inner)
        link = inner
    return link


def with_scheme(text: str) -> str | None:
    """``text``, with https:// if it has no scheme; None if it is not a link.

    Raises:
        ManifestError: it has a scheme that is neither http nor https.
    """
    scheme = SCHEME.match(text)
    if scheme is not None and scheme[1].lower() not in ("http", "https"):
        raise ManifestError(
            f"'{shorten(text)}' is not an http or https link",
            remedy="Give such a link, or write the path of a file as ./NAME.",
        )
    if scheme is not None:
        return text.replace("&amp;", "&")
    bare = text.removeprefix("//")
    host = HOST.match(bare)
    if host is None or not (bare is not text or is_known_host(host[0]) or host[0].lower().startswith("www.")):
        return None
    return f"https://{bare}".replace("&amp;", "&")


def check_link(link: str) -> None:
    """Check that ``link`` is one valid link.

    Raises:
        ManifestError: it is not.
    """
    if SEVERAL.search(link):
        raise ManifestError(f"'{shorten(link)}' is more than one link", remedy="Join several links with ' | '.")
    if INVISIBLE.search(link):
        raise ManifestError(f"'{shorten(link)}' holds an invisible character", remedy="Type the link again.")
    if not PLAIN.match(link) and not has_host(link):
        raise ManifestError(f"'{shorten(link)}' is a link without a valid host", remedy="Correct it.")
    # yt-dlp reads options for its extractors from such a fragment.
    if "__youtubedl_smuggle" in link:
        raise ManifestError(f"'{shorten(link)}' contains options for yt-dlp", remedy="Remove what follows '#'.")


def has_host(link: str) -> bool:
    try:
        parts = urlsplit(link)
        return bool(parts.hostname) and not re.search(r"\s", parts.netloc) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def is_known_host(host: str) -> bool:
    return any(site_of(host) == site or site_of(host).endswith(f".{site}") for site in KNOWN_SITES)


def site_of(host: str) -> str:
    return host.lower().rstrip(".").removeprefix("www.").removeprefix("m.")


def is_youtube(host: str) -> bool:
    site = site_of(host)
    # img.youtube.com has only pictures, which may be posters.
    return site in YOUTUBE or site in MIRRORS or (site.endswith(".youtube.com") and site != "img.youtube.com")


def youtube_id(link: str, depth: int = 0) -> str:
    """The id of the YouTube video that ``link`` leads to, or ""; links inside the link are followed.

    Raises:
        ManifestError: it has the form of a link to a video, but contains no id.
    """
    common = COMMON.match(link)
    if common and common[1] not in BEFORE_LIST:
        return common[1]
    if not any(word in link.lower() for word in HINTS):
        return ""
    parts = split(link)
    host = parts.hostname or ""
    if not is_youtube(host):
        return follow(parts, depth) if is_google_redirect(parts) else ""
    query, words = parse_qs(parts.query), words_of(parts)
    named = named_videos(parts, query)
    found = next((match[1] for match in map(LEADING_ID.match, named) if match), "") or follow(parts, depth)
    is_bare = not words or words in ([word] for word in BEFORE_ID)
    if not found and "list" not in query and (named or is_bare):
        raise ManifestError(
            f"'{shorten(link)}' does not contain a YouTube id, which has 11 characters", remedy="Correct it."
        )
    return found


def named_videos(parts: SplitResult, query: Mapping[str, Sequence[str]]) -> list[str]:
    """The texts at the places where links to YouTube have the id."""
    words = words_of(parts)
    behind_hash = parse_qs(parts.fragment.lstrip("!/").removeprefix("watch?"))
    named = [*query.get("v", ()), *behind_hash.get("v", ())]
    if words[:1] and words[0] in BEFORE_ID:
        named += words[1:2]
    elif site_of(parts.hostname or "") == "youtu.be":
        named += words[:1]
    return [word for word in named if word not in BEFORE_LIST]


def follow(parts: SplitResult, depth: int) -> str:
    """The id in a link inside the link ``parts``, such as /attribution_link?u=/watch%3Fv%3D..."""
    if depth > 2:
        return ""
    query = parse_qs(parts.query)
    wrapped = [urljoin(WATCH, value) for name in WRAPPED_IN for value in query.get(name, ())]
    return next(filter(None, (youtube_id(link, depth + 1) for link in wrapped)), "")


def is_google_redirect(parts: SplitResult) -> bool:
    return site_of(parts.hostname or "").startswith("google.") and parts.path == "/url"


def split(link: str) -> SplitResult:
    """The parts of ``link``; empty parts if it is not valid."""
    try:
        return urlsplit(link)
    except ValueError:
        return urlsplit("")


def words_of(parts: SplitResult) -> list[str]:
    return [word for word in unquote(parts.path).split("/") if word]


def site_id(parts: SplitResult) -> str:
    """ "site:id" of a video of another known site, or ""."""
    site, words = site_of(parts.hostname or ""), words_of(parts)
    if words and (site == "dai.ly" or (site == "dailymotion.com" and "video" in words[:-1])):
        return f"dailymotion:{words[-1].partition('_')[0]}"
    if site not in ("vimeo.com", "player.vimeo.com"):
        return ""
    # /ID/HASH is an unlisted video. In /album/NUMBER/video/ID, the first number is not the id.
    behind = next((n + 1 for n, word in enumerate(words) if word in ("video", "videos")), 0)
    return next((f"vimeo:{word}" for word in words[behind:] if re.fullmatch(r"\d{5,}", word, re.ASCII)), "")


def identity(text: str) -> str:
    """A name that is the same for all links to one video, such as "youtube:vKQi3bBA1y8"; "" for a path."""
    link = web_link(text)
    if link is None:
        return ""
    if link.startswith(WATCH):
        return f"youtube:{link.removeprefix(WATCH)}"
    parts = split(link)
    # Links that differ only in the scheme or in a start time lead to the same video.
    fragment = "" if parts.fragment.startswith("t=") else parts.fragment
    plain = parts._replace(scheme="", netloc=parts.netloc.lower(), fragment=fragment).geturl()
    return site_id(parts) or f"web:{plain}"


def name_of(text: str) -> str:
    """A name for a link or path: the site's id of the video, otherwise the last word without its suffix."""
    found = identity(text)
    if not found:
        return PurePosixPath(text).stem
    if re.match(r"(youtube|dailymotion|vimeo):", found):
        return found.partition(":")[2]
    parts = split(web_link(text) or "")
    listed = parse_qs(parts.query).get("list") if is_youtube(parts.hostname or "") else None
    words = words_of(parts)
    return listed[0] if listed else PurePosixPath(words[-1]).stem if words else site_of(parts.hostname or "")


def is_list(text: str) -> bool:
    """Whether a link to YouTube leads to a playlist, channel or search, whose first video would be downloaded."""
    link = web_link(text) or ""
    return is_youtube(split(link).hostname or "") and not link.startswith(WATCH)


def completed(text: str) -> str:
    """``text``; if it is a link without a scheme or copied from HTML, the link to request."""
    link = web_link(text)
    if link is None or ("&amp;" not in text and (SCHEME.match(text) or YOUTUBE_ID.fullmatch(text))):
        return text
    return link


def known_link(text: str) -> str:
    """The link that earlier versions requested for ``text``; "" for a path, or if it is now understood differently."""
    try:
        return web_link(text) or "" if completed(text) == text else ""
    except ManifestError:
        return ""
