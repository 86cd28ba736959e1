"""The baseline of bench.embed: embedding as in most public extractors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trailers.backbones.row import Row
from trailers.machine.memory import keep_freed_memory

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

Wanted = Sequence[tuple[Path, list[list[int]]]]  # each video with the frames of its clips; -1 is padding


def embed_one_by_one(row: Row, network: nn.Module, wanted: Wanted, device: str) -> None:
    """Embed clip by clip in float32: decord's get_batch, the published transform, one clip at a time."""
    keep_freed_memory(False)
    import decord
    import torch

    for path, clips in wanted:
        video = decord.VideoReader(str(path))
        for indices in clips:
            frames = video.get_batch([max(0, index) for index in indices]).asnumpy()
            with torch.no_grad():
                network(prepared(row, frames).to(device)).cpu()


def prepared(row: Row, frames: np.ndarray) -> torch.Tensor:
    """float32 (1, 3, H, W), or (1, 3, T, H, W) for a 3D backbone, from uint8 (T, height, width, 3)."""
    import torch

    pixels = torch.from_numpy(frames).permute(0, 3, 1, 2).float().div(255)
    transform = row.transform
    size = transform.resized(pixels.shape[2], pixels.shape[3])
    pixels = torch.nn.functional.interpolate(
        pixels, size, mode=transform.interpolation, antialias=transform.antialias, align_corners=False
    )
    top, left = ((side - cut) // 2 for side, cut in zip(size, transform.crop, strict=True))
    pixels = pixels[:, :, top : top + transform.crop[0], left : left + transform.crop[1]]
    mean, std = (torch.tensor(values)[:, None, None] for values in (transform.mean, transform.std))
    pixels = (pixels - mean) / std
    return pixels if row.dimensions == 2 else pixels.permute(1, 0, 2, 3)[None].contiguous()
