"""Makes the flags of a stage's command from config.yaml."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from trailers.errors import ConfigError
from trailers.plan.study import Study
from trailers.settings import flags, from_section
from trailers.stages.registry import STAGES, Entry


def entry_of(command: str) -> Entry:
    """The stage of a command; the first if there are several. Raises ConfigError."""
    for entry in STAGES:
        if entry.command == command:
            return entry
    raise ConfigError(f"no stage has the command '{command}'", remedy="Add it to trailers.stages.registry.")


def section_of(config: Mapping[str, Any], command: str) -> Mapping[str, Any]:
    section: Mapping[str, Any] = config[entry_of(command).config]
    return section


def shaping_flags(config: Mapping[str, Any], stage: str) -> str:
    """The flags that shape the products of a stage. They are a parameter of the rule, so a change redoes products."""
    return flags(entry_of(stage).module.Settings, section_of(config, stage))


def effort_flags(config: Mapping[str, Any], stage: str) -> str:
    """The flags that do not change products. They are a resource of the rule, so a change redoes nothing."""
    shared = f"--max-failed-fraction {config['max_failed_fraction']} --trailer-timeout-s {config['trailer_timeout_s']}"
    effort = getattr(entry_of(stage).module, "Effort", None)
    return f"{shared} {flags(effort, section_of(config, stage))}" if effort else shared


def gpus(config: Mapping[str, Any], section: str) -> int:
    """Number of GPUs for a job whose device is in this section of config.yaml; 0 if it is the CPU."""
    return int(config[section]["device"] != "cpu")


def page_flags(config: Mapping[str, Any], study: Study) -> str:
    """Flags with the settings of other stages that the pages of ``study`` show."""
    shots = config["shots"]
    words = ["--threshold", str(shots["threshold"]), "--head", str(shots["head"])]
    return shlex.join(["--clips", *study.all_strategies, *words])


def settings_text(config: Mapping[str, Any], stages: Iterable[str]) -> str:
    """The settings of ``stages`` in JSON, for the report, including those from --config."""
    return json.dumps(
        {
            stage: dataclasses.asdict(from_section(entry_of(stage).module.Settings, section_of(config, stage)))
            for stage in dict.fromkeys(stages)
        }
    )
