"""What makes Snakemake run a job again though none of its inputs changed: parameters of the rules.

The manifest is no input of a bulk rule, or one new row would redo everything. Each rule has as a
parameter a digest of just those cells that its jobs read.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from trailers.backbones.weights import known_weights
from trailers.plan.studies import Plan
from trailers.stages.shard import read_attempts


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
    return digest([[row.trailer, row.genres, row.splits] for row in plan.by_experiment[experiment].trailers])


def attempts(plan: Plan, stage: str, shard: str, *variant: str) -> int:
    """How many runs of this shard left temporary failures: one more asks for another run."""
    return read_attempts(plan.layout.attempts(stage, shard, *variant))


def weights(plan: Plan, folder: str) -> str:
    """The sha256 of a backbone's weights as `snakemake weights` recorded it; empty when it did not.

    Raises:
        WeightsError: the record is damaged.
    """
    return known_weights(plan.users.weights_dir, folder)
