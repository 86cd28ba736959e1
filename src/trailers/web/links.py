"""What a piece of text stands for: a link, a video of a site, or the path of a file. No network.

One video has many links: https://youtu.be/ID, https://www.youtube.com/watch?v=ID&list=..., the bare ID.
``web_link`` gives the link that is asked, and ``identity`` what all of them have in common.
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
# The forms that most manifests hold, without the cost of taking a link apart.
COMMON = re.compile(
    r"https://(?:(?:www|m|music)\.)?(?:youtube\.com/(?:watch\?(?:[^#]*?&)?v=|(?:shorts|embed|live|v)/)|youtu\.be/)"
    r"([A-Za-z0-9_-]{11})(?![A-Za-z0-9_-])",
    re.ASCII,
)
LEADING_ID = re.compile(r"([A-Za-z0-9_-]{11})(?![A-Za-z0-9_-])", re.ASCII)  # ?v=ID?t=3 has more behind it

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):", re.ASCII)
PLAIN = re.compile(r"https?://[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.?(?=[/?#]|$)", re.ASCII | re.IGNORECASE)
# A name with a dot and an ending of the Internet, or an address of four numbers, in front of a path.
HOST = re.compile(
    r"(?:[A-Za-z0-9-]+\.)+(?:[a-z]{2}|com|org|net|edu|gov|info|video|film|movie)(?=[/?#]|$)"
    r"|\d{1,3}(?:\.\d{1,3}){3}(?=[/?#]|$)",
    re.ASCII | re.IGNORECASE,
)
SEVERAL = re.compile(r"[\s,;|]https?:", re.IGNORECASE)
INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")

YOUTUBE = frozenset(("youtube.com", "youtube-nocookie.com", "youtubekids.com", "youtu.be", "youtube.googleapis.com"))
# Front ends whose videos are YouTube's, by the same ids.
MIRRORS = frozenset(("hooktube.com", "invidio.us", "redirect.invidious.io", "yewtu.be", "piped.video"))
TELLING = ("youtu", "google", *(site.partition(".")[0] for site in MIRRORS))  # other links need no closer look
KNOWN_SITES = YOUTUBE | {"vimeo.com", "dailymotion.com", "dai.ly", "imdb.com"}
BEFORE_ID = ("watch", "embed", "shorts", "live", "v", "e")
BEFORE_LIST = ("videoseries", "live_stream")  # /embed/videoseries?list=...: eleven letters, but no id
WRAPPED_IN = ("u", "url", "q", "continue", "next")  # where a link that leads on carries the one it leads to

# Pages that only lead on: site and path -> the part of the query that holds the link.
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

EXPLICIT = ("./", "../", "/")  # what begins so is a path, whether or not a file is there


def web_link(text: str) -> str | None:
    """The http or https link that ``text`` stands for; None when it is the path of a file.

    Eleven letters of YouTube's alphabet are a YouTube id: a file of such a name is ``./name``. All forms of
    one YouTube video give the same link. A link may lack its scheme where its host is known or begins with www.

    Raises:
        ManifestError: any other scheme (file:, ftp:, concat: and their like reach what a manifest must not).
    """
    if YOUTUBE_ID.fullmatch(text):
        return WATCH + text
    link = with_scheme(text)
    if link is None:
        return None
    check_link(link)
    link = carried(link)
    video = youtube_id(link)
    return WATCH + video if video else link


def carried(link: str) -> str:
    """``link``, or the one that it carries, where it only counts clicks, such as l.facebook.com/l.php?u=...

    Raises:
        ManifestError: what it carries is not a link.
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
    """``text`` with https:// where that was left out; None when it is not a link.

    Raises:
        ManifestError: it has a scheme that is neither http nor https.
    """
    scheme = SCHEME.match(text)
    if scheme is not None and scheme[1].lower() not in ("http", "https"):
        raise ManifestError(
            f"'{shorten(text)}' is not an http or https link",
            remedy="Give one, or write the path of a file as ./NAME.",
        )
    if scheme is not None:
        return text.replace("&amp;", "&")
    bare = text.removeprefix("//")
    host = HOST.match(bare)
    if host is None or not (bare is not text or is_known_host(host[0]) or host[0].lower().startswith("www.")):
        return None
    return f"https://{bare}".replace("&amp;", "&")


