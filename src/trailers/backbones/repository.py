"""A published repository on disk: configuration, processor, weights and tokenizer of one network, in one folder.

    {weights_dir}/transformers-ORG++REPOSITORY/config.json, preprocessor_config.json, model.safetensors, ...

Its sha256 is that of the lines ``sha256  name`` of the files that shape vectors, sorted by name, as ``sha256sum``
writes them. A tokenizer does not shape vectors of clips, so adding it later does not make vectors outdated.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from trailers.errors import WeightsError
from trailers.store.fingerprint import sha256_of

CONFIG = "config.json"
INDEX = "model.safetensors.index.json"
PROCESSORS = ("preprocessor_config.json", "video_preprocessor_config.json", "processor_config.json")
TOKENIZERS = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "vocab.txt", "merges.txt", "spiece.model", "tokenizer.model"),
)
WEIGHTS = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors", re.ASCII)

Shapes = Mapping[str, str]  # sha256 by the name of the file


@dataclass(frozen=True)
class LockedFile:
    """Digest, size and time of a file when it was last read completely."""

    sha256: str
    bytes: int
    mtime_ns: int

    @classmethod
    def at(cls, path: Path) -> LockedFile:
        status = path.stat()
        return cls(sha256_of(path), status.st_size, status.st_mtime_ns)

    def is_untouched(self, path: Path) -> bool:
        status = path.stat()
        return (self.bytes, self.mtime_ns) == (status.st_size, status.st_mtime_ns)


def wanted(names: Iterable[str]) -> tuple[str, ...]:
    """The files of a repository that are used, sorted: no code, and no weights in another format."""
    return tuple(sorted(name for name in names if is_shaping(name) or name in TOKENIZERS))


def is_shaping(name: str) -> bool:
    """Whether vectors depend on a file of this name."""
    return name in (CONFIG, INDEX, *PROCESSORS) or WEIGHTS.fullmatch(name) is not None


def digest_of(files: Shapes) -> str:
    """One sha256 for all files that shape vectors."""
    lines = [f"{files[name]}  {name}\n" for name in sorted(files) if is_shaping(name)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def lock_files(folder: Path) -> dict[str, LockedFile]:
    """Every used file of ``folder``, read completely."""
    return {name: LockedFile.at(folder / name) for name in wanted(path.name for path in folder.iterdir())}


def shapes_of(folder: Path) -> dict[str, str]:
    """sha256 of each file that shapes vectors, read completely."""
    return {path.name: sha256_of(path) for path in folder.iterdir() if is_shaping(path.name)}


def check_complete(names: Iterable[str], where: object, *, index: Mapping[str, object] | None = None) -> None:
    """Raises WeightsError if a network cannot be made from files of these names; states what is missing."""
    files = set(names)
    remedy = "Choose another repository, or a converted copy of this one."
    if CONFIG not in files:
        raise WeightsError("has no config.json, so it is not a network of transformers", where=where, remedy=remedy)
    if not files & set(PROCESSORS):
        what = "has no preprocessor_config.json, which states how frames are prepared"
        raise WeightsError(what, where=where, remedy=remedy)
    if not any(WEIGHTS.fullmatch(name) for name in files):
        what = "has no weights in the safetensors format, the only format that is read"
        raise WeightsError(what, where=where, remedy=remedy)
    missing = sorted(shards_of(index or {}) - files)
    if missing:
        raise WeightsError(f"lacks {', '.join(missing[:3])}", where=where, remedy="Rerun `snakemake weights`.")


def shards_of(index: Mapping[str, object]) -> set[str]:
    """The files that the index of weights in parts names. Raises WeightsError if it names another kind of file."""
    table = index.get("weight_map", {})
    names = {str(name) for name in table.values()} if isinstance(table, dict) else set()
    strange = sorted(name for name in names if not WEIGHTS.fullmatch(name))
    if strange:
        raise WeightsError(f"lists {strange[0]!r} as a part of the weights, which is not allowed", where=INDEX)
    return names


def check_folder(folder: Path) -> None:
    """Raises WeightsError if ``folder`` does not contain a complete repository."""
    names = [path.name for path in folder.iterdir()]
    index = None
    if INDEX in names:
        try:
            index = json.loads((folder / INDEX).read_bytes())
        except ValueError as problem:
            raise WeightsError(f"is not JSON: {problem}", where=folder / INDEX) from None
    check_complete(names, folder, index=index if isinstance(index, dict) else None)
