"""Every row keeps one contract, and random weights are the same every time."""

from __future__ import annotations

import numpy as np
import pytest

from trailers.backbones.embedder import Embedder
from trailers.backbones.network import make_network
from trailers.backbones.precision import sample_clips
from trailers.backbones.row import Row
from trailers.backbones.rows import ROWS

# How many shown frames each row is tried with: few where the network takes any number.
SHOWN = 4


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_a_row_keeps_the_contract(name: str) -> None:
    import torch

    row = ROWS[name]
    network = make_network(row, None)
    assert not network.training
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())

    three = Embedder(row, network, precision="float32", batch_clips=3)
    one = Embedder(row, network, precision="float32", batch_clips=1)
    clips = random_clips(row)
    vectors = three(clips)
    assert vectors.shape == (3, row.features)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert len(np.unique(vectors, axis=0)) == 3

    singly = np.concatenate([one(clip[None]) for clip in clips])
    np.testing.assert_allclose(singly, vectors, rtol=0, atol=1e-4 * float(np.abs(vectors).max()))
    np.testing.assert_array_equal(one(clips[:1]), singly[:1])

    black = three.normalise(torch.zeros((1, clips.shape[1], *row.transform.crop, 3), dtype=torch.uint8))
    wanted = [-mean / std for mean, std in zip(row.transform.mean, row.transform.std, strict=True)]
    np.testing.assert_allclose(black.flatten(2)[0, :, 0].numpy(), wanted, rtol=1e-5)
    assert tuple(black.shape) == (1, 3, *((clips.shape[1],) if row.dimensions == 3 else ()), *row.transform.crop)


def random_clips(row: Row) -> np.ndarray:
    """Three different clips, the last one mostly padding."""
    clips = sample_clips(row, 3, shown_frames=SHOWN)
    clips[1] = clips[1, :, ::-1]
    if row.dimensions == 3:
        clips[2, 2:] = 0
    return clips


def test_random_weights_are_the_same_every_time_and_leave_the_generators_alone() -> None:
    import torch

    row = ROWS["shufflenet_v2_x1_0"]
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first = make_network(row, None).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    second = make_network(row, None).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
