"""Weights on disk: where they are, whether they are the right ones, and reading them.

Weights may come from unknown sources: only tensors are read from them, never code.
"""

from __future__ import annotations

import importlib.util
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trailers.backbones.repository import LockedFile, check_folder, digest_of, shapes_of, wanted
from trailers.backbones.row import Row
from trailers.domain import folder_name
from trailers.errors import MissingWeightsError, WeightsError
from trailers.store.fingerprint import sha256_of
from trailers.store.json_file import read_json

FETCH_REMEDY = "Run `snakemake weights` with network access"
RECORD_AGAIN = "Run `snakemake weights` to write it again."
SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True)
class Lock:
    """The record of a file, made when it was fetched; JSON beside it, named after the backbone."""

    file: str
    sha256: str
    bytes: int
    mtime_ns: int
    url: str
    revision: str = ""  # the commit of a repository
    files: Mapping[str, LockedFile] = field(default_factory=dict)

    def __post_init__(self) -> None:
        files = {name: LockedFile(**values) for name, values in dict(self.files).items()}  # type: ignore[arg-type]
        object.__setattr__(self, "files", files)
        if not all(isinstance(text, str) for text in (self.file, self.sha256, self.url)):
            raise ValueError("file, sha256 and url are text")
        if not SHA256.fullmatch(self.sha256):
            raise ValueError(f"sha256 has 64 hexadecimal digits, got '{self.sha256}'")
        if type(self.bytes) is not int or type(self.mtime_ns) is not int:
            raise ValueError("bytes and mtime_ns are whole numbers")


def weights_path(row: Row, folder: Path) -> Path:
    """Where the weights are or would be: in ``folder``, otherwise in the package that contains them."""
    path = folder / row.weights.file
    if row.weights.package and not path.exists():
        found = importlib.util.find_spec(row.weights.package)
        if found is not None and found.origin is not None:
            return Path(found.origin).parent / "models" / row.weights.file
    return path


def weights_sha256(row: Row, folder: Path) -> str:
    """The sha256 of the weights of ``row``; fast if they have not changed since they were fetched.

    Raises:
        WeightsError: they are missing, or not the expected ones.
    """
    path = weights_path(row, folder)
    check_there(row, path)
    lock = read_lock(row, folder)
    if lock is not None and lock.file == path.name and is_untouched(path, lock):
        check_digits(row, path, lock.sha256)
        return lock.sha256
    return check_weights(row, folder)


def check_weights(row: Row, folder: Path) -> str:
    """Reads the weights completely and returns their sha256.

    Raises:
        WeightsError: they are missing, or not the expected ones.
    """
    path = weights_path(row, folder)
    check_there(row, path)
    found = digest_of(shapes_of(path)) if path.is_dir() else sha256_of(path)
    check_digits(row, path, found)
    lock = read_lock(row, folder)
    if lock is not None and lock.file == path.name and lock.sha256 != found:
        raise WeightsError(
            f"{path}: is not the file that was fetched: its sha256 is {found[:16]}..., but "
            f"{lock.sha256[:16]}... was recorded. "
            f"{FETCH_REMEDY} to fetch it again, or remove {lock_path(row, folder)} to accept it as it is."
        )
    return found


def is_untouched(path: Path, lock: Lock) -> bool:
    """Whether a file, or every file of a repository, has the size and time that were recorded."""
    if not path.is_dir():
        status = path.stat()
        return (lock.bytes, lock.mtime_ns) == (status.st_size, status.st_mtime_ns)
    names = wanted(file.name for file in path.iterdir())
    return set(names) == set(lock.files) and all(lock.files[name].is_untouched(path / name) for name in names)


def check_there(row: Row, path: Path) -> None:
    """Raises WeightsError if the weights are missing, or if the file is obviously something else."""
    if row.is_repository and path.is_dir():
        check_folder(path)
        for file in sorted(path.glob("*.safetensors")):
            if posing_as(file):
                raise WeightsError(f"{file}: is {posing_as(file)}, not weights. {FETCH_REMEDY} to fetch it again.")
        return
    if not path.is_file():
        remedy = (
            f"{FETCH_REMEDY}, or put it there by hand."
            if row.weights.url
            else f"{row.weights.note or 'Put it there by hand.'}"
        )
        raise MissingWeightsError(f"{path}: the weights of {row.name} are missing. {remedy}")
    kind = posing_as(path)
    if kind:
        raise WeightsError(f"{path}: is {kind}, not the weights of {row.name}. {FETCH_REMEDY} to fetch it again.")


