"""A row made ready to run: uint8 clips in, float32 vectors out, always in batches of one size.

Every batch that reaches the network has the same shape; a short one is filled up with black clips
whose vectors are thrown away. A network in eval mode computes each clip by itself, and with the
shape fixed each kernel does so in the same order, so a clip's vector is the same to the last bit
whatever its neighbours are: a run that was cut off and resumed gives the same bytes.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from trailers.backbones.precision import PRECISIONS, TOLERANCE, cosines, reduced_precision, sample_clips
from trailers.backbones.row import Row
from trailers.errors import ConfigError, SystemicError
from trailers.machine.gpu import exact_convolutions, gpu_failures

if TYPE_CHECKING:
    import torch
    from torch import nn

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
    ) -> None:
        """
        Args:
            row: what the network is.
            network: float32, from ``make_network``; kept for comparison until the precision is chosen.
            device: cpu or cuda.
            precision: auto for the fastest that stays within ``TOLERANCE``, or float32.
            batch_clips: None takes the row's own.
        """
        if precision not in PRECISIONS:
            raise ConfigError(
                f"embed.precision: '{precision}' is none of {', '.join(PRECISIONS)}. Correct it in config.yaml."
            )
        self.row = row
        self.device = device
        self.batch_clips = batch_clips or (row.batch_cuda if device.startswith("cuda") else row.batch_cpu)
        self.precision = "float32"
        self.worst_cosine = 1.0
        self.copies: torch.cuda.Stream | None = None
        self.network = self.place(network, "float32")
        reduced = reduced_precision(device)
        if precision == "auto":
            self.try_precision(network, reduced)

    def place(self, network: nn.Module, precision: str) -> nn.Module:
        import torch

        layout = torch.channels_last if self.row.dimensions == 2 else torch.channels_last_3d
        placed: nn.Module = copy.deepcopy(network).to(self.device, getattr(torch, precision))
        for parameter in placed.parameters():
            if parameter.ndim == self.row.dimensions + 2:
                parameter.data = parameter.data.contiguous(memory_format=layout)
        return placed

    def try_precision(self, network: nn.Module, precision: str) -> None:
        """Take ``precision``, and faster arithmetic, when some made-up clips keep the vectors they have in float32."""
        clips = sample_clips(self.row)
        exact = self(clips)
        kept, self.network, self.precision = (
            self.network,
            faster(self.place(network, precision), self.device),
            precision,
        )
        self.worst_cosine = float(cosines(exact, self(clips)).min())
        if not self.worst_cosine >= TOLERANCE:
            log.info(
                "embed: %s: stays in float32: %s comes to a cosine of %.5f", self.row.name, precision, self.worst_cosine
            )
            self.network, self.precision, self.worst_cosine = kept, "float32", 1.0

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
            try:
                vectors[done : done + len(part)] = self.batch(part)
            except torch.OutOfMemoryError:
                self.halve()
                continue
            done += len(part)
        return vectors

    @property
    def batches_in_flight(self) -> int:
        """How many batches may wait for their results while the next is started."""
        return 1 if self.device.startswith("cuda") else 0

    def start(self, clips: np.ndarray) -> Callable[[], np.ndarray]:
        """Begin with the vectors of one batch; what is given waits for them and gives them.

        On a GPU the batch goes through page-locked memory and a stream of its own, so that it is
        copied while the batch before is computed.
        """
        if self.device.startswith("cuda") and len(clips) <= self.batch_clips:
            import torch

            try:
                with gpu_failures(self.row.name):
                    return self.launch(clips)
            except torch.OutOfMemoryError:
                self.halve()
        with gpu_failures(self.row.name):
            vectors = self(clips)
        return lambda: vectors

    def launch(self, clips: np.ndarray) -> Callable[[], np.ndarray]:
        import torch

        if self.copies is None:
            self.copies = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        locked = torch.from_numpy(clips).pin_memory()
        with torch.cuda.stream(self.copies):
            there = locked.to(self.device, non_blocking=True)
        compute = torch.cuda.current_stream(self.device)
        compute.wait_stream(self.copies)
        there.record_stream(compute)  # or its memory could be given away before it is read
        found = self.vectors_of(there)
        vectors = torch.empty(found.shape, dtype=torch.float32, pin_memory=True)
        vectors.copy_(found, non_blocking=True)
        done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        done.record(compute)

        def wait() -> np.ndarray:
            with gpu_failures(self.row.name):
                done.synchronize()
            return np.asarray(vectors.numpy())

        return wait

    def batch(self, part: torch.Tensor) -> np.ndarray:
        """One batch, there and back."""
        return np.asarray(self.vectors_of(part.to(self.device)).cpu().numpy())

    def vectors_of(self, part: torch.Tensor) -> torch.Tensor:
        """float32 (n, F) of one batch on the device, which is filled up to its fixed size."""
        import torch

        count = len(part)
        with torch.inference_mode(), exact_convolutions():
            if count < self.batch_clips:
                part = torch.cat([part, part.new_zeros((self.batch_clips - count, *part.shape[1:]))])
            found: torch.Tensor = self.network(self.normalise(part))
            if found.ndim != 2 or found.shape[1] != self.row.features:
                raise ConfigError(
                    f"{self.row.name} gives {tuple(found.shape[1:])} for a clip where its row says "
                    f"({self.row.features},). Correct the row's features, or take the network's last layer off."
                )
            return found[:count].float()

    def normalise(self, pixels: torch.Tensor) -> torch.Tensor:
        """uint8 (N, T, H, W, 3) -> float (N, 3, H, W) or (N, 3, T, H, W), channels last in memory."""
        import torch

        transform = self.row.transform
        scale = torch.tensor([1 / (255 * std) for std in transform.std], device=pixels.device)
        shift = torch.tensor(
            [-mean / std for mean, std in zip(transform.mean, transform.std, strict=True)], device=pixels.device
        )
        x = pixels.to(torch.float32).mul_(scale).add_(shift).to(getattr(torch, self.precision))
        return x[:, 0].permute(0, 3, 1, 2) if self.row.dimensions == 2 else x.permute(0, 4, 1, 2, 3)

    def halve(self) -> None:
        """Go on with half the batch; for a device whose memory is full."""
        import torch

        if self.batch_clips == 1:
            raise SystemicError(
                f"{self.row.name}: not even one clip fits into the memory of {self.device}. Use another device."
            )
        self.batch_clips //= 2
        torch.cuda.empty_cache()
        log.warning(
            "embed: %s: out of memory on %s, going on with %d clips a batch",
            self.row.name,
            self.device,
            self.batch_clips,
        )


def faster(network: nn.Module, device: str) -> nn.Module:
    """``network`` with its arithmetic in an order that suits the device; the results differ by rounding."""
    if device != "cpu":
        return network
    from torchvision.models.video.swin_transformer import SwinTransformer3d

    if any(isinstance(module, SwinTransformer3d) for module in network.modules()):
        from trailers.backbones.swin3d import speed_up

        return speed_up(network)
    return network
