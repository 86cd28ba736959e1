"""Why a link gave no video: a typed reason, and whether it can change by itself.

Only the video can be dead: a reason is permanent where the site said something about this video. What
speaks about the client, the site, the tool or one part of the bytes is temporary.
"""

from __future__ import annotations

from trailers.errors import DownloadError

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
    "client": False,  # the site refuses who asks: an app it does not serve any more, nobody is logged in
    "no format": False,  # the site names nothing that can be downloaded, as when it refuses a client or has changed
    "site": False,  # yt-dlp takes nothing from this site: all of it is under DRM
    "part refused": False,  # the video is there, but the address of its bytes, or of a fragment, gave an error
    "page": False,  # a web page or a notice in place of a video: a login page, "rate limited", a link to no video
    "not ready": False,
    "incomplete": False,
    "network": False,
    "other": False,
}
QUALITY = ("too short", "too long", "too small")  # the limits of Sec. 3; they exclude only with enforce_quality
CLIENT = ("bot check", "rate limited", "client", "no format")  # what speaks about who asks, whatever the trailer
WAITED_OUT = ("network", "rate limited", "not ready")  # worth another try within this run


class LinkError(DownloadError):
    """A link that gave no video.

    Args:
        reason: one of ``REASONS``.
        words: what happened, for this link.
        wait_s: what the site asks to wait.
        sentence: ``words`` without what names this link or trailer, so that the same answer can be recognised.
    """

    def __init__(self, reason: str, words: str, *, wait_s: float = 0, sentence: str = "") -> None:
        super().__init__(reason, words, dead=REASONS[reason], sentence=sentence)
        self.wait_s = wait_s
