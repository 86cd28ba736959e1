"""A reduced precision is also tested on clips of the shard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from embedding.conftest import CLIPS, Shard, row_of
from trailers.backbones.embedder import Embedder
from trailers.embedding.samples import real_clips
from trailers.video import VideoFrames


def test_samples_are_the_middle_clips_of_trailers_spread_over_the_shard(shard: Shard) -> None:
    names = [f"t{number}" for number in range(7)]
    for name in names:
        shard.add(name)
    shard.layout.video("t0").unlink()  # as of a failed trailer
    pair = shard.pair(row_of("deep", 3, size=32, crop=16), *names)
    found = real_clips(pair)
    assert found is not None
    assert found.shape == (4, 8, 16, 16, 3)
    for clip, name in zip(found, ("t1", "t2", "t4", "t6"), strict=True):
        with VideoFrames(shard.layout.video(name)) as video:
            wanted = video.batch(range(CLIPS[2].start, CLIPS[2].end))[:, 8:24, 16:32]
        np.testing.assert_array_equal(clip, wanted)


def test_samples_do_not_depend_on_finished_trailers(shard: Shard) -> None:
    for name in ("t0", "t1"):
        shard.add(name)
    pair = shard.pair(row_of("deep", 3), "t0", "t1")
    before = real_clips(pair)
    pair.todo = frozenset({"t1"})
    np.testing.assert_array_equal(before, real_clips(pair))


def test_a_damaged_video_gives_no_sample_and_no_error(shard: Shard, tmp_path: Path) -> None:
    shard.add("t0")
    shard.layout.video("t0").write_bytes(b"no video")
    assert real_clips(shard.pair(row_of("deep", 3), "t0")) is None


class Sensitive(torch.nn.Module):
    """Is inexact in reduced precision if a clip has only one grey level, which no generated clip has."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = x.flatten(1)
        grey = (flat.amax(1) == flat.amin(1)) & (flat.amax(1) > 0)
        lost = grey & torch.tensor(x.dtype != torch.float32)
        means = x.mean(dim=(2, 3, 4)).float()
        means = torch.cat([means, means[:, :1] + 1], 1) * self.weight
        return torch.where(lost[:, None], means.flip(1) * torch.tensor([1.0, -1.0, 1.0, -1.0]), means)


def test_a_precision_that_is_too_coarse_only_on_real_clips_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    from trailers.backbones import embedder as room

    monkeypatch.setattr(room, "reduced_precisions", lambda device: ("bfloat16",))
    row = row_of("sensitive", 3)
    assert Embedder(row, Sensitive()).precision == "bfloat16"
    for frames in (24, 8):  # the length of generated clips, and another
        grey = np.full((2, frames, 16, 16, 3), 128, np.uint8)
        assert Embedder(row, Sensitive(), real_clips=grey).precision == "float32"
