"""Checks that backbones of all libraries must pass; used by the tests of each library."""

from __future__ import annotations

from typing import Any

import numpy as np

from trailers.backbones.embedder import Embedder
from trailers.backbones.precision import TOLERANCE, cosines, sample_clips
from trailers.backbones.row import Row

SHOWN = 4  # frames per clip if the network accepts any number; few, because that is fast

# A file of the user with a network whose vectors are known: the mean level of red, green and blue.
MEANS = """
from trailers.backbones.row import Row, Transform, Weights

def build():
    import torch
    class Means(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(3))
        def forward(self, x):
            return x.mean(dim=(-1, -2)) * self.scale
    return Means()

transform = Transform((16,), (16, 16), (0.0, 0.0, 0.0), (1 / 255,) * 3)
weights = Weights("made up", "means.pth")
flat = Row("", "own", "flat", 2, 3, transform, weights, make=build, batch_cpu=2)
"""


def random_clips(row: Row) -> np.ndarray:
    """Three different clips, the last one mostly padding."""
    clips = sample_clips(row, 3, shown_frames=SHOWN)
    clips[1] = clips[1, :, ::-1]
    if row.dimensions == 3:
        clips[2, 2:] = 0
    return clips


def check_contract(row: Row, network: Any, *, batch_clips: int = 2) -> None:
    """The network is frozen, and its vectors have the stated length and do not depend on the other clips."""
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())
    several = Embedder(row, network, precision="float32", batch_clips=batch_clips)
    one = Embedder(row, network, precision="float32", batch_clips=1)
    clips = random_clips(row)
    pair, other_pair = several(clips[:2]), several(clips[1:])
    vectors = np.concatenate([pair, other_pair[1:]])
    assert vectors.shape == (3, row.features)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert len(np.unique(vectors, axis=0)) == 3
    # The same clip gives the same bytes at another place of a batch, with other clips.
    np.testing.assert_array_equal(other_pair[0], pair[1])
    np.testing.assert_allclose(one(clips[2:])[0], vectors[2], rtol=0, atol=1e-4 * float(np.abs(vectors).max()))
    check_black(row, several, clips.shape[1])
    check_layout(row, several)


def check_black(row: Row, embedder: Embedder, frames: int) -> None:
    """Padding is the value to which the publisher's normalisation turns black."""
    import torch

    black = embedder.normalise(torch.zeros((1, frames, *row.transform.crop, 3), dtype=torch.uint8))
    wanted = [-mean / std for mean, std in zip(row.transform.mean, row.transform.std, strict=True)]
    np.testing.assert_allclose(black.flatten(2)[0, :, 0].numpy(), wanted, rtol=1e-5)
    assert tuple(black.shape) == (1, 3, *((frames,) if row.dimensions == 3 else ()), *row.transform.crop)


def check_layout(row: Row, embedder: Embedder) -> None:
    """Kernels and pixels are stored with channels last, because convolutions are faster then."""
    import torch

    layout: Any = torch.channels_last if row.dimensions == 2 else torch.channels_last_3d
    kernels = [value for value in embedder.network.parameters() if value.ndim == row.dimensions + 2]
    assert all(kernel.is_contiguous(memory_format=layout) for kernel in kernels)
    pixels = embedder.normalise(
        torch.zeros((1, max(row.wanted_frames(SHOWN), 1), *row.transform.crop, 3), dtype=torch.uint8)
    )
    assert pixels.is_contiguous(memory_format=layout)


def check_precision(row: Row, network: Any) -> None:
    """With precision auto, vectors are within the tolerance of those in float32."""
    exact = Embedder(row, network, precision="float32", batch_clips=3)
    chosen = Embedder(row, network, precision="auto", batch_clips=3)
    clips = sample_clips(row, 3, shown_frames=SHOWN)
    assert float(cosines(exact(clips), chosen(clips)).min()) >= TOLERANCE - 1e-4
