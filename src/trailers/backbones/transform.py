"""Resize and centre-crop frames as a row's weights want them; uint8 in, uint8 out.

Where the published transform works on PIL images (timm, torchvision's image weights), torch's
uint8 resize is the port of Pillow's and stays within one grey level of it; the video weights of
torchvision resize without antialiasing, and so does this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trailers.backbones.row import Transform

if TYPE_CHECKING:
    import torch


def resize_and_crop(frames: np.ndarray, transform: Transform) -> np.ndarray:
    """uint8 (n, height, width, 3) -> uint8 (n, crop height, crop width, 3)."""
    import torch

    pixels = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
    return np.asarray(crop(resize(pixels, transform), transform.crop).permute(0, 2, 3, 1).numpy())


def resize(pixels: torch.Tensor, transform: Transform) -> torch.Tensor:
    """uint8 (n, 3, height, width), resized and not yet cropped."""
    import torch

    size = transform.resized(pixels.shape[2], pixels.shape[3])
    if tuple(pixels.shape[2:]) == size:
        return pixels
    return torch.nn.functional.interpolate(
        pixels, size, mode=transform.interpolation, antialias=transform.antialias, align_corners=False
    )


def crop(pixels: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """The centre of (n, 3, height, width), rounded as torchvision does; black where the crop is larger."""
    import torch

    height, width = size
    missing = [max(0, height - pixels.shape[2]), max(0, width - pixels.shape[3])]
    if any(missing):
        top, left = missing[0] // 2, missing[1] // 2
        pixels = torch.nn.functional.pad(pixels, (left, missing[1] - left, top, missing[0] - top))
    top = round((pixels.shape[2] - height) / 2)
    left = round((pixels.shape[3] - width) / 2)
    return pixels[:, :, top : top + height, left : left + width]
