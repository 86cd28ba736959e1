"""The loop of the engine: read blocks, fill clips, run batches, write vectors, trailer after trailer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from trailers.embedding.batches import BatchTable, fail
from trailers.embedding.blocks import blocks_of
from trailers.embedding.pairs import Pair
from trailers.embedding.readers import Readers, Reading, readers_for
from trailers.machine.watchdog import alive

if TYPE_CHECKING:
    from trailers.backbones.embedder import Embedder


def embed(
    pairs: Sequence[Pair],
    make: Callable[[], Mapping[str, Embedder]],
    *,
    workers: int | None,
    apart: bool,
    running: Readers | None = None,
) -> None:
    """Make all vectors in ``todo`` of the pairs, trailer after trailer.

    Args:
        pairs: at least one.
        make: gives the embedders by the names of their backbones; called after the workers have begun to decode.
        workers: number of decoding workers; None chooses it for the device.
        apart: whether the workers are separate processes, as for a GPU.
        running: existing workers for these pairs, which keep running afterwards.
    """
    with contextlib.nullcontext(running) if running else readers_for(pairs, workers, apart=apart) as readers:
        reading = Reading(blocks_of(pairs), readers)
        table = BatchTable(make())
        for block, decoded in reading:
            alive()
            for job in block.jobs:
                if isinstance(decoded, Exception):
                    fail(job, decoded)
                    continue
                batches = table.of(job)
                for number in job.fill(block.wanted[job.geometry][1], decoded[job.geometry], batches.place):
                    batches.add(job, number)
    table.flush()
