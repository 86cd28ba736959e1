"""The files of a tokenizer on disk, and the comparison with those that were recorded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from trailers.backbones.repository import CONFIG, TOKENIZERS
from trailers.backbones.weights import Lock
from trailers.errors import WeightsError
from trailers.store.fingerprint import sha256_of

NAMES = (*TOKENIZERS, CONFIG)  # some tokenizers are known by the kind of their network
REMEDY = "Run `snakemake weights` with network access."


@contextlib.contextmanager
def made_from(folder: Path) -> Iterator[None]:
    """Inside, errors of a library while it makes the tokenizer of ``folder`` become a WeightsError."""
    try:
        yield
    except (OSError, ValueError, TypeError, KeyError, ImportError) as problem:
        words = " ".join(str(problem).split())[:200]
        raise WeightsError(f"its tokenizer cannot be made: {words}", where=folder, remedy=REMEDY) from None


def check_tokenizer(folder: Path, lock: Lock | None) -> None:
    """Reads the files completely. Raises WeightsError if there are none, or if they differ from ``lock``."""
    found = {name: sha256_of(folder / name) for name in NAMES if (folder / name).is_file()}
    if not found.keys() & set(TOKENIZERS):
        raise WeightsError("has no tokenizer, so no text can be read", where=folder, remedy=REMEDY)
    if lock is None:
        return
    recorded = {name: file.sha256 for name, file in lock.files.items() if name in NAMES}
    wrong = sorted(name for name in recorded.keys() | found.keys() if recorded.get(name) != found.get(name))
    if wrong:
        raise WeightsError(f"{wrong[0]} is not as it was recorded", where=folder, remedy=REMEDY)
