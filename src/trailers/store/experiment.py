"""The files of one experiment on one split.

metrics.json      the results and everything needed to trace them; written last
predictions.csv   one row per trailer of validation and test: probability of each genre, then its labels
curves.csv        one row per epoch
left_out.csv      one row per trailer of the manifest that was not used, with the reason
weights.pt        the network of the best epoch, with everything needed to use it
checkpoint.pt     the state of the training between two epochs; removed when training has finished
"""

from __future__ import annotations

import csv
import io
import json
import logging
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trailers.domain import SPLITS, ClipStrategy
from trailers.errors import ConfigError, StoreError
from trailers.genres import checked_genres
from trailers.store.atomic import deferring_errors, write_text
from trailers.store.json_file import read_product

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

SCHEMA = "classify-metrics/1"
WEIGHTS_SCHEMA = "classify-weights/2"
METRICS, PREDICTIONS, CURVES, LEFT_OUT = "metrics.json", "predictions.csv", "curves.csv", "left_out.csv"
WEIGHTS, CHECKPOINT = "weights.pt", "checkpoint.pt"
REMEDY = "Remove it and rerun the classify stage."
MOST_FEATURES = 1 << 20  # F of a backbone; a larger number is damage


def write_metrics(folder: Path, metrics: Mapping[str, Any]) -> None:
    write_text(folder / METRICS, json.dumps({"schema": SCHEMA, **metrics}, indent=1, allow_nan=False) + "\n")


