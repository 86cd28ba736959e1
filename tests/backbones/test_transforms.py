"""Frames are resized, cropped and normalised as published with the weights."""

from __future__ import annotations

import numpy as np
import pytest

from trailers.backbones.precision import sample_clips
from trailers.backbones.row import Row, Transform, Weights
from trailers.backbones.rows import ROWS
from trailers.backbones.transform import resize_and_crop


def natural_frames(height: int, width: int, count: int = 2) -> np.ndarray:
    transform = Transform((height, width), (height, width), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    row = Row("made-up", "own", "made-up", 3, 4, transform, Weights("none", "none.pth"), count)
    return sample_clips(row, 2)[0]


@pytest.mark.parametrize("name", ["resnet50", "shufflenet_v2_x1_0", "r2plus1d_18", "swin3d_t", "s3d", "mvit_v2_s"])
def test_transforms_are_those_of_torchvision(name: str) -> None:
    import torch
    from torchvision.models import get_weight

    frames = natural_frames(256, 455)
    row = ROWS[name]
    enum = {"resnet50": "ResNet50", "shufflenet_v2_x1_0": "ShuffleNet_V2_X1_0", "r2plus1d_18": "R2Plus1D_18"}
    enum |= {"swin3d_t": "Swin3D_T", "s3d": "S3D", "mvit_v2_s": "MViT_V2_S"}
    preset = get_weight(f"{enum[name]}_Weights.{row.weights.name}").transforms()
    published = preset(torch.from_numpy(frames).permute(0, 3, 1, 2))
    published = published if row.dimensions == 2 else published.permute(1, 0, 2, 3)

    ours = normalised(resize_and_crop(frames, row.transform), row.transform)
    assert ours.shape == tuple(published.shape)
    levels = np.abs(ours - published.numpy()) * 255 * np.array(row.transform.std)[:, None, None]
    assert levels.max() <= 1.01


def test_the_transform_of_a_timm_row_is_that_of_timm() -> None:
    import timm
    from PIL import Image

    row = ROWS["swin_tiny_patch4_window7_224.ms_in1k"]
    frames = natural_frames(256, 455)
    published = timm.data.create_transform(**timm.data.resolve_data_config(pretrained_cfg=published_timm(row.model)))
    wanted = np.stack([published(Image.fromarray(frame)).numpy() for frame in frames])
    ours = normalised(resize_and_crop(frames, row.transform), row.transform)
    levels = np.abs(ours - wanted) * 255 * np.array(row.transform.std)[:, None, None]
    assert levels.max() <= 2.01
    assert (levels > 0.5).mean() < 0.005


def published_timm(model: str) -> dict:
    from timm.models import get_pretrained_cfg

    return get_pretrained_cfg(model).to_dict()


def normalised(pixels: np.ndarray, transform: Transform) -> np.ndarray:
    """float (n, 3, height, width), computed with plain numpy."""
    scaled = (pixels / 255 - np.array(transform.mean)) / np.array(transform.std)
    return scaled.transpose(0, 3, 1, 2)


@pytest.mark.parametrize(
    ("height", "width", "resized"),
    [(256, 455, (256, 455)), (272, 480, (256, 451)), (480, 272, (451, 256)), (100, 100, (256, 256))],
)
def test_the_short_side_is_resized_and_the_long_side_cut_down(
    height: int, width: int, resized: tuple[int, int]
) -> None:
    assert ROWS["resnet50"].transform.resized(height, width) == resized


def test_a_crop_larger_than_the_frame_is_filled_with_black() -> None:
    transform = Transform((4,), (6, 8), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    cut = resize_and_crop(np.full((1, 4, 4, 3), 200, np.uint8), transform)
    assert cut.shape == (1, 6, 8, 3)
    assert cut[0, :, :, 0].tolist() == [[0] * 8, *[[0, 0, 200, 200, 200, 200, 0, 0]] * 4, [0] * 8]
