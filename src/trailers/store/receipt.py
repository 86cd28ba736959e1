"""The receipt of one download: what was downloaded, or why not. JSON beside the video.

    results/download/tt0133093.json     schema, trailer, status, file, sha256, fingerprint, facts, error
    results/download/tt0133093.webm     the video as published, if it was downloaded

If ``download.local_files`` is ``reference``, a video on this machine is not copied: ``reference``, in place of
``file``, is its path.

The facts of a video include what was measured in it and, if known, what was announced: ``promised_s``, the duration
in s that the site, playlist or manifest stated; ``fragments``; ``parts``, at which its time stamps may restart.

A trailer with a dead receipt is not requested again until its link or the settings change.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from trailers.domain import TRAILER_ID
from trailers.errors import StoreError
from trailers.store.atomic import write_text
from trailers.store.fingerprint import sha256_of
from trailers.store.json_file import read_product
from trailers.store.ledger import DEAD, OK

SCHEMA = "receipt/1"

FILE = re.compile(r"(?P<trailer>[A-Za-z0-9_-]+)\.[a-z0-9]{1,8}", re.ASCII)
SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True)
class Receipt:
    """One download. ``file``, ``reference`` and ``sha256`` are empty when the trailer is dead."""

    trailer: str
    status: str  # ok or dead
    file: str = ""  # the video's name, in the receipt's folder
    sha256: str = ""  # of the video
    fingerprint: str = ""  # of the settings and links
    facts: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    reference: str = ""  # path of the user's own file: absolute, or relative to the receipt's folder

    def __post_init__(self) -> None:
        if not isinstance(self.facts, Mapping):
            raise ValueError(f"facts are a mapping, got {self.facts!r}")
        if TRAILER_ID.fullmatch(self.trailer) is None:
            raise ValueError(f"'{self.trailer}' is not a trailer id")
        if self.status not in (OK, DEAD):
            raise ValueError(f"a receipt's status is ok or dead, got '{self.status}'")
        if self.status == DEAD:
            if self.file or self.reference or self.sha256 or not self.error:
                raise ValueError("a dead receipt has an error and no file")
            return
        if SHA256.fullmatch(self.sha256) is None:
            raise ValueError(f"sha256 has 64 hexadecimal digits, got '{self.sha256}'")
        if self.reference:
            if self.file or "\0" in self.reference:
                raise ValueError(f"reference must be a path and file empty, got '{self.reference}'")
            return
        # Readers join the name to a folder, so it must not lead out of the folder.
        name = FILE.fullmatch(self.file)
        if name is None or name["trailer"] != self.trailer or self.file == f"{self.trailer}.json":
            raise ValueError(f"file is the trailer's id and a suffix, got '{self.file}'")


def write_receipt(path: Path, receipt: Receipt) -> None:
    """Write ``receipt``; the same receipt gives the same bytes."""
    values = {"schema": SCHEMA, **asdict(receipt)}
    if not receipt.reference:
        del values["reference"]
    write_text(path, json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def read_receipt(path: Path) -> Receipt:
    """The receipt of one trailer; its video is ``source_of(path, receipt)``.

    Raises:
        StoreError: the file is missing, damaged, or of another schema.
    """
    remedy = "Remove it and rerun the download stage."
    values = read_product(path, kind="a receipt", schema=SCHEMA, command="the download stage", remedy=remedy)
    try:
        receipt = Receipt(**values)
    except (TypeError, ValueError) as problem:
        raise StoreError(f"is damaged: {problem}", where=path, remedy=remedy) from None
    if receipt.trailer != path.stem:
        raise StoreError(f"is the receipt of '{receipt.trailer}'", where=path, remedy=remedy)
    return receipt


def source_of(path: Path, receipt: Receipt) -> Path:
    """The path of the video that the receipt at ``path`` names: beside it, or the user's own file."""
    return path.parent / receipt.reference if receipt.reference else path.with_name(receipt.file)


def check_reference(path: Path, receipt: Receipt) -> None:
    """Compare the user's own file with its digest, if the receipt at ``path`` names one.

    Raises:
        StoreError: it was removed or changed.
    """
    if not receipt.reference:
        return
    source = source_of(path, receipt)
    if not source.is_file() or sha256_of(source) != receipt.sha256:
        raise StoreError(
            "was removed or changed after the download stage read it; with `download.local_files: reference` it must "
            "not change",
            where=source,
            remedy="Put it back, or remove its receipt with `python -m trailers verify --repair` and rerun snakemake.",
        )
