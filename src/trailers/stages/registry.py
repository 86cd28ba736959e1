"""Every stage that makes something of each trailer, in running order. The one list of them.

Verify, status, report, the plan, the benchmarks and the command line ask this list; none of them
knows a stage by name. A stage from outside the package is added with ``register``.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType

from trailers.errors import ConfigError
from trailers.stages.stage import Stage
from trailers.store.layout import Layout

Key = tuple[str, ...]  # the folder of a stage's ledgers, then its variant: ("embed", "shot24", "resnet50")


@dataclass(frozen=True)
class Entry:
    """What is known of a stage without importing it."""

    name: str  # in messages and ledgers
    command: str  # python -m trailers COMMAND
    help: str  # one line
    kind: str  # module:class of its Stage
    folder: str = ""  # of its products and ledgers, where it is not the name
    axes: tuple[str, ...] = ()  # what its variants are named for
    section: str = ""  # of config.yaml, where it is not the name
    always: bool = True  # whether every study has it; else where there are ledgers

    @property
    def ledgers(self) -> str:
        return self.folder or self.name

    @property
    def config(self) -> str:
        return self.section or self.name

    @property
    def module(self) -> ModuleType:
        """Holds Settings, Effort where it has one, add_flags and run."""
        return importlib.import_module(self.kind.partition(":")[0])

    @property
    def stage(self) -> type[Stage]:
        kind: type[Stage] = getattr(self.module, self.kind.partition(":")[2])
        return kind

    def on_disk(self, layout: Layout, variant: Iterable[str]) -> Stage:
        """The stage to look at: it knows no settings."""
        return self.stage(layout, tuple(variant))


STAGES: list[Entry] = [
    Entry("download", "download", "get the videos as published", "trailers.stages.download:Download"),
    Entry(
        "normalise",
        "normalise",
        "re-encode to constant 24 fps, keep the frames that detection needs",
        "trailers.stages.normalise:Normalise",
    ),
    Entry("shots", "shots", "find shots with TransNet V2", "trailers.stages.shots:Shots"),
    Entry("clips", "clips", "cut shots into clips of equal length", "trailers.stages.clips:Clips", axes=("clips",)),
    Entry(
        "embed",
        "embed",
        "turn clips into vectors with 2D and 3D backbones",
        "trailers.stages.embed:Embed",
        axes=("clips", "backbone"),
    ),
    Entry(
        "poster download",
        "download",
        "get the videos as published",
        "trailers.stages.download:PosterDownload",
        folder="posters",
        section="download",
        always=False,
    ),
    Entry(
        "poster embedding",
        "posters",
        "turn posters into vectors with 2D backbones",
        "trailers.stages.posters:PosterEmbedding",
        folder="posters",
        axes=("backbone",),
        section="embed",
        always=False,
    ),
]


def register(entry: Entry) -> None:
    """Add a stage; it runs after those that are there.

    Raises:
        ConfigError: another one has its ledgers or its command.
    """
    for other in STAGES:
        if (other.ledgers, len(other.axes)) == (entry.ledgers, len(entry.axes)) or other.name == entry.name:
            raise ConfigError(f"two stages are called '{entry.name}' or write the same ledgers", where=entry.kind)
    STAGES.append(entry)


def find(key: Key) -> Entry | None:
    """The stage whose ledgers or products lie in the folder ``key``; None where no stage's do."""
    found = (entry for entry in STAGES if entry.ledgers == key[0] and len(entry.axes) == len(key) - 1)
    return next(found, None)


def order(key: Key) -> tuple[int, Key]:
    """Sorts keys in running order; what no stage made comes last."""
    entry = find(key)
    return (STAGES.index(entry) if entry else len(STAGES), key)
