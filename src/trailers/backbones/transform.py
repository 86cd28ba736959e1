"""Resize and centre-crop frames as a row's weights require; uint8 in, uint8 out.

If the published transform works on PIL images (timm, torchvision's image weights), torch's uint8 resize is the port of
Pillow's and stays within one grey level of it. The video weights of torchvision resize without antialiasing, and so
does this module.
"""

from __future__ import annotations

import numpy as np

from trailers.backbones.row import Transform


def resize_and_crop(frames: np.ndarray, transform: Transform) -> np.ndarray:
    """uint8 (n, height, width, 3) -> uint8 (n, crop height, crop width, 3).

    Frames that already have the size, which is frequent with normalise.short_side, do not need torch.
    """
    size = transform.resized(frames.shape[1], frames.shape[2])
    return crop(frames if frames.shape[1:3] == size else resize(frames, transform), transform)


def resize(frames: np.ndarray, transform: Transform) -> np.ndarray:
    """uint8 (n, height, width, 3), resized and not yet cropped. Imports torch."""
    import torch

    pixels = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
    size = transform.resized(frames.shape[1], frames.shape[2])
    resized = torch.nn.functional.interpolate(
        pixels, size, mode=transform.interpolation, antialias=transform.antialias, align_corners=False
    )
    return np.asarray(resized.permute(0, 2, 3, 1).numpy())


def crop(frames: np.ndarray, transform: Transform) -> np.ndarray:
    """The centre of (n, height, width, 3); black around it if the crop is larger."""
    height, width = transform.crop
    rounded = round if transform.crop_rounding == "nearest" else int
    missing = [max(0, height - frames.shape[1]), max(0, width - frames.shape[2])]
    if any(missing):
        before = [lack // 2 for lack in missing]
        around = [(first, lack - first) for first, lack in zip(before, missing, strict=True)]
        frames = np.pad(frames, [(0, 0), *around, (0, 0)])
    top = rounded((frames.shape[1] - height) / 2)
    left = rounded((frames.shape[2] - width) / 2)
    return frames[:, top : top + height, left : left + width]
