"""Blocks are read, clips filled, batches run and vectors written, trailer after trailer."""

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
    """Make all that the pairs have to do, trailer after trailer.

    Args:
        pairs: with ``todo``.
        make: gives the embedders by the names of their rows; called when the workers have begun to decode.
        workers: decoding workers; None takes what suits the device.
        apart: whether these are processes of their own, as beside a GPU.
        running: workers for these pairs that are there already and stay.
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
