"""Blocks are read, clips filled, batches run and vectors written, trailer after trailer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from trailers.embedding.batches import Batches, fail
from trailers.embedding.blocks import blocks_of
from trailers.embedding.pairs import Pair
from trailers.embedding.readers import Readers, read_blocks

if TYPE_CHECKING:
    from trailers.backbones.embedder import Embedder


def embed(pairs: Sequence[Pair], embedders: Mapping[str, Embedder], *, workers: int | None) -> None:
    """Make all that the pairs have to do, trailer after trailer."""
    batches: dict[tuple[str, int], Batches] = {}
    with Readers(workers, on_gpu=any(made.device != "cpu" for made in embedders.values())) as readers:
        for block, decoded in read_blocks(blocks_of(pairs), readers):
            for job in block.jobs:
                if isinstance(decoded, Exception):
                    fail(job, decoded)
                    continue
                for number, clip in job.fill(block.wanted[job.geometry][1], decoded[job.geometry]):
                    key = (job.pair.row.name, len(clip))
                    if key not in batches:
                        batches[key] = Batches(embedders[job.pair.row.name])
                    batches[key].add(job, number, clip)
    for batch in batches.values():
        batch.flush()
