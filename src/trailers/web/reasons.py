"""The reasons why a link gives no video, and whether each is permanent.

A reason is permanent only if the site said something about this video. Reasons that concern the client, the site,
yt-dlp or one part of the bytes are temporary.
"""

from __future__ import annotations

from trailers.errors import DownloadError

# Reason -> whether it is permanent: then another try cannot help until something changes.
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
    "client": False,  # the site refuses this client: an app that it no longer supports, or nobody is logged in
    "no format": False,  # the site offers nothing that can be downloaded: it refuses the client, or has changed
    "site": False,  # yt-dlp downloads nothing from this site, for example because everything is under DRM
    "part refused": False,  # the video exists, but the address of its bytes or of a fragment gave an error
    "page": False,  # a web page or a notice in place of a video: a login page, "rate limited", a page without video
    "not ready": False,
    "incomplete": False,
    "network": False,
    "other": False,
}
QUALITY = ("too short", "too long", "too small")  # the limits of Sec. 3; they exclude only with enforce_quality
CLIENT = ("bot check", "rate limited", "client", "no format")  # these concern the client, not the trailer
WAITED_OUT = ("network", "rate limited", "not ready")  # these are retried within a run


class LinkError(DownloadError):
    """A link gave no video.

    Args:
        reason: one of ``REASONS``.
        words: what happened with this link.
        wait_s: seconds that the site asks to wait.
        sentence: ``words`` without the names of link and trailer, so that equal answers can be recognised.
    """

    def __init__(self, reason: str, words: str, *, wait_s: float = 0, sentence: str = "") -> None:
        super().__init__(reason, words, dead=REASONS[reason], sentence=sentence)
        self.wait_s = wait_s
