"""The flags of a stage's command, from config.yaml."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import Any

from trailers.settings import flags, from_section
from trailers.stages import clips, download, embed, normalise, posters, shots

STAGES = {
    "download": download,
    "normalise": normalise,
    "shots": shots,
    "clips": clips,
    "embed": embed,
    "posters": posters,
}
SECTION = {"posters": "embed"}  # of config.yaml, where a stage shares another's


def shaping_flags(config: Mapping[str, Any], stage: str) -> str:
    """The flags that shape a stage's products: a parameter, so that a change redoes them."""
    return flags(STAGES[stage].Settings, config[SECTION.get(stage, stage)])


def effort_flags(config: Mapping[str, Any], stage: str) -> str:
    """The flags that change how a stage works but not what it makes: a resource, which redoes nothing."""
    shared = f"--max-failed-fraction {config['max_failed_fraction']} --trailer-timeout-s {config['trailer_timeout_s']}"
    effort = getattr(STAGES[stage], "Effort", None)
    return f"{shared} {flags(effort, config[SECTION.get(stage, stage)])}" if effort else shared


def gpus(config: Mapping[str, Any], stage: str) -> int:
    """GPUs that a job of a stage holds: none where its device is the processor."""
    return int(config[SECTION.get(stage, stage)]["device"] != "cpu")


def settings_text(config: Mapping[str, Any], stages: Iterable[str]) -> str:
    """What shapes the products of ``stages``, in JSON: the report tells what was asked for, --config and all."""
    return json.dumps(
        {
            stage: dataclasses.asdict(from_section(STAGES[stage].Settings, config[SECTION.get(stage, stage)]))
            for stage in dict.fromkeys(stages)
        }
    )
