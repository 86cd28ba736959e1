"""The rows, and how a name of config.yaml becomes one.

resnet50                                  a row of this project
timm:vit_base_patch14_dinov2.lvd142m      any timm model
torchvision:convnext_tiny                 any torchvision model
my_backbones.py:robust_resnet             a Row in a file of the user's
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import math
import re
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from trailers.backbones import efficientnet_lite, own, pytorchvideo, shufflenet3d, timm, torchvision
from trailers.backbones.row import Row, Transform, Weights
from trailers.backbones.weights import RECORD_AGAIN, read_lock_file
from trailers.domain import folder_name
from trailers.errors import ConfigError, WeightsError

ROWS: dict[str, Row] = {
    row.name: row
    for row in (
        *efficientnet_lite.ROWS,
        *torchvision.ROWS,
        *timm.ROWS,
        *shufflenet3d.ROWS,
        *pytorchvideo.ROWS,
    )
}

LIBRARIES = ("timm", "torchvision")  # those of which any model can be had by name
MODEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", re.ASCII)  # of a library, and a plain file name
WEB = re.compile(r"https?://|$")  # what a record may name as the link of its weights
MOST = 1 << 16  # features, frames, pixels of a side, clips of a batch


def find_row(name: str, weights_dir: Path) -> Row:
    """The row called ``name``.

    A model of a library is described by what was recorded when its weights were fetched, since
    asking the library would import it.

    Raises:
        ConfigError: there is none; the nearest names are given.
    """
    check_name(name)
    if name in ROWS:
        return ROWS[name]
    if own.is_own(name):
        return own.find(name)
    library, _, model = name.partition(":")
    return recorded(name, weights_dir) or described(library, model)


def check_name(name: str) -> None:
    """Raises ConfigError when nothing can have this name. Imports no library and runs no file of the user's."""
    library, _, model = name.partition(":")
    if not (name in ROWS or own.is_own(name) or (library in LIBRARIES and model)):
        raise ConfigError(f"no backbone is called '{name}'. {nearest(name)}")


def is_of_library(name: str) -> bool:
    """Whether a backbone of this name is a network of an installed library, not a file that would be run."""
    library, _, model = name.partition(":")
    return name in ROWS or (library in LIBRARIES and MODEL.fullmatch(model) is not None)


def is_2d(name: str, weights_dir: Path) -> bool:
    """Whether the backbone called ``name`` takes single pictures; imports no library, so that planning stays cheap.

    Raises:
        ConfigError: there is none.
    """
    library, _, model = name.partition(":")
    # Not by its record, so that `snakemake weights`, which writes a damaged one again, can be planned.
    if name not in ROWS and library in LIBRARIES and model:
        return model not in torchvision.VIDEO  # timm has no others
    if own.is_own(name):
        return sketch(name).dimensions == 2
    return find_row(name, weights_dir).dimensions == 2


@dataclasses.dataclass(frozen=True)
class Sketch:
    """What planning asks of a network of the user's own."""

    dimensions: int
    features: int
    weights_file: str


def sketch(name: str) -> Sketch:
    """What the file of ``name`` says; it is run only where it does not say so in plain values. Raises ConfigError."""
    source = own.read_source(name)
    dimensions, features, file = source.field("dimensions"), source.field("features"), source.weights_file()
    if type(dimensions) is int and type(features) is int and file is not None:
        return Sketch(dimensions, features, file)
    row = own.find(name)
    return Sketch(row.dimensions, row.features, row.weights.file)


def described(library: str, model: str) -> Row:
    """The row of any model of ``library``, which is imported for it."""
    maker = maker_of(library)
    known = maker.names()
    if model not in known:
        close = difflib.get_close_matches(model, known, n=5, cutoff=0.4)
        raise ConfigError(
            f"{library} has no model '{model}' with published weights. "
            + (
                f"The nearest are {', '.join(f'{library}:{match}' for match in close)}."
                if close
                else "Look at its list."
            )
        )
    row: Row = maker.describe(model)
    return row


def nearest(name: str, names: Iterable[str] = ROWS) -> str:
    close = difflib.get_close_matches(name.lower(), list(names), n=3, cutoff=0.5)
    first = f"The nearest are {', '.join(close)}. " if close else f"There are {', '.join(sorted(names))}. "
    return first + (
        "Choose one, or write timm:MODEL, torchvision:MODEL or my_file.py:row; "
        "`python -m trailers backbones` lists them."
    )


def maker_of(library: str) -> types.ModuleType:
    return importlib.import_module(f"trailers.backbones.{library}")


def recorded(name: str, weights_dir: Path) -> Row | None:
    """The row that ``record`` put beside the weights; None when there is none."""
    path = weights_dir / f"{folder_name(name)}.json"
    values = read_lock_file(path)
    if values is None or "row" not in values:
        return None
    try:
        return row_from(values["row"], name)
    except (KeyError, TypeError, ValueError) as problem:
        raise WeightsError(f"is damaged: {problem}", where=path, remedy=RECORD_AGAIN) from None


def row_values(row: Row) -> dict[str, Any]:
    """``row`` in plain values, for JSON."""
    values = dataclasses.asdict(dataclasses.replace(row, make=None))
    del values["make"]
    return values


def row_from(values: dict[str, Any], name: str) -> Row:
    """The row that ``row_values`` gave. Raises ValueError, KeyError or TypeError when it is not one of a library's."""
    if "make" in values:
        raise ValueError("it names code to run")
    shape: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in values["transform"].items()
    }
    row = Row(**{**values, "transform": Transform(**shape), "weights": Weights(**values["weights"])})
    if row.name != name or row.library not in LIBRARIES or f"{row.library}:{row.model}" != name:
        raise ValueError(f"it describes '{row.name}', {row.model} of {row.library}")
    if not MODEL.fullmatch(row.model) or not MODEL.fullmatch(row.weights.file) or row.weights.package:
        raise ValueError(f"it names the model {row.model!r}, the file {row.weights.file!r}")
    if not WEB.match(row.weights.url):
        raise ValueError(f"it names the link {row.weights.url!r}")
    check_numbers(row)
    return row


def check_numbers(row: Row) -> None:
    """Raises ValueError when a recorded number is none that a network can have; memory is taken for them."""
    sides = (*row.transform.resize, *row.transform.crop)
    counts = (row.features, row.least_frames, row.batch_cpu, row.batch_cuda, row.frames or 1, *sides)
    if not all(isinstance(count, int) and 1 <= count <= MOST for count in counts):
        raise ValueError(f"its sizes are {counts}")
    levels = (*row.transform.mean, *row.transform.std)
    if len(levels) != 6 or not all(isinstance(level, (int, float)) and math.isfinite(level) for level in levels):
        raise ValueError(f"its mean and deviation are {levels}")
    if min(row.transform.std) <= 0:
        raise ValueError(f"its deviation is {row.transform.std}")
