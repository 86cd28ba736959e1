"""The network of a row, frozen and with its weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trailers.backbones.row import RANDOM_SEED, Row
from trailers.backbones.rows import maker_of
from trailers.backbones.weights import FETCH_REMEDY, check_weights, weights_path
from trailers.errors import WeightsError

if TYPE_CHECKING:
    from torch import nn


def make_network(row: Row, weights_dir: Path | None) -> nn.Module:
    """The network of ``row``, frozen, in eval mode, float32; with seeded random weights if ``weights_dir`` is None.

    Raises:
        WeightsError: the weights are missing, damaged, or those of another network.
    """
    import torch

    maker = maker_of(row.library)
    path = None
    if weights_dir is not None:
        check_weights(row, weights_dir)
        path = weights_path(row, weights_dir)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(RANDOM_SEED)
        try:
            network: nn.Module = maker.make(row, path)
        except (RuntimeError, KeyError, ValueError) as problem:
            if path is None:
                raise
            words = " ".join(str(problem).split())[:300]
            raise WeightsError(f"{path}: does not fit {row.name}: {words} {FETCH_REMEDY} to fetch it again.") from None
    return network.eval().requires_grad_(False)
