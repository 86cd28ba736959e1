"""The folder of the receipts and files of a download stage.

Only files that a receipt names and files of unfinished downloads are deleted; for example, a subtitle file that a user
put beside a video is kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trailers.errors import StoreError
from trailers.store.atomic import remove, sync
from trailers.store.receipt import FILE, Receipt, read_receipt, source_of
from trailers.store.share import share
from trailers.web.formats import safe_suffix

PARTIAL = re.compile(r"[0-9a-f]{16}\.[a-z0-9]{1,8}(\.part(-Frag\d+(\.part)?)?|\.ytdl|\.version|\.fragments)?", re.ASCII)


@dataclass(frozen=True)
class DownloadFolder:
    folder: Path
    suffixes: Sequence[str]  # allowed suffixes of products; any other suffix becomes "bytes"

    def receipt_path(self, trailer: str) -> Path:
        return self.folder / f"{trailer}.json"

    def partial_folder(self, trailer: str) -> Path:
        return self.folder / ".partial" / trailer

    def place(self, trailer: str, path: Path, *, is_local: bool) -> str:
        """Move or copy the file at ``path`` into the folder; returns its name for the receipt."""
        target = self.folder / f"{trailer}.{safe_suffix(path.suffix[1:], self.suffixes)}"
        if is_local:
            share(path, target)
        elif path != target:
            sync(path)
            path.replace(target)
            sync(target.parent)
        return target.name

    def is_whole(self, file: str, facts: Mapping[str, Any]) -> bool:
        path = self.folder / file
        return bool(file) and path.is_file() and path.stat().st_size == facts.get("bytes")

    def has_bytes(self, receipt: Receipt) -> bool:
        """Whether the file that the receipt names exists and has the stated size."""
        path = source_of(self.receipt_path(receipt.trailer), receipt)
        return path.is_file() and path.stat().st_size == receipt.facts.get("bytes")

    def named(self, trailer: str) -> set[str]:
        """The files in the folder that the receipt on disk names; empty for a damaged receipt."""
        try:
            receipt = read_receipt(self.receipt_path(trailer))
        except StoreError:
            return set()
        return {name for name in (receipt.file, kept_file(receipt)) if name}

    def remove_links(self, trailer: str) -> None:
        """Remove symbolic links in place of partial bytes, because their targets would be written to."""
        for path in list(self.partial_folder(trailer).iterdir()):
            if path.is_symlink() and PARTIAL.fullmatch(path.name):
                remove(path, below=self.folder)

    def tidy(self, trailer: str, names: set[str]) -> None:
        """Remove the files ``names`` and the files of unfinished downloads of a trailer."""
        for name in names:
            remove(self.folder / name, below=self.folder)
        folder = self.partial_folder(trailer)
        for path in list(folder.iterdir()):
            if PARTIAL.fullmatch(path.name):
                remove(path, below=self.folder)


def kept_file(receipt: Receipt) -> str:
    """The name of the file that a dead receipt keeps, or ""; names that lead out of the folder are ignored."""
    kept = receipt.facts.get("kept")
    name = str(kept.get("file")) if isinstance(kept, Mapping) else ""
    match = FILE.fullmatch(name)
    return name if match and match["trailer"] == receipt.trailer and name != f"{receipt.trailer}.json" else ""
