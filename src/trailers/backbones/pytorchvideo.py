"""pytorchvideo: video rows with Kinetics-400 weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trailers.backbones.row import About, Row, Transform, Weights

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

ZOO = "https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics/"


FPS = 30  # of Kinetics' videos


def video_row(name: str, features: int, file: str, about: About, *, resize: int = 256, crop: int = 224) -> Row:
    """A row that takes the number of frames of its training, spread over the clip."""
    mean, std = (0.45, 0.45, 0.45), (0.225, 0.225, 0.225)
    transform = Transform((resize,), (crop, crop), mean, std, antialias=False)
    weights = Weights("Kinetics-400", file, ZOO + file, licence="Apache-2.0")
    return Row(
        name, "pytorchvideo", name, 3, features, transform, weights, about.clip_frames, batch_cpu=2, batch_cuda=32,
        about=about,
    )  # fmt: skip


def trained(frames: int, step: int, parameters: int, multiply_adds: int, pooling: str = "avg") -> About:
    """About weights trained on ``frames`` frames, every ``step``-th of a video: 8x8, 16x5 in the file names."""
    return About(pooling, "left out", FPS / step, frames, parameters, multiply_adds)


ROWS = (
    video_row("slow_r50", 2048, "SLOW_8x8_R50.pyth", trained(8, 8, 31_634_496, 54_517_563_392), crop=256),
    video_row("x3d_m", 2048, "X3D_M.pyth", trained(16, 5, 2_974_674, 6_182_448_384), crop=256),
    video_row("mvit_base_16x4", 768, "MVIT_B_16x4.pyth", trained(16, 4, 36_303_072, 70_599_100_608, "token")),
    video_row("slowfast_r50", 2304, "SLOWFAST_8x8_R50.pyth", trained(32, 2, 33_644_488, 65_707_966_464), crop=256),
    video_row("slowfast_r101", 2304, "SLOWFAST_8x8_R101.pyth", trained(32, 2, 61_904_968, 125_904_617_472), crop=256),
    video_row("csn_r101", 2048, "CSN_32x2_R101.pyth", trained(32, 2, 21_394_176, 56_467_367_936)),
    video_row("r2plus1d_r50", 2048, "R2PLUS1D_16x4_R50.pyth", trained(16, 4, 27_288_000, 57_533_005_824)),
)


SLOWFAST_RATIO = 4  # frames of SlowFast's fast pathway for each of its slow one


def slow_frames(frames: int) -> tuple[int, ...]:
    """Which of the frames of the fast pathway the slow pathway sees: evenly spread, both ends included.

    Frame j of n is floor(j * (frames - 1) / (n - 1)), the subsample of pytorchvideo's own evaluation.
    """
    count = frames // SLOWFAST_RATIO
    return tuple(j * (frames - 1) // (count - 1) for j in range(count))


def two_pathways(network: nn.Module, frames: int) -> nn.Module:
    """``network`` on clips, float (N, 3, frames, H, W); its slow pathway gets the subsample."""
    import torch
    from torch import nn

    class TwoPathways(nn.Module):
        slow: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.network = network
            self.register_buffer("slow", torch.tensor(slow_frames(frames)), persistent=False)

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            # Keeps the memory layout: an indexed tensor is contiguous, which makes convolutions slower.
            slow = pixels.index_select(2, self.slow).contiguous(memory_format=torch.channels_last_3d)
            found: torch.Tensor = self.network([slow, pixels])
            return found

    return TwoPathways()


def make(row: Row, weights: Path | None) -> nn.Module:
    """The network without its classifying layer. SlowFast gets its two inputs from the one clip."""
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
    return two_pathways(network, row.frames) if row.model.startswith("slowfast") and row.frames else network
