"""Detector and every row on "cuda", with tensors that have shapes and no numbers: what waits is seen without a GPU.

Prints a JSON object: what makes the host wait while a batch is begun, by row and precision.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from late_cuda import Waits, in_place_of_cuda
from trailers.backbones.embedder import Embedder, faster
from trailers.backbones.network import make_network
from trailers.backbones.row import Row
from trailers.backbones.rows import ROWS
from trailers.detector.network import Network, load_weights
from trailers.machine.copies import Copies

INITIALISERS = ("kaiming_normal_", "trunc_normal_", "kaiming_uniform_", "normal_", "uniform_", "xavier_uniform_")


def move(module: torch.nn.Module, device: Any, dtype: torch.dtype | None = None) -> torch.nn.Module:
    """``module.to``, which swaps tensors in place and cannot do so with those that have no numbers."""
    for part in module.modules():
        for name, one in part._parameters.items():
            if one is not None:
                part._parameters[name] = torch.nn.Parameter(one.to(device, dtype), requires_grad=False)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = buffer.to(device, dtype if buffer.is_floating_point() else None)
    return module


class Shapes(Embedder):
    """An embedder whose tensors have no numbers; torch crashes when ``.data`` of those is set, or copied twice."""

    def place(self, network: torch.nn.Module, precision: str) -> torch.nn.Module:
        layout = torch.channels_last if self.row.dimensions == 2 else torch.channels_last_3d
        placed = move(network, self.device, getattr(torch, precision))
        for part in placed.modules():
            for name, one in part._parameters.items():
                if one is not None and one.ndim == self.row.dimensions + 2:
                    laid = one.contiguous(memory_format=layout)
                    part._parameters[name] = torch.nn.Parameter(laid, requires_grad=False)
        return placed


def without_numbers(network: torch.nn.Module, fake: FakeTensorMode) -> torch.nn.Module:
    for part in network.modules():
        for name, one in part._parameters.items():
            if one is not None:
                part._parameters[name] = torch.nn.Parameter(fake.from_tensor(one.detach()), requires_grad=False)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = fake.from_tensor(buffer)
    return network


def waits_of_row(row: Row, waits: Waits) -> dict[str, list[str]]:
    found = {}
    network = make_network(row, None)
    with FakeTensorMode(allow_non_fake_inputs=True) as fake, waits:
        embedder = Shapes(row, without_numbers(network, fake), device="cuda", precision="float32", batch_clips=2)
        for precision in ("float32", "bfloat16"):
            if precision != "float32":
                embedder.network, embedder.precision = faster(embedder.place(network, precision), "cuda"), precision
            waits.blocking.clear()
            embedder.launch(embedder.buffer(row.wanted_frames(24)), 1)
            found[f"{row.name} {precision}"] = list(waits.blocking)
    return found


def waits_of_detector(waits: Waits) -> dict[str, list[str]]:
    copies = Copies(torch.device("cuda"))
    found = {}
    with FakeTensorMode(allow_non_fake_inputs=True), waits, torch.inference_mode():
        for precision in ("float16", "float32"):
            network = Network(load_weights(), dtype=getattr(torch, precision), device=copies.device)
            waits.blocking.clear()
            probabilities = network(copies.upload(copies.buffer((2, 100, 27, 48, 3)), 2)).sigmoid()
            copies.download(probabilities)
            assert (tuple(probabilities.shape), probabilities.device.type) == ((2, 50, 2), "cuda")
            found[f"detector {precision}"] = list(waits.blocking)
    return found


def waits_of_constants(waits: Waits) -> dict[str, list[str]]:
    """What this would find: a tensor made from values of Python, as two of every batch once were."""
    waits.blocking.clear()
    with FakeTensorMode(allow_non_fake_inputs=True), waits:
        torch.tensor([1.0, 2.0], device="cuda")
    return {"constants": list(waits.blocking)}


def main() -> None:
    waits, patch = Waits(), pytest.MonkeyPatch()
    patch.setattr(FakeTensor, "record_stream", lambda *_: None)
    for name in INITIALISERS:  # most of the time that a network takes to be made
        patch.setattr(torch.nn.init, name, lambda tensor, *_, **__: tensor)
    with in_place_of_cuda(waits):
        found = {**waits_of_constants(waits), **waits_of_detector(waits)}
        for row in ROWS.values():
            found |= waits_of_row(row, waits)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