def check_link(link: str) -> None:
    """Refuse what is not a whole link, or more than one.

    Raises:
        ManifestError: with what to do about it.
    """
    if SEVERAL.search(link):
        raise ManifestError(f"'{shorten(link)}' is more than one link", remedy="Join several links with ' | '.")
    if INVISIBLE.search(link):
        raise ManifestError(f"'{shorten(link)}' holds an invisible character", remedy="Type the link again.")
    if not PLAIN.match(link) and not has_host(link):
        raise ManifestError(f"'{shorten(link)}' is a link without a valid host", remedy="Correct it.")
    # yt-dlp takes orders for its extractors from such a fragment.
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
    # img.youtube.com has pictures, a poster's for one.
    return site in YOUTUBE or site in MIRRORS or (site.endswith(".youtube.com") and site != "img.youtube.com")


def youtube_id(link: str, depth: int = 0) -> str:
    """The id of the YouTube video that ``link`` leads to, or ""; a link within the link is followed.

    Raises:
        ManifestError: it should name a video, and what it names is not an id.
    """
    common = COMMON.match(link)
    if common and common[1] not in BEFORE_LIST:
        return common[1]
    if not any(word in link.lower() for word in TELLING):
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
    """What stands where a link to YouTube has the id."""
    words = words_of(parts)
    behind_hash = parse_qs(parts.fragment.lstrip("!/").removeprefix("watch?"))
    named = [*query.get("v", ()), *behind_hash.get("v", ())]
    if words[:1] and words[0] in BEFORE_ID:
        named += words[1:2]
    elif site_of(parts.hostname or "") == "youtu.be":
        named += words[:1]
    return [word for word in named if word not in BEFORE_LIST]


def follow(parts: SplitResult, depth: int) -> str:
    """The id in a link that ``parts`` carries, such as /attribution_link?u=/watch%3Fv%3D..."""
    if depth > 2:
        return ""
    query = parse_qs(parts.query)
    wrapped = [urljoin(WATCH, value) for name in WRAPPED_IN for value in query.get(name, ())]
    return next(filter(None, (youtube_id(link, depth + 1) for link in wrapped)), "")


def is_google_redirect(parts: SplitResult) -> bool:
    return site_of(parts.hostname or "").startswith("google.") and parts.path == "/url"


def split(link: str) -> SplitResult:
    """``link`` taken apart; nothing where it cannot be."""
    try:
        return urlsplit(link)
    except ValueError:
        return urlsplit("")


def words_of(parts: SplitResult) -> list[str]:
    return [word for word in unquote(parts.path).split("/") if word]


def site_id(parts: SplitResult) -> str:
    """ "site:id" of a video of another site whose forms are known, or ""."""
    site, words = site_of(parts.hostname or ""), words_of(parts)
    if words and (site == "dai.ly" or (site == "dailymotion.com" and "video" in words[:-1])):
        return f"dailymotion:{words[-1].partition('_')[0]}"
    if site not in ("vimeo.com", "player.vimeo.com"):
        return ""
    # /ID/HASH: the hash opens an unlisted video. /album/NUMBER/video/ID: the first number is another's.
    behind = next((n + 1 for n, word in enumerate(words) if word in ("video", "videos")), 0)
    return next((f"vimeo:{word}" for word in words[behind:] if re.fullmatch(r"\d{5,}", word, re.ASCII)), "")


def identity(text: str) -> str:
    """What all links of one video have in common, such as "youtube:vKQi3bBA1y8"; "" when it is a path."""
    link = web_link(text)
    if link is None:
        return ""
    if link.startswith(WATCH):
        return f"youtube:{link.removeprefix(WATCH)}"
    parts = split(link)
    # Neither the scheme nor a start in seconds makes another video of it.
    fragment = "" if parts.fragment.startswith("t=") else parts.fragment
    plain = parts._replace(scheme="", netloc=parts.netloc.lower(), fragment=fragment).geturl()
    return site_id(parts) or f"web:{plain}"


def name_of(text: str) -> str:
    """The most telling word of a link or path: the site's id of the video, else the last word without its suffix."""
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
    """Whether a link to YouTube leads to a playlist, a channel or a search, of which the first video is taken."""
    link = web_link(text) or ""
    return is_youtube(split(link).hostname or "") and not link.startswith(WATCH)


def completed(text: str) -> str:
    """``text``, and where it is a link without a scheme or copied from HTML, the link that is asked."""
    link = web_link(text)
    if link is None or ("&amp;" not in text and (SCHEME.match(text) or YOUTUBE_ID.fullmatch(text))):
        return text
    return link


def known_link(text: str) -> str:
    """The link that an earlier version asked for ``text``; "" for a path, and for what is no longer understood so."""
    try:
        return web_link(text) or "" if completed(text) == text else ""
    except ManifestError:
        return ""
