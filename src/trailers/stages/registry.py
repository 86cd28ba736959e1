"""The list of all per-trailer stages, in running order.

Verify, status, report, the plan, the benchmarks and the command line use this list; none of them names a stage. A
stage from outside the package is added with ``register``.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType

from trailers.errors import ConfigError
from trailers.stages.stage import Stage
from trailers.store.layout import Layout

Key = tuple[str, ...]  # the folder of a stage's ledgers, then its variant: ("embed", "shot24", "resnet50")


@dataclass(frozen=True)
class Entry:
    """A stage, described without importing it."""

    name: str  # in messages and ledgers
    command: str  # python -m trailers COMMAND
    help: str  # one line
    kind: str  # module:class of its Stage
    folder: str = ""  # of its products and ledgers, if it is not the name
    axes: tuple[str, ...] = ()  # properties that distinguish its variants
    section: str = ""  # of config.yaml, if it is not the name
    always: bool = True  # whether every study has it; otherwise only studies with ledgers of it

    @property
    def ledgers(self) -> str:
        return self.folder or self.name

    @property
    def config(self) -> str:
        return self.section or self.name

    @property
    def module(self) -> ModuleType:
        """The module with Settings, Effort (not in all stages), add_flags and run."""
        return importlib.import_module(self.kind.partition(":")[0])

    @property
    def stage(self) -> type[Stage]:
        kind: type[Stage] = getattr(self.module, self.kind.partition(":")[2])
        return kind

    def on_disk(self, layout: Layout, variant: Iterable[str]) -> Stage:
        """The stage without settings, which can only read and check products."""
        return self.stage(layout, tuple(variant))


STAGES: list[Entry] = [
    Entry(
        "search",
        "search",
        "search a video site for the trailers of titles",
        "trailers.stages.search:Search",
        always=False,
    ),
    Entry("download", "download", "download the videos as published", "trailers.stages.download:Download"),
    Entry(
        "normalise",
        "normalise",
        "re-encode videos to constant 24 fps, and keep the frames for shot detection",
        "trailers.stages.normalise:Normalise",
    ),
    Entry("shots", "shots", "find shots with TransNet V2", "trailers.stages.shots:Shots"),
    Entry(
        "quality",
        "quality",
        "flag trailers with bars, black or still parts or cards; find copies by their pictures",
        "trailers.stages.quality:Quality",
        always=False,
    ),
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
        "download the videos as published",
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
    Entry(
        "pages",
        "pages",
        "write a page per trailer that shows its shots, cuts and clips",
        "trailers.stages.pages:Pages",
        always=False,
    ),
]


@dataclass(frozen=True)
class StudyEntry:
    """A stage that makes one product from many trailers."""

    name: str  # its command and the folder of its products
    help: str

    @property
    def module(self) -> ModuleType:
        """The module with products(layout), and problems(path) for one product."""
        return importlib.import_module(f"trailers.stages.{self.name}")


STUDY_STAGES = (
    StudyEntry("duplicates", "find trailers that are copies of each other"),
    StudyEntry("pack", "put the embeddings of all trailers into one file for training"),
    StudyEntry("classify", "train and test a genre classifier"),
)


def commands() -> dict[str, tuple[str, str]]:
    """Command -> its line of help and its module."""
    found = {entry.command: (entry.help, entry.kind.partition(":")[0]) for entry in reversed(STAGES)}
    return {
        **{command: found[command] for command in dict.fromkeys(entry.command for entry in STAGES)},
        **{entry.name: (entry.help, f"trailers.stages.{entry.name}") for entry in STUDY_STAGES},
    }


def register(entry: Entry) -> None:
    """Add a stage at the end of the list.

    Raises:
        ConfigError: another stage has the same ledgers or the same name.
    """
    for other in STAGES:
        if (other.ledgers, len(other.axes)) == (entry.ledgers, len(entry.axes)) or other.name == entry.name:
            raise ConfigError(
                f"a stage that is called '{entry.name}' or writes the same ledgers is already registered",
                where=entry.kind, remedy="Change its name or its folder.",
            )  # fmt: skip
    STAGES.append(entry)


def find(key: Key) -> Entry | None:
    """The stage whose ledgers or products are in the folder ``key``, if any."""
    found = (entry for entry in STAGES if entry.ledgers == key[0] and len(entry.axes) == len(key) - 1)
    return next(found, None)


def keys_for(pairs: Sequence[tuple[str, str]]) -> Iterator[Key]:
    """The keys of the stages that every study has, for the clip strategies and backbones of ``pairs``."""
    known: dict[tuple[str, ...], Sequence[Key]] = {
        (): [()],
        ("clips",): [(clips,) for clips, _ in pairs],
        ("clips", "backbone"): list(pairs),
    }
    for entry in STAGES:
        if entry.always:
            yield from ((entry.ledgers, *variant) for variant in dict.fromkeys(known.get(entry.axes, ())))


def without_name(key: Key, error: str) -> str:
    """The error of a ledger row, without the name of the stage ``key`` at its beginning."""
    entry = find(key)
    return error.removeprefix(f"{entry.name}: ") if entry else error


def order(key: Key) -> tuple[int, Key]:
    """Sort key for running order; keys of unknown stages come last."""
    entry = find(key)
    return (STAGES.index(entry) if entry else len(STAGES), key)
