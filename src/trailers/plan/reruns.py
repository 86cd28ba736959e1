"""What makes Snakemake run a job again though none of its inputs changed: parameters of the rules.

The manifest is no input of a bulk rule, or one new row would redo everything. Each rule has as a
parameter a digest of just those cells that its jobs read.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trailers.backbones import own
from trailers.backbones.rows import ROWS, sketch
from trailers.backbones.weights import known_weights, read_lock_file
from trailers.plan.digests import remembered_sha256
from trailers.plan.studies import Plan
from trailers.stages.currency import read_attempts
from trailers.store.published_files import LABELS


def digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def links(plan: Plan, shard: str) -> str:
    """Changes when a link of the shard does, and only then."""
    study = plan.of_shard(shard)
    return digest([study.by_id[trailer].urls for trailer in study.shards.get(shard, ())])


def poster_links(plan: Plan, shard: str) -> str:
    """As ``links``, of the posters."""
    study = plan.of_shard(shard)
    return digest([study.by_id[trailer].poster for trailer in study.shards.get(shard, ())])


def labels(plan: Plan, experiment: str) -> str:
    """Changes when genres or splits do, and only then."""
    if plan.by_experiment[experiment] is plan.replication:
        return LABELS.md5  # known before its manifest is made
    return digest([[row.trailer, row.genres, row.splits] for row in plan.by_experiment[experiment].trailers])


def attempts(plan: Plan, stage: str, shard: str, *variant: str) -> int:
    """How many runs of this shard left temporary failures: one more asks for another run."""
    return read_attempts(plan.layout.attempts(stage, shard, *variant))


@functools.cache  # asked for every shard
def weights(plan: Plan, folder: str) -> str:
    """Changes when the weights of a backbone do, or the code of one of the user's own; empty where nothing is known.

    Raises:
        ConfigError: the user's file is missing or not Python.
        WeightsError: the record of the weights is damaged.
    """
    name = plan.full_name(folder)
    if own.is_own(name):
        bytes_of = "" if plan.has_random_weights else remembered_sha256(plan.weights_dir / sketch(name).weights_file)
        return digest(own.read_source(name).digest, bytes_of)
    recorded = known_weights(plan.weights_dir, folder)
    known = (read_lock_file(plan.weights_dir / f"{folder}.json") or {}).get("lock", {})
    file = known.get("file") or (ROWS[name].weights.file if name in ROWS else "")
    path = plan.weights_dir / Path(str(file)).name
    # A file that was brought by hand, or since `snakemake weights` recorded one.
    if file and path.is_file() and not is_recorded(path, known):
        return remembered_sha256(path)
    return recorded


def is_recorded(path: Path, lock: Mapping[str, Any]) -> bool:
    status = path.stat()
    return (lock.get("bytes"), lock.get("mtime_ns")) == (status.st_size, status.st_mtime_ns)
