"""What a backbone costs: parameters and multiply-adds, counted on tensors that take no memory (Table 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trailers.backbones.meta import count, on_meta
from trailers.backbones.row import Row
from trailers.backbones.rows import maker_of

if TYPE_CHECKING:
    from torch import nn

SNIPPET_CLIPS = 30  # Table 6 counts the multiply-adds of one snippet
CLASSIFIER_PARAMETERS = 398_090  # of the clip aggregation transformer at F = 1024, which Table 6 adds to every backbone


@dataclass(frozen=True)
class Cost:
    """``multiply_adds`` are those of one clip, including the products of attention."""

    parameters: int
    multiply_adds: int

    @property
    def table_6(self) -> tuple[float, float]:
        """Parameters in millions and multiply-adds in 10^9, as in the paper's columns."""
        return (self.parameters + CLASSIFIER_PARAMETERS) / 1e6, self.multiply_adds * SNIPPET_CLIPS / 1e9


def cost_of(row: Row, *, shown_frames: int = 24) -> Cost:
    """The cost of ``row`` on clips that show ``shown_frames``, without its classifying layer."""
    network = network_on_meta(row).eval()
    size = row.transform.crop
    shape = (1, 3, *size) if row.dimensions == 2 else (1, 3, row.wanted_frames(shown_frames), *size)
    parameters, multiply_adds, _ = count(network, shape)
    return Cost(parameters, multiply_adds)


def network_on_meta(row: Row) -> nn.Module:
    """The network of ``row`` on the device "meta"."""
    maker = maker_of(row.library)
    return on_meta(lambda: maker.make(row, None))
