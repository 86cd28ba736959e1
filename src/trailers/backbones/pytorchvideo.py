"""pytorchvideo: video rows with Kinetics-400 weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trailers.backbones.row import Row, Transform, Weights

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

ZOO = "https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics/"


def video_row(name: str, features: int, frames: int, file: str, *, resize: int = 256, crop: int = 224) -> Row:
    """Each takes the number of frames it was trained on, spread over the clip."""
    mean, std = (0.45, 0.45, 0.45), (0.225, 0.225, 0.225)
    transform = Transform((resize,), (crop, crop), mean, std, antialias=False)
    weights = Weights("Kinetics-400", file, ZOO + file, licence="Apache-2.0")
    return Row(name, "pytorchvideo", name, 3, features, transform, weights, frames, batch_cpu=2, batch_cuda=32)


ROWS = (
    video_row("slow_r50", 2048, 8, "SLOW_8x8_R50.pyth", crop=256),
    video_row("x3d_m", 2048, 16, "X3D_M.pyth", crop=256),
    video_row("mvit_base_16x4", 768, 16, "MVIT_B_16x4.pyth"),
    video_row("csn_r101", 2048, 32, "CSN_32x2_R101.pyth"),
    video_row("r2plus1d_r50", 2048, 16, "R2PLUS1D_16x4_R50.pyth"),
)


def make(row: Row, weights: Path | None) -> nn.Module:
    """The network without its classifying layer."""
    from pytorchvideo.models import hub
    from torch import nn

    network: nn.Module = getattr(hub, row.model)(pretrained=False)
    if weights is not None:
        from trailers.backbones.weights import load_state

        network.load_state_dict(load_state(weights))
    head = network.head if hasattr(network, "head") else network.blocks[-1]  # type: ignore[index]
    head.proj = nn.Identity()  # type: ignore[union-attr]
    for name in ("activation", "dropout"):
        if hasattr(head, name):
            setattr(head, name, None)
    return network
