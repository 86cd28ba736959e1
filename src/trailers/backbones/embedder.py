"""A row that is ready to run: uint8 clips in, float32 vectors out, always in batches of one size.

Every batch that reaches the network has the same shape; a short batch is filled with black clips whose vectors are
discarded. A network in eval mode computes each clip independently, and with a fixed shape each kernel does so in the
same order. Therefore a clip's vector does not depend on its neighbours, to the last bit, and a run that was interrupted
and resumed gives the same bytes. For networks of which this is not true (``depends_on_place``), the stage makes batches
of clips of one trailer only.
"""

from __future__ import annotations

import copy
import functools
import logging
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from trailers.backbones.precision import TOLERANCE, cosines, sample_clips
from trailers.backbones.row import Row
from trailers.errors import ConfigError, SystemicError
from trailers.machine.device import check_precision, reduced_precisions
from trailers.machine.gpu import exact_float32, gpu_failures, unless_full

if TYPE_CHECKING:
    import torch
    from torch import nn

    from trailers.machine.copies import Buffer

log = logging.getLogger(__name__)


class Embedder:
    """Clips -> vectors for one row on one device."""

    def __init__(
        self,
        row: Row,
        network: nn.Module,
        *,
        device: str = "cpu",
        precision: str = "auto",
        batch_clips: int | None = None,
        real_clips: np.ndarray | None = None,
    ) -> None:
        """
        Args:
            row: the backbone.
            network: float32, from ``make_network``; kept for comparison until the precision is chosen.
            device: cpu or cuda.
            precision: auto for the fastest that stays within ``TOLERANCE``, or float32.
            batch_clips: None takes the default of the row.
            real_clips: some of the clips to embed, uint8 (n, frames, height, width, 3); precisions are tried on them.
        """
        import torch

        from trailers.machine.copies import Copies

        check_precision(precision, setting="embed.precision")
        self.row = row
        self.device = device
        self.batch_clips = batch_clips or (row.batch_cuda if device.startswith("cuda") else row.batch_cpu)
        self.precision = "float32"
        self.worst_cosine = 1.0
        with gpu_failures(row.name, halving=False):
            self.copies = Copies(torch.device(device)) if device.startswith("cuda") else None
            transform = row.transform
            # Made once, because making them from Python values is a copy to the device for which the host waits.
            self.scale = torch.tensor([1 / (255 * std) for std in transform.std], device=device)
            self.shift = torch.tensor(
                [-mean / std for mean, std in zip(transform.mean, transform.std, strict=True)], device=device
            )
            self.network = self.place(network, "float32")
            if precision == "auto":
                self.choose_precision(network, real_clips)

    def place(self, network: nn.Module, precision: str) -> nn.Module:
        import torch

        layout = torch.channels_last if self.row.dimensions == 2 else torch.channels_last_3d
        placed: nn.Module = copy.deepcopy(network).to(self.device, getattr(torch, precision))
        for parameter in placed.parameters():
            if parameter.ndim == self.row.dimensions + 2:
                parameter.data = parameter.data.contiguous(memory_format=layout)
        return placed

    def choose_precision(self, network: nn.Module, real_clips: np.ndarray | None) -> None:
        """Takes the first precision, and faster arithmetic, whose vectors are close enough to those of float32."""
        tried = clips_to_try(self.row, real_clips)
        exact = [self(clips) for clips in tried]
        kept = self.network
        for precision in reduced_precisions(self.device):
            self.network, self.precision = faster(self.place(network, precision), self.device), precision
            worst = min(float(cosines(wanted, self(clips)).min()) for wanted, clips in zip(exact, tried, strict=True))
            if worst >= TOLERANCE:
                self.worst_cosine = worst
                return
            log.info("embed: %s: %s reaches a cosine of only %.5f and is not used", self.row.name, precision, worst)
            self.network, self.precision = kept, "float32"

    def __call__(self, clips: np.ndarray | torch.Tensor) -> np.ndarray:
        """Vectors of any number of clips.

        Args:
            clips: uint8 (clips, frames, height, width, 3), resized and cropped; padding is 0.

        Returns:
            float32 (clips, F).
        """
        import torch

        pixels = torch.from_numpy(clips) if isinstance(clips, np.ndarray) else clips
        vectors = np.empty((len(pixels), self.row.features), np.float32)
        done = 0
        while done < len(pixels):
            part = pixels[done : done + self.batch_clips]
            found = unless_full(self.batch, part)
            if found is None:
                self.halve()
                continue
            vectors[done : done + len(part)] = found
            done += len(part)
        return vectors

    @functools.cached_property
    def depends_on_place(self) -> bool:
        """Whether a clip's last bits depend on its place in a batch, as with some grouped convolutions (RegNet).

        Tried with one clip at all places. If it is True, batches must always be composed in the same way.
        """
        if self.batch_clips == 1:
            return False
        vectors = self(np.repeat(sample_clips(self.row, 2)[:1], self.batch_clips, axis=0))
        return bool((vectors != vectors[0]).any())

    @property
    def computed_on(self) -> dict[str, str | int]:
        """Attributes for the files: what the last bits depend on besides the precision; empty on a CPU."""
        if self.copies is None:
            return {}
        import torch

        return {"gpu": torch.cuda.get_device_name(self.device), "batch_clips": self.batch_clips}

    @property
    def batches_in_flight(self) -> int:
        """How many batches may wait for their results while the next is started."""
        return 1 if self.copies is not None else 0

    def buffer(self, frames: int) -> Buffer:
        """The buffer for composing a batch of clips of ``frames`` frames: (batch_clips, frames, height, width, 3).

        It must be started before the second buffer after it is requested.
        """
        import torch

        from trailers.machine.copies import Buffer

        shape = (self.batch_clips, frames, *self.row.transform.crop, 3)
        with gpu_failures(self.row.name, halving=False):
            return Buffer(torch.empty(shape, dtype=torch.uint8)) if self.copies is None else self.copies.buffer(shape)

    def start(self, buffer: Buffer, count: int) -> Callable[[], np.ndarray]:
        """Starts computing the vectors of the first ``count`` clips of ``buffer``; the result waits for them.

        On a GPU the batch is copied while the previous batch is computed.
        """
        if self.copies is not None and count <= self.batch_clips:
            pending = unless_full(self.launch, buffer, count)
            if pending is not None:
                return pending
            self.halve()
        vectors = self(buffer.tensor[:count])
        return lambda: vectors

    def launch(self, buffer: Buffer, count: int) -> Callable[[], np.ndarray]:
        """Starts the copy to the device, the computation and the copy back, without waiting."""
        assert self.copies is not None
        with gpu_failures(self.row.name):
            wait = self.copies.download(self.vectors_of(self.copies.upload(buffer, count)))

        def vectors() -> np.ndarray:
            with gpu_failures(self.row.name, halving=False):
                return wait()

        return vectors

    def batch(self, part: torch.Tensor) -> np.ndarray:
        """The vectors of one batch, copied to the device and back."""
        with gpu_failures(self.row.name):
            return np.asarray(self.vectors_of(part.to(self.device)).cpu().numpy())

    def vectors_of(self, part: torch.Tensor) -> torch.Tensor:
        """float32 (n, F) of one batch on the device, which is filled to its fixed size."""
        import torch

        count = len(part)
        with torch.inference_mode(), exact_float32():
            if count < self.batch_clips:
                part = torch.cat([part, part.new_zeros((self.batch_clips - count, *part.shape[1:]))])
            found: torch.Tensor = self.network(self.normalise(part))
            if found.ndim != 2 or found.shape[1] != self.row.features:
                raise ConfigError(
                    f"{self.row.name} gives {tuple(found.shape[1:])} for a clip, but its row says "
                    f"({self.row.features},). Correct the row's features, or remove the network's last layer."
                )
            return found[:count].float()

    def normalise(self, pixels: torch.Tensor) -> torch.Tensor:
        """uint8 (N, T, H, W, 3) -> float (N, 3, H, W) or (N, 3, T, H, W), channels last in memory."""
        import torch

        x = pixels.to(torch.float32).mul_(self.scale).add_(self.shift).to(getattr(torch, self.precision))
        return x[:, 0].permute(0, 3, 1, 2) if self.row.dimensions == 2 else x.permute(0, 4, 1, 2, 3)

    def halve(self) -> None:
        """Halves the batch, because the memory of the device is full."""
        import torch

        if self.batch_clips == 1:
            raise SystemicError(
                f"{self.row.name}: not even one clip fits into the memory of {self.device}. Use another device."
            )
        self.batch_clips //= 2
        self.__dict__.pop("depends_on_place", None)  # it holds for one batch size
        if self.copies is not None:
            self.copies.forget()
        torch.cuda.empty_cache()
        log.warning(
            "embed: %s: out of memory on %s, continuing with %d clips per batch",
            self.row.name,
            self.device,
            self.batch_clips,
        )


def clips_to_try(row: Row, real_clips: np.ndarray | None) -> list[np.ndarray]:
    """Synthetic and real clips, in one array if they have the same length."""
    synthetic = sample_clips(row)
    if real_clips is None or not len(real_clips):
        return [synthetic]
    same = synthetic.shape[1:] == real_clips.shape[1:]
    return [np.concatenate([synthetic, real_clips])] if same else [synthetic, real_clips]


def faster(network: nn.Module, device: str) -> nn.Module:
    """``network`` with its arithmetic in an order that suits the device; the results differ by rounding."""
    module_of_swin3d = "torchvision.models.video.swin_transformer"
    # Importing the module takes seconds; if the network is a Swin3D, it has been imported already.
    if device != "cpu" or module_of_swin3d not in sys.modules:
        return network
    from torchvision.models.video.swin_transformer import SwinTransformer3d

    if any(isinstance(module, SwinTransformer3d) for module in network.modules()):
        from trailers.backbones.swin3d import speed_up

        return speed_up(network)
    return network
