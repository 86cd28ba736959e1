"""A network whose last bits depend on a clip's place in a batch gives the same bytes in every run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedding.conftest import Shard, row_of
from trailers.backbones.embedder import Embedder
from trailers.backbones.row import Row
from trailers.embedding.engine import embed
from trailers.embedding.pairs import Pair
from trailers.store.embeddings import read_embedding

TRAILERS = ("alpha", "beta", "gamma")  # of five clips each, in batches of three


def network(step: float, passes: list[int]) -> Any:
    """The brightness, plus ``step`` for every further place of the batch; real rounding errors are far smaller."""
    import torch

    class Places(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            passes.append(len(x))
            return x.flatten(1).mean(1, keepdim=True).expand(-1, 4) + step * torch.arange(len(x))[:, None]

    return Places()


def embedded(pairs: list[Pair], step: float) -> tuple[dict[Path, bytes], list[int]]:
    """The files of the pairs, and the number of clips in each pass through a network."""
    passes: list[int] = []
    made = {pair.row.name: Embedder(pair.row, network(step, passes), precision="float32") for pair in pairs}
    embed(pairs, lambda: made, workers=1, apart=False)
    for pair in pairs:
        assert not pair.work.failed  # type: ignore[attr-defined]
    files = {pair.path(trailer): pair.path(trailer).read_bytes() for pair in pairs for trailer in pair.todo}
    return files, passes


def rows() -> tuple[Row, Row]:
    return row_of("flat", 2), row_of("deep", 3)


@pytest.mark.parametrize("step", [0.0, 0.5])
def test_bytes_do_not_depend_on_what_else_is_embedded(shard: Shard, step: float) -> None:
    for trailer in TRAILERS:
        shard.add(trailer)
    flat, deep = rows()
    together, _ = embedded([shard.pair(flat, *TRAILERS), shard.pair(deep, *TRAILERS)], step)
    for trailer in TRAILERS:  # as runs that are interrupted after every trailer
        for row in (flat, deep):
            pair = shard.pair(row, trailer)
            pair.path(trailer).unlink()
            alone, _ = embedded([pair], step)
            assert alone == {pair.path(trailer): together[pair.path(trailer)]}


def test_only_such_a_network_gets_batches_of_one_trailer(shard: Shard) -> None:
    for trailer in TRAILERS:
        shard.add(trailer)
    flat, _ = rows()
    assert Embedder(flat, network(0.5, []), precision="float32").depends_on_place
    # The first pass tests the places. Fifteen clips are five full batches, or two per trailer, one of them padded.
    assert embedded([shard.pair(flat, *TRAILERS)], 0.0)[1] == [3] + 5 * [3]
    assert embedded([shard.pair(flat, *TRAILERS)], 0.5)[1] == [3] + 6 * [3]
    vectors = read_embedding(shard.pair(flat, "beta").path("beta"))[0]
    assert (np.diff(vectors[:, 0]) != 0).all()
