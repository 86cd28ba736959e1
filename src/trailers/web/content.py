"""What a downloaded file contains: the facts of a video or an image, or why it is neither."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trailers.errors import ImageError, VideoError
from trailers.store.image import open_image
from trailers.web.reasons import LinkError
from trailers.web.verdict import clean


def look_at_video(path: Path) -> dict[str, Any]:
    """The facts of the video at ``path``. Raises LinkError if it is not a video."""
    from trailers.video import probe

    try:
        seen = probe(path)
    except VideoError as problem:
        # Without the remedy of VideoError: here, the next link is tried.
        raise LinkError("not a video", picture_words(path) or clean(problem.what)) from problem
    return {
        "container": seen.container,
        "codec": seen.codec,
        "fps": round(seen.fps, 3),
        "duration_s": round(seen.duration_s, 3) or None,
        "width_px": seen.width,
        "height_px": seen.height,
    }


def picture_words(path: Path) -> str:
    """A sentence about a still picture, or "" if ``path`` is not one."""
    try:
        return f"is a picture ({open_image(path).format}), not a video"
    except ImageError:
        return ""


def look_at_image(path: Path) -> dict[str, Any]:
    """The facts of the image at ``path``. Raises LinkError if it is not a complete image."""
    try:
        image = open_image(path)
    except ImageError as problem:
        raise LinkError("not an image", clean(problem.what)) from problem
    return {"container": str(image.format), "width_px": image.width, "height_px": image.height}
