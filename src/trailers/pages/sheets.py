"""Many small pictures in one JPEG, so that a page loads one file and the folder of 12,000 trailers stays small.

tiles of one size, row after row      0  1  2  3
                                      4  5  6
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MCU_PX = 16  # block of a JPEG with halved colour; tiles whose sides are multiples of it do not affect each other
WIDEST_PX = 2800  # maximum width of a sheet; phones cannot draw images of more than 4,096 px
QUALITIES = (34, 42, 50, 58, 66, 74, 82)  # JPEG qualities; the lowest is still recognisable
SIXTHS = (6, 5, 4, 3, 2)  # sixths of the height, tried in this order


@dataclass(frozen=True)
class Sheet:
    """One image of many tiles.

    Args:
        data: the bytes of a JPEG.
        frames: which frame each tile shows, ascending.
        columns: tiles per row.
        width_px: of one tile.
        height_px: of one tile.
    """

    data: bytes
    frames: tuple[int, ...]
    columns: int
    width_px: int
    height_px: int

    def described(self, name: str) -> dict[str, object]:
        """The facts that a page needs about it; ``name`` is that of its file."""
        return {
            "file": name,
            "bytes": len(self.data),
            "sha256": hashlib.sha256(self.data).hexdigest(),
            "columns": self.columns,
            "tile": [self.width_px, self.height_px],
            "frames": list(self.frames),
        }


def tile_size(width_px: int, height_px: int, *, tile_px: int) -> tuple[int, int]:
    """Width and height of a tile for a video of this size; both are multiples of ``MCU_PX``.

    The page stretches tiles to the aspect of the video, so that the rounding is not visible.
    """
    width = round(tile_px * width_px / height_px / MCU_PX) * MCU_PX
    return max(MCU_PX, min(width, 3 * tile_px)), tile_px


def halved(pictures: np.ndarray) -> np.ndarray:
    """uint8 (pictures, height / 2, width / 2, 3): the mean of every four pixels."""
    summed = pictures[:, ::2, ::2].astype(np.uint16)
    for rows, columns in ((0, 1), (1, 0), (1, 1)):
        summed += pictures[:, rows::2, columns::2]
    return ((summed + 2) >> 2).astype(np.uint8)


def make_sheet(pictures: np.ndarray, frames: Sequence[int], *, most_bytes: int) -> Sheet:
    """The pictures in one image, as large and then as good as ``most_bytes`` allows; the smallest if none fits.

    Args:
        pictures: uint8 (pictures, height, width, 3), RGB; the height is a multiple of 6.
        frames: the frame that each of them shows.
        most_bytes: maximum size of the image.

    Raises:
        ValueError: there are no pictures, or not one per frame.
    """
    if len(pictures) == 0 or len(pictures) != len(frames):
        raise ValueError(f"a sheet has one picture per frame, got {len(pictures)} for {len(frames)}")
    for sixths in SIXTHS:
        small = shrunk(pictures, sixths)
        _, height, width, _ = small.shape
        columns = max(1, min(len(small), WIDEST_PX // width))
        data = best_fit(tiled(small, columns), most_bytes)
        if len(data) <= most_bytes:
            break
    return Sheet(data, tuple(int(frame) for frame in frames), columns, width, height)


def shrunk(pictures: np.ndarray, sixths: int) -> np.ndarray:
    """The pictures reduced to ``sixths`` / 6 of their height, and about the same share of their width."""
    from PIL import Image

    count, height, width, _ = pictures.shape
    if sixths == 6:
        return pictures
    size = max(8, round(width * sixths / 6 / 8) * 8), height * sixths // 6
    # Stacked vertically they are resized as one image; no output pixel mixes two pictures.
    column = Image.fromarray(pictures.reshape(count * height, width, 3))
    resized = column.resize((size[0], count * size[1]), Image.Resampling.BOX)
    return np.asarray(resized).reshape(count, size[1], size[0], 3)


def best_fit(image: np.ndarray, most_bytes: int) -> bytes:
    """The best JPEG of ``image`` that fits, or the worst if none fits. Size grows with quality."""
    best = encoded(image, QUALITIES[0])
    low, high = 1, len(QUALITIES) if len(best) <= most_bytes else 0
    while low < high:
        middle = (low + high) // 2
        data = encoded(image, QUALITIES[middle])
        if len(data) <= most_bytes:
            best, low = data, middle + 1
        else:
            high = middle
    return best


def tiled(pictures: np.ndarray, columns: int) -> np.ndarray:
    """uint8 (rows * height, columns * width, 3): the pictures row after row; empty places are black."""
    count, height, width, _ = pictures.shape
    rows = -(-count // columns)
    room = np.zeros((rows * columns, height, width, 3), np.uint8)
    room[:count] = pictures
    return room.reshape(rows, columns, height, width, 3).swapaxes(1, 2).reshape(rows * height, columns * width, 3)


def encoded(image: np.ndarray, quality: int) -> bytes:
    """The bytes of a JPEG of ``image``, uint8 (height, width, 3), RGB."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling="4:2:0", optimize=True)
    return file.getvalue()


def spread_out(values: Sequence[int], most: int) -> list[int]:
    """Up to ``most`` of ``values``, evenly chosen, including the first and the last."""
    if len(values) <= most:
        return list(values)
    places = np.linspace(0, len(values) - 1, most).round().astype(int)
    return [values[place] for place in places]
