"""Fetch weights of one file, and tokenizers, from Hugging Face; its client resumes and reads HF_TOKEN, HF_ENDPOINT."""

from __future__ import annotations

import dataclasses
import logging
import re
import shutil
from pathlib import Path

from trailers.backbones.open_clip import text_repository
from trailers.backbones.open_clip_text import tokenizer_folder, tokenizer_repository
from trailers.backbones.repository import CONFIG, TOKENIZERS, LockedFile
from trailers.backbones.row import Row
from trailers.backbones.weights import posing_as
from trailers.errors import WeightsError
from trailers.store.fingerprint import sha256_of
from trailers.web.hub import endpoint, fetch_file, forget_state, list_repository

log = logging.getLogger(__name__)

LINK = re.compile(r"https://huggingface\.co/([\w.-]+/[\w.-]+)/resolve/[\w.-]+/([\w.-]+)", re.ASCII)
UNSTATED = "not stated"


def is_on_hub(row: Row) -> bool:
    """Whether the weights are a file of a repository of Hugging Face."""
    return LINK.fullmatch(row.weights.url) is not None


def fetch_weights(row: Row, path: Path, *, pinned: str, revision: str) -> tuple[Row, str, str]:
    """Fetches the weights to ``path``; returns the row with the repository's licence, the sha256, and the commit.

    An interrupted download continues from ``{path}.part``.

    Args:
        row: its weights are on the hub.
        path: where they are written.
        pinned: first digits of the expected sha256; may be empty.
        revision: the commit to fetch; empty for the present one.

    Raises:
        WeightsError: they cannot be fetched, or are not the expected ones.
    """
    match = LINK.fullmatch(row.weights.url)
    assert match is not None
    listing = list_repository(match[1], revision)
    file = next((file for file in listing.files if file.name == match[2]), None)
    where = f"{endpoint()}/{match[1]}"
    if file is None or (file.sha256 and not file.sha256.startswith(pinned)):
        what = (
            f"has no {match[2]}" if file is None else f"{match[2]} is not the file with sha256 {pinned[:16]} any more"
        )
        raise WeightsError(what, where=where, remedy="Choose another tag, or put the file there by hand.")
    staging = path.with_name(f"{path.name}.part")
    fetch_file(listing, file, staging)
    fetched = staging / file.name
    found, kind = sha256_of(fetched), posing_as(fetched)
    if kind or not found.startswith(pinned):
        shutil.rmtree(staging)
        what = f"gave {kind}" if kind else f"gave sha256 {found[:16]}..., not {pinned[:16]}"
        raise WeightsError(what, where=where, remedy="Nothing was kept; put the file there by hand.")
    fetched.replace(path)
    shutil.rmtree(staging)
    log.info("weights: %s: %s, %.1f MB, sha256 %s", row.name, path, file.size / 1e6, found)
    licence = listing.licence if row.weights.licence == UNSTATED else row.weights.licence
    return dataclasses.replace(row, weights=dataclasses.replace(row.weights, licence=licence)), found, listing.revision


def fetch_tokenizer(row: Row, weights_dir: Path) -> dict[str, LockedFile]:
    """Fetches the tokenizer that an architecture of OpenCLIP takes from the hub, if it is missing; returns its files.

    Vectors of pictures do not need it, so a failure is only logged.
    """
    repository = tokenizer_repository(row.model.partition("/")[0]) if row.library == "open_clip" else ""
    if not repository:
        return {}
    folder = tokenizer_folder(row, weights_dir)
    lacks_config = bool(text_repository(row)) and not (folder / CONFIG).is_file()
    if lacks_config or not any((folder / name).is_file() for name in TOKENIZERS):
        try:
            listing = list_repository(repository)
            for file in listing.files:
                if file.name in (*TOKENIZERS, CONFIG):
                    fetch_file(listing, file, folder)
        except WeightsError as problem:
            log.warning("weights: %s: no text can be read: its tokenizer: %s", row.name, problem)
            shutil.rmtree(folder, ignore_errors=True)
            return {}
        forget_state(folder)
    names = [name for name in (*TOKENIZERS, CONFIG) if (folder / name).is_file()]
    return {name: LockedFile.at(folder / name) for name in names}
