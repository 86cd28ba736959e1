"""SlowFast: one clip becomes the same two inputs as in pytorchvideo's evaluation."""

from __future__ import annotations

from typing import Any

import pytest

from trailers.backbones.pytorchvideo import slow_frames, two_pathways
from trailers.backbones.row import clip_frames
from trailers.backbones.rows import ROWS
from trailers.domain import ClipStrategy


def test_the_slow_pathway_sees_every_fourth_frame_from_first_to_last() -> None:
    assert slow_frames(32) == (0, 4, 8, 13, 17, 22, 26, 31)


def test_a_clip_at_the_frame_rate_of_the_weights_uses_each_frame_once() -> None:
    row = ROWS["slowfast_r50"]
    assert row.about.strategy == "shot64-fps12"
    shown = ClipStrategy.parse(row.about.strategy)
    assert clip_frames(row, shown, start=10, valid=64, frame=20) == list(range(10, 74, 2))


def test_each_pathway_gets_its_frames_and_a_published_checkpoint_loads() -> None:
    import torch
    from torch import nn

    class Spy(nn.Module):
        def forward(self, pathways: list[Any]) -> Any:
            self.seen = pathways
            return pathways[0].mean((2, 3, 4))

    spy: Any = Spy()
    clip = torch.arange(32.0)[None, None, :, None, None].expand(1, 3, 32, 2, 2)
    assert two_pathways(spy, 32)(clip).shape == (1, 3)
    slow, fast = spy.seen
    assert slow[0, 0, :, 0, 0].tolist() == [0, 4, 8, 13, 17, 22, 26, 31]
    assert fast[0, 0, :, 0, 0].tolist() == list(range(32))
    assert not two_pathways(spy, 32).state_dict()  # only those of the network


@pytest.mark.slow
def test_vectors_are_those_of_pytorchvideo_on_the_packed_pathways() -> None:
    import torch
    from pytorchvideo.models import hub

    from trailers.backbones.network import make_network

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        library: Any = hub.slowfast_r50(pretrained=False).eval()
        torch.manual_seed(1)
        clip = torch.rand(1, 3, 32, 224, 224)
    network = make_network(ROWS["slowfast_r50"], None)
    slow = torch.index_select(clip, 2, torch.linspace(0, 31, 8).long())
    library.blocks[-1].proj = torch.nn.Identity()
    library.blocks[-1].dropout = None
    with torch.no_grad():
        torch.testing.assert_close(network(clip), library([slow, clip]))
