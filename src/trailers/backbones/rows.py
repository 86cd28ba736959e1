"""The built-in rows, and finding the row of a name in config.yaml.

resnet50                                  a row of this project
timm:vit_base_patch14_dinov2.lvd142m      any timm model, with choices behind a question mark (``names``)
torchvision:convnext_tiny                 any torchvision model
open_clip:ViT-B-32/laion2b_s34b_b79k      any model of OpenCLIP
transformers:facebook/dinov2-base         an encoder of transformers, once its repository has been fetched
my_backbones.py:robust_resnet             a Row in a file of the user
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
from trailers.backbones.names import LIBRARIES, PLAIN, Name, parse
from trailers.backbones.repository import check_folder
from trailers.backbones.row import About, Row, Transform, Weights
from trailers.backbones.weights import FETCH_REMEDY, RECORD_AGAIN, read_lock_file
from trailers.domain import canonical_name, folder_name
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

WEB = re.compile(r"https?://|$")  # the links that a record may contain
MOST = 1 << 16  # maximum of features, frames, pixels per side and clips per batch


def find_row(name: str, weights_dir: Path) -> Row:
    """The row called ``name``.

    A model of a library is described by the record made when its weights were fetched, so that the library need not be
    imported.

    Raises:
        ConfigError: no backbone has this name; the message lists the nearest names.
    """
    check_name(name)
    if name in ROWS:
        return ROWS[name]
    if own.is_own(name):
        return own.find(name)
    parsed = parse(name)
    assert parsed is not None
    return recorded(name, weights_dir) or described(parsed, weights_dir)


def check_name(name: str) -> None:
    """Raises ConfigError if no backbone can have this name. Imports no library and runs no file of the user."""
    if not (name in ROWS or own.is_own(name) or parse(name) is not None):
        raise ConfigError(f"no backbone is called '{name}'. {nearest(name)}")


def is_of_library(name: str) -> bool:
    """Whether a backbone of this name is a network of a library and not a file that would be run."""
    try:
        return name in ROWS or parse(name) is not None
    except ConfigError:
        return False


def is_2d(name: str, weights_dir: Path) -> bool:
    """Whether the backbone called ``name`` takes single pictures; imports no library, so that planning stays cheap.

    Raises:
        ConfigError: there is none.
    """
    if own.is_own(name):
        return sketch(name).dimensions == 2
    parsed = None if name in ROWS else parse(name)
    if parsed is not None:
        # Not by its record, so that `snakemake weights`, which writes a damaged one again, can be planned.
        has_repositories = LIBRARIES[parsed.library].has_repositories
        known_by = weights_dir / repository_folder(parsed) if has_repositories else parsed.model
        return bool(maker_of(parsed.library).is_2d(known_by))
    return find_row(name, weights_dir).dimensions == 2


@dataclasses.dataclass(frozen=True)
class Sketch:
    """What planning needs to know about a network of the user."""

    dimensions: int
    features: int
    weights_file: str


def sketch(name: str) -> Sketch:
    """The facts that the file of ``name`` states; it is run only if they are not plain values. Raises ConfigError."""
    source = own.read_source(name)
    dimensions, features, file = source.field("dimensions"), source.field("features"), source.weights_file()
    if type(dimensions) is int and type(features) is int and file is not None:
        return Sketch(dimensions, features, file)
    row = own.find(name)
    return Sketch(row.dimensions, row.features, row.weights.file)


def described(name: Name, weights_dir: Path) -> Row:
    """The row of any model of a library, which is imported for it.

    Raises:
        ConfigError: the model does not exist, or cannot be a backbone.
        WeightsError: it is a repository that has not been fetched.
    """
    maker = maker_of(name.library)
    row: Row
    if not LIBRARIES[name.library].has_repositories:
        row = maker.describe(name.model, name.choices)
        return row
    folder = weights_dir / repository_folder(name)
    if not folder.is_dir():
        raise WeightsError(f"the repository of {name} is missing", where=folder, remedy=f"{FETCH_REMEDY}.")
    check_folder(folder)
    row = maker.describe(name, folder)
    return row


def repository_folder(name: Name) -> str:
    """The folder of a repository in the folder of the weights, the same for all choices."""
    return folder_name(f"{name.library}:{name.model}")


def nearest(name: str, names: Iterable[str] = ROWS) -> str:
    close = difflib.get_close_matches(name.lower(), list(names), n=3, cutoff=0.5)
    first = f"The nearest are {', '.join(close)}. " if close else f"There are {', '.join(sorted(names))}. "
    return first + (
        f"Choose one, or write {', '.join(f'{library}:MODEL' for library in LIBRARIES)} or my_file.py:row; "
        "`python -m trailers backbones` lists them."
    )


def maker_of(library: str) -> types.ModuleType:
    return importlib.import_module(f"trailers.backbones.{library}")


def recorded(name: str, weights_dir: Path) -> Row | None:
    """The row that was recorded beside the weights; None if there is no record."""
    path = weights_dir / f"{folder_name(name)}.json"
    values = read_lock_file(path)
    if values is None or "row" not in values:
        return None
    try:
        return row_from(values["row"], canonical_name(name))
    except (AttributeError, KeyError, TypeError, ValueError) as problem:
        raise WeightsError(f"is damaged: {problem}", where=path, remedy=RECORD_AGAIN) from None


def row_values(row: Row) -> dict[str, Any]:
    """``row`` in plain values, for JSON."""
    values = dataclasses.asdict(dataclasses.replace(row, make=None))
    del values["make"]
    return values


def row_from(values: dict[str, Any], name: str) -> Row:
    """The row of ``row_values``. Raises ValueError, KeyError or TypeError if it is not the row of a library's model."""
    if "make" in values:
        raise ValueError("it names code to run")
    shape: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in values["transform"].items()
    }
    about = About(**values.get("about", {}))  # records of earlier versions do not have it
    parts = {"transform": Transform(**shape), "weights": Weights(**values["weights"]), "about": about}
    row = Row(**{**values, **parts})
    check_text(row, row.weights, row.transform)
    parsed = parse(name)
    if parsed is None or (row.name, row.library, row.model) != (name, parsed.library, parsed.model):
        raise ValueError(f"it describes '{row.name}', {row.model} of {row.library}")
    is_file = PLAIN.fullmatch(row.weights.file) is not None
    is_right = row.weights.file == repository_folder(parsed) if LIBRARIES[parsed.library].has_repositories else is_file
    if not is_right or row.weights.package:
        raise ValueError(f"it names the model {row.model!r}, the file {row.weights.file!r}")
    if not WEB.match(row.weights.url):
        raise ValueError(f"it names the link {row.weights.url!r}")
    check_numbers(row)
    return row


def check_text(*parts: Any) -> None:
    """Raises ValueError if a text field of a dataclass contains something else."""
    for part in parts:
        for field in dataclasses.fields(part):
            value = getattr(part, field.name)
            if field.type == "str" and not isinstance(value, str):
                raise ValueError(f"its {field.name} is {value!r}, not text")


def check_numbers(row: Row) -> None:
    """Raises ValueError if a network cannot have a recorded number, because memory is allocated by these numbers."""
    sides = (*row.transform.resize, *row.transform.crop)
    counts = (row.features, row.least_frames, row.batch_cpu, row.batch_cuda, row.frames or 1, *sides)
    if not all(isinstance(count, int) and 1 <= count <= MOST for count in counts):
        raise ValueError(f"its sizes are {counts}")
    levels = (*row.transform.mean, *row.transform.std)
    if len(levels) != 6 or not all(isinstance(level, (int, float)) and math.isfinite(level) for level in levels):
        raise ValueError(f"its mean and deviation are {levels}")
    if min(row.transform.std) <= 0:
        raise ValueError(f"its deviation is {row.transform.std}")
