"""Downloads from repositories of Hugging Face with its own client.

The client resumes downloads, reads HF_TOKEN, HF_ENDPOINT and HF_HOME, and copies files that another program has put
into its cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trailers.errors import MACHINE, WeightsError
from trailers.store.text import size_text

log = logging.getLogger(__name__)

STATE = ".cache"  # folder in which the client keeps the state of unfinished downloads
BLOCK = 1 << 20


@dataclass(frozen=True)
class HubFile:
    """A file of a repository at one revision. Large files have a ``sha256``, small ones the ``blob`` id of git."""

    name: str
    size: int
    sha256: str = ""
    blob: str = ""


@dataclass(frozen=True)
class Listing:
    """The files of a repository; ``revision`` is the commit, ``licence`` the licence that its card states."""

    repository: str
    revision: str
    licence: str
    files: tuple[HubFile, ...]


def endpoint() -> str:
    """The address of the server of repositories."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"


def list_repository(repository: str, revision: str = "") -> Listing:
    """The files of ``repository`` at a commit, by default the latest.

    Raises:
        WeightsError: it does not exist, this user may not read it, or the network fails.
    """
    from huggingface_hub import HfApi

    with explained(repository):
        found = HfApi(endpoint=endpoint()).model_info(repository, revision=revision or None, files_metadata=True)
    files = tuple(
        HubFile(file.rfilename, file.size or 0, file.lfs.sha256 if file.lfs else "", file.blob_id or "")
        for file in found.siblings or ()
    )
    licence = found.card_data.get("license") if found.card_data else ""
    return Listing(repository, str(found.sha), str(licence or "not stated"), files)


def fetch_file(listing: Listing, file: HubFile, folder: Path) -> None:
    """Download one file of a repository into ``folder``, resuming an earlier try.

    Raises:
        WeightsError: it cannot be downloaded, or does not match the checksum that the repository states.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    path = folder / file.name
    if path.is_file() and is_announced(path, file):
        return
    log.info("weights: %s: fetching %s, %s", listing.repository, file.name, size_text(file.size))
    with explained(listing.repository):
        hf_hub_download(
            listing.repository, file.name, revision=listing.revision, local_dir=folder, endpoint=endpoint(),
            force_download=path.exists(),
        )  # fmt: skip
    if not is_announced(path, file):
        path.unlink(missing_ok=True)
        raise WeightsError(
            f"{file.name} of {listing.repository} does not match the checksum that the repository states",
            where=endpoint(), remedy="The file was discarded; rerun `snakemake weights`.",
        )  # fmt: skip


def is_announced(path: Path, file: HubFile) -> bool:
    """Whether the file at ``path`` has the digest that the repository announces for it."""
    if file.sha256:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest() == file.sha256
    if not file.blob:
        return path.stat().st_size == file.size
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)  # the blob id of git
    with path.open("rb") as opened:
        while block := opened.read(BLOCK):
            digest.update(block)
    return digest.hexdigest() == file.blob


def forget_state(folder: Path) -> None:
    """Remove the state of the client after all downloads have finished."""
    shutil.rmtree(folder / STATE, ignore_errors=True)


@contextlib.contextmanager
def explained(repository: str) -> Iterator[None]:
    """Turn exceptions of the client in the block into WeightsError with one sentence."""
    from huggingface_hub import errors

    where = f"{endpoint()}/{repository}"
    network_error: type[Exception] = errors.HfHubHTTPError.__mro__[1]  # of the HTTP library that the client uses
    try:
        yield
    except errors.GatedRepoError:
        raise WeightsError(
            "its authors require that you accept their terms first", where=where,
            remedy="Accept them on that page, then set HF_TOKEN to a token of your account.",
        ) from None  # fmt: skip
    except errors.RepositoryNotFoundError:
        raise WeightsError(
            "does not exist or is private", where=where,
            remedy="Correct the name, or set HF_TOKEN to a token that may read it.",
        ) from None  # fmt: skip
    except (errors.HFValidationError, errors.RevisionNotFoundError, errors.RemoteEntryNotFoundError) as problem:
        raise WeightsError(first_line(problem), where=where, remedy="Correct the name.") from None
    except (OSError, network_error) as problem:
        if isinstance(problem, OSError) and problem.errno in MACHINE:
            raise
        if getattr(getattr(problem, "response", None), "status_code", 0) in (401, 403):
            raise WeightsError(
                "cannot be read without a valid token", where=where, remedy="Correct HF_TOKEN, or set it."
            ) from None
        raise WeightsError(
            f"cannot be fetched: {first_line(problem.__cause__ or problem)}", where=where,
            remedy="Rerun `snakemake weights` with network access; what was downloaded is kept.",
        ) from None  # fmt: skip


def first_line(problem: BaseException) -> str:
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return (lines[0][:200] if lines else type(problem).__name__).rstrip(".")
