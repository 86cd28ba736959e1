"""Reads posters, which are untrusted: only listed formats, only up to a maximum size, and always the whole file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trailers.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGES = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")  # Pillow's readers of some other formats start programs
LONGEST = 16  # times the short side; a longer strip would fill the memory when its short side is enlarged
REMEDY = "Name another image in the manifest, column poster."


def open_image(path: Path) -> Image:
    """The image at ``path``, completely read and rotated as its EXIF data say; of several pictures, the first.

    Raises:
        ImageError: it is not an image, is damaged or truncated, or has a size that no poster has.
        OSError: the disk cannot read it.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            # Pillow only warns above 90 million pixels and refuses above twice as many; neither is a poster.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=IMAGES) as image:
                image.load()
                ImageOps.exif_transpose(image, in_place=True)
    except Exception as problem:  # Pillow raises exceptions of many types for damaged bytes
        if isinstance(problem, OSError) and problem.errno is not None:
            raise
        words = str(problem).replace(repr(str(path)), "it").rstrip(".") or type(problem).__name__
        raise ImageError(words, where=path, remedy=REMEDY) from problem
    if max(image.size) > LONGEST * min(image.size):
        raise ImageError(f"is a strip of {image.width}x{image.height} px", where=path, remedy=REMEDY)
    return image


def read_image(path: Path) -> np.ndarray:
    """uint8 (height, width, 3), RGB; transparent parts are shown over black.

    Channels of more than eight bits keep the upper eight. Colour profiles are not applied.

    Raises:
        ImageError, OSError: as ``open_image``.
    """
    from PIL import Image

    image = open_image(path)
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip at 255
        grey = (np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    return np.array(image.convert("RGB"))