def read_metrics(path: Path) -> dict[str, Any]:
    """What ``write_metrics`` wrote.

    Raises:
        StoreError: the file is missing, damaged, or of another schema.
    """
    return read_product(path, kind="metrics", schema=SCHEMA, command="the classify stage", remedy=REMEDY)


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows(rows)
    write_text(path, text.getvalue())


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write ``state``, tensors and plain values, so that ``load_state`` reads it."""
    import torch

    # A file, not a path: torch would store the name of the path, and the temporary name differs each time.
    with deferring_errors(path) as file:
        torch.save(dict(state), file)


def load_state(path: Path) -> dict[str, Any]:
    """The state that ``save_state`` wrote. No code in the file is run: torch unpickles only tensors and plain values.

    Raises:
        FileNotFoundError: the file does not exist.
        StoreError: the file is damaged, or is not such a file.
    """
    import torch

    try:
        check_archive(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as problem:  # noqa: BLE001  torch raises exceptions of many types for damaged bytes
        words = (str(problem).strip().splitlines() or [type(problem).__name__])[0][:200].rstrip(".")
        raise StoreError(f"is damaged: {words}", where=path, remedy=REMEDY) from None
    if not isinstance(state, dict):
        raise StoreError("does not contain a table of values", where=path, remedy=REMEDY)
    return state


def check_archive(path: Path) -> None:
    """Raise ValueError if a record of a torch file does not match its checksum; torch itself does not compare them."""
    with zipfile.ZipFile(path) as archive:
        records = archive.infolist()
        if any(record.compress_type != zipfile.ZIP_STORED for record in records):
            raise ValueError("its records are compressed, which torch never writes")
        if sum(record.file_size for record in records) > path.stat().st_size:
            raise ValueError("its records claim more bytes than the file has")
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"the record {damaged!r} does not match its checksum")


def load_checkpoint(path: Path, fingerprint: str) -> dict[str, Any] | None:
    """The training that ``save_state`` wrote; None, with a line in the log, if it is damaged or has other settings."""
    try:
        state = load_state(path)
    except FileNotFoundError:
        return None
    except StoreError as problem:
        log.warning("%s", problem)
        return None
    if state.get("fingerprint") != fingerprint:
        log.info("%s: was made with other settings or data and is not used", path)
        return None
    return state


@dataclass(frozen=True)
class TrainedExperiment:
    """The content of weights.pt: one network, and what it was trained on."""

    fingerprint: str
    experiment: str
    split: int
    clips: str  # the clip strategy
    backbones: tuple[str, ...]
    features: tuple[int, ...]  # F of each backbone
    packs: tuple[Mapping[str, Any], ...]  # origin of the vectors of each backbone
    genres: tuple[str, ...]
    recipe: Mapping[str, Any]
    state: Mapping[str, Tensor]
    curves: tuple[tuple[int, float, float, float], ...]  # epoch, learning rate, losses of training and validation
    best_epoch: int

    def __post_init__(self) -> None:
        for name in ("fingerprint", "experiment"):
            require(isinstance(getattr(self, name), str), f"{name} is not text")
        require(self.split in SPLITS, f"split is {self.split!r}")
        ClipStrategy.parse(self.clips)
        require(len(self.backbones) > 0, "it names no backbone")
        require(all(isinstance(name, str) for name in self.backbones), "a name of a backbone is not text")
        same = len(self.backbones) == len(self.features) == len(self.packs)
        require(same, "the numbers of backbones, features and packs differ")
        require(all(is_count(n) and n <= MOST_FEATURES for n in self.features), f"features are {self.features}")
        require(all(isinstance(pack, Mapping) for pack in self.packs), "packs are not tables")
        require(checked_genres(self.genres, "genres") == self.genres, f"genres are {self.genres}")
        require(isinstance(self.recipe, Mapping) and bool(self.recipe), "it has no recipe")
        require(len(self.state) > 0, "it has no weights")
        for name, tensor in self.state.items():
            require(is_finite(tensor), f"the weights '{name}' are not finite numbers")
        for number, row in enumerate(self.curves, start=1):
            is_valid = len(row) == 4 and row[0] == number and all(isinstance(value, (int, float)) for value in row)
            require(is_valid, f"epoch {number} of its learning curve is {row}")
        require(is_count(self.best_epoch) and self.best_epoch <= len(self.curves), f"best_epoch is {self.best_epoch!r}")


def require(true: bool, words: str) -> None:
    if not true:
        raise ValueError(words)


def is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def is_finite(value: object) -> bool:
    import torch

    return isinstance(value, torch.Tensor) and (not value.is_floating_point() or bool(torch.isfinite(value).all()))


def read_weights(path: Path) -> TrainedExperiment:
    """The trained experiment at ``path``.

    Raises:
        StoreError: the file is missing, damaged, or of another schema.
    """
    try:
        state = load_state(path)
    except FileNotFoundError:
        raise StoreError(
            "is not a trained experiment", where=path,
            remedy="Run the classify stage first, or name another folder.",
        ) from None  # fmt: skip
    if state.get("schema") != WEIGHTS_SCHEMA:
        raise StoreError(f"its schema is {state.get('schema')!r}, not '{WEIGHTS_SCHEMA}'", where=path, remedy=REMEDY)
    try:
        values = {field.name: state[field.name] for field in fields(TrainedExperiment)}
        for name in ("backbones", "features", "packs", "genres"):
            values[name] = tuple(values[name])
        values["curves"] = tuple(map(tuple, values["curves"]))
        return TrainedExperiment(**values)
    except KeyError as problem:
        raise StoreError(f"is damaged: it has no {problem}", where=path, remedy=REMEDY) from None
    except (TypeError, ValueError, AttributeError, ConfigError) as problem:
        raise StoreError(f"is damaged: {problem}", where=path, remedy=REMEDY) from None


def find_weights(path: Path, fingerprint: str) -> TrainedExperiment | None:
    """As ``read_weights``; None, with a line in the log, if the file is missing or damaged or has other settings."""
    if not path.exists():
        return None
    try:
        trained = read_weights(path)
    except StoreError as problem:
        log.warning("%s The experiment is trained again.", problem)
        return None
    if trained.fingerprint != fingerprint:
        log.info("%s: was made with other settings or data and is not used", path)
        return None
    return trained