def posing_as(path: Path) -> str:
    """The kind of file, if it is one that is often found instead of weights; empty if it may be weights."""
    with path.open("rb") as file:
        start = file.read(256).lstrip().lower()
    if not start:
        return "empty"
    if start.startswith(b"version https://git-lfs"):
        return "a Git-LFS pointer"
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page"
    return ""


def check_digits(row: Row, path: Path, found: str) -> None:
    """Raises WeightsError if ``found`` does not start with the published digits."""
    if not found.startswith(row.weights.sha256):
        raise WeightsError(
            f"{path}: is damaged or truncated, or not the weights {row.weights.name} of {row.name}: its sha256 starts "
            "with "
            f"{found[:16]}, not {row.weights.sha256[:16]}. {FETCH_REMEDY} to fetch it again."
        )


def lock_path(row: Row, folder: Path) -> Path:
    return folder / f"{folder_name(row.name)}.json"


def read_lock(row: Row, folder: Path) -> Lock | None:
    """The record of the row's weights; None if there is none. Raises WeightsError if it is damaged."""
    return lock_at(lock_path(row, folder))


def known_weights(folder: Path, name: str) -> str:
    """The sha256 that was recorded when the weights of a backbone were fetched; empty if there is no record.

    Args:
        folder: embed.weights_dir.
        name: the backbone, or the name of its folder.

    Raises:
        WeightsError: the record is damaged; names the file, which `snakemake weights` writes again.
    """
    path = folder / f"{folder_name(name)}.json"
    values = read_lock_file(path)
    lock = {"sha256": ""} if values is None else values.get("lock")
    if not isinstance(lock, dict) or not isinstance(lock.get("sha256"), str):
        raise WeightsError("is damaged: it has no sha256 of the weights", where=path, remedy=RECORD_AGAIN)
    return str(lock["sha256"])


def lock_at(path: Path) -> Lock | None:
    values = read_lock_file(path)
    try:
        return None if values is None else Lock(**values["lock"])
    except (KeyError, TypeError, ValueError) as problem:
        words = f"has no {problem}" if isinstance(problem, KeyError) else str(problem)
        raise WeightsError(f"is damaged: {words}", where=path, remedy=RECORD_AGAIN) from None


def read_lock_file(path: Path) -> dict[str, Any] | None:
    """The record that `snakemake weights` wrote beside the weights; None if there is none.

    Raises:
        WeightsError: it is damaged; names the file.
    """
    if path.parent.exists() and not path.parent.is_dir():
        remedy = "Name a folder in config.yaml, embed.weights_dir."
        raise WeightsError("is not a directory, so it contains no weights", where=path.parent, remedy=remedy)
    if path.is_dir():
        raise WeightsError("is a directory; weights are recorded in a file there", where=path, remedy="Move it away.")
    try:
        return read_json(path, remedy=RECORD_AGAIN, error=WeightsError)
    except FileNotFoundError:
        return None


def load_state(path: Path) -> dict[str, Any]:
    """The tensors of a checkpoint by name: bare, under ``model_state`` or ``state_dict``, with or without ``module.``.

    Raises:
        WeightsError: it is not a checkpoint, or contains more than tensors.
    """
    try:
        found = read_checkpoint(path)
    except Exception as problem:  # noqa: BLE001  damaged bytes make torch and safetensors raise any exception
        first = str(problem).strip().splitlines()[0][:200] if str(problem).strip() else type(problem).__name__
        raise WeightsError(f"{path}: cannot be read as weights: {first} {FETCH_REMEDY} to fetch it again.") from None
    for key in ("state_dict", "model_state", "model"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not found:
        raise WeightsError(f"{path}: does not contain a table of weights. {FETCH_REMEDY} to fetch it again.")
    state = OrderedDict((str(name).removeprefix("module."), value) for name, value in found.items())
    versions = getattr(found, "_metadata", None)
    if isinstance(versions, dict):
        # Some networks read from it how the names of their parameters are to be understood.
        state._metadata = {  # type: ignore[attr-defined]
            "" if name == "module" else str(name).removeprefix("module."): version for name, version in versions.items()
        }
    return state


def read_checkpoint(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    import torch

    return torch.load(path, map_location="cpu", weights_only=True)
