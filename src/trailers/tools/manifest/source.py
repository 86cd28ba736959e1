"""The result of reading a source: trailers, and which of their ids were given rather than generated."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trailers.domain import Trailer
from trailers.errors import ManifestError
from trailers.store.cells import is_path_by_form, path_exists, plain
from trailers.web.links import EXPLICIT, completed, web_link


@dataclass(frozen=True)
class Source:
    """The trailers of a folder or a list, in its order, including those without a link."""

    trailers: Sequence[Trailer]
    given_ids: frozenset[str] = frozenset()  # the other ids are made from links and names


class UnwritableError(ManifestError):
    """A manifest cannot contain the path of this file."""


def local_url(path: Path, base: Path) -> str:
    """``path`` as it is written in a manifest in ``base``, in a form that cannot be taken for a link.

    Raises:
        UnwritableError: its name has control characters, or bytes that are not UTF-8.
    """
    # Resolve the folders, because `..` after a link leads elsewhere; keep the file's own name, even if it is a link.
    whole = Path(path.parent.resolve(), path.name)
    url = os.path.relpath(whole, base.resolve())
    if any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in url) or not is_utf8(url) or plain(url[-1]) == "":
        raise UnwritableError(
            "a manifest cannot hold this file: its path has a control character, bytes that are not UTF-8, or a blank "
            "at its end",
            where=ascii(str(path)),
            remedy="Rename it.",
        )
    is_plain = "/" in url and is_path_by_form(url) and plain(url) == url
    return url if is_plain or url.startswith(EXPLICIT) else f"./{url}"


def is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def rebased(urls: Sequence[str], listed: Path, output: Path) -> tuple[str, ...]:
    """The urls of a list, with paths relative to the manifest instead of the list.

    Raises:
        ManifestError: a path does not exist, and does not begin with ./, ../ or /.
    """
    found = []
    for url in urls:
        if web_link(url) is not None:
            found.append(completed(url))
            continue
        if not url.startswith(EXPLICIT) and not path_exists(listed.parent / url):
            raise ManifestError(
                f"'{url}' does not exist", remedy=f"Correct it, or write ./{url} for a file that does not exist yet."
            )
        found.append(local_url(listed.parent / url, output.parent))
    return tuple(found)
