"""3D ShuffleNetV2 x1.0 after Kopuklu et al. 2019, "Resource Efficient 3D Convolutional Neural Networks".

No library contains it. Layers have the names of the published checkpoints, which were saved from a
DataParallel network (``module.``) with 600 or 400 classes, and in which "branch" is misspelt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trailers.backbones.row import About, Row, Transform, Weights
from trailers.errors import WeightsError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

FILE = "kinetics_shufflenetv2_1.0x_RGB_16_best.pth"

ROWS = (
    Row(
        "shufflenet3d", "shufflenet3d", "shufflenetv2_1.0x", 3, 1024,
        # Trained on pixels in [0, 255] with only the mean of ActivityNet taken off, which is in [0, 1]:
        Transform(
            (112,), (112, 112), (114.7748 / 255, 107.7354 / 255, 99.4750 / 255), (1 / 255,) * 3
        ),
        Weights(
            "Kinetics-600", FILE, licence="MIT",
            note=f"Get {FILE} from the pretrained models of github.com/okankop/Efficient-3DCNNs and put it there.",
        ),
        None, paper="ShuffleNet-3D", batch_cpu=8, batch_cuda=64,
        about=About("avg", "left out", 25, 16, 1_299_180, 286_381_172),
    ),
)  # fmt: skip

STAGES = ((116, 4), (232, 8), (464, 4))  # channels and units of each stage, width 1.0


def make(row: Row, weights: Path | None) -> nn.Module:
    """The network without its classifying layer."""
    network = build()
    if weights is not None:
        from trailers.backbones.weights import load_state

        state = load_state(weights)
        classes = state.pop("classifier.1.weight", None)
        state.pop("classifier.1.bias", None)
        if (
            classes is None
            or classes.ndim != 2
            or classes.shape[0] not in (400, 600)
            or classes.shape[1] != row.features
        ):
            raise WeightsError(f"{weights}: is not a 3D ShuffleNetV2 x1.0 of 400 or 600 classes. Use {FILE} instead.")
        network.load_state_dict(state)
    return network


def build() -> nn.Module:
    """(N, 3, T, 112, 112) -> (N, 1024), as initialised."""
    import torch
    from torch import nn

    def pointwise(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Conv3d(inputs, outputs, 1, bias=False), nn.BatchNorm3d(outputs), nn.ReLU(inplace=True)]

    def depthwise(channels: int, stride: int) -> list[nn.Module]:
        convolution = nn.Conv3d(channels, channels, 3, stride, 1, groups=channels, bias=False)
        return [convolution, nn.BatchNorm3d(channels)]

    class Unit(nn.Module):
        """Half the channels pass unchanged, half are convolved; with stride 2 both halves are convolved."""

        def __init__(self, inputs: int, outputs: int) -> None:
            super().__init__()
            half = outputs // 2
            self.halves = inputs == outputs
            stride, width = (1, half) if self.halves else (2, inputs)
            if not self.halves:
                self.banch1 = nn.Sequential(*depthwise(inputs, 2), *pointwise(inputs, half))
            self.banch2 = nn.Sequential(*pointwise(width, half), *depthwise(half, stride), *pointwise(half, half))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            left, right = x.chunk(2, dim=1) if self.halves else (self.banch1(x), x)
            x = torch.cat((left, self.banch2(right)), dim=1)
            return nn.functional.channel_shuffle(x, 2)

    class ShuffleNetV2(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            stem = nn.Conv3d(3, 24, 3, (1, 2, 2), 1, bias=False)
            self.conv1 = nn.Sequential(stem, nn.BatchNorm3d(24), nn.ReLU(inplace=True))
            self.maxpool = nn.MaxPool3d(3, 2, 1)
            units, inputs = [], 24
            for channels, count in STAGES:
                for _ in range(count):
                    units.append(Unit(inputs, channels))
                    inputs = channels
            self.features = nn.Sequential(*units)
            self.conv_last = nn.Sequential(*pointwise(inputs, 1024))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.conv_last(self.features(self.maxpool(self.conv1(x))))
            return x.mean(dim=(2, 3, 4))

    return ShuffleNetV2()
