"""Templates, style and scripts of the pages, and reading a finished page.

A page contains its data as JSON in an element that browsers do not run; ``tojson`` escapes text that could end it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trailers.errors import StoreError
from trailers.store.atomic import atomic, make_folder
from trailers.store.json_file import read_small_file

HERE = Path(__file__).parent
PARTS = ("base", "pictures", "words", "strip", "tracks", "playback", "experiments", "start")  # as in trailer.js
# The parts come before the script that loads them, so that a kill in between leaves the pages as they were.
ASSETS = ("pages.css", "theme.js", "index.js", *(f"trailer_{part}.js" for part in PARTS), "trailer.js")
DATA = re.compile(r'<script type="application/json" id="page">(.*?)</script>', re.DOTALL)
END = "<!-- sha256 {digest} -->\n"
REMEDY = "Remove it and rerun the pages stage."


def render(template: str, values: Mapping[str, Any]) -> str:
    """The text of ``template``, such as ``trailer.html.j2``; every value is escaped."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FileSystemLoader(HERE),
    )
    return environment.get_template(template).render(values) + "\n"


def sealed(text: str) -> str:
    """``text`` with a last line that proves that it is complete."""
    return text + END.format(digest=hashlib.sha256(text.encode()).hexdigest()[:16])


def read_page(path: Path) -> dict[str, Any]:
    """The data of the page at ``path``.

    Raises:
        StoreError: it is missing, damaged, or not such a page.
    """
    try:
        text = read_small_file(path).decode("utf-8")
    except FileNotFoundError:
        raise StoreError("does not exist", where=path, remedy="Run the pages stage first.") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise StoreError(f"cannot be read as a page: {problem}", where=path, remedy=REMEDY) from None
    body = text[: text.rfind("<!--")] if "<!--" in text else ""
    found = DATA.search(body)
    if found is None or text != sealed(body):
        raise StoreError("is damaged or truncated", where=path, remedy=REMEDY)
    data: dict[str, Any] = json.loads(found[1])
    return data


def write_assets(folder: Path, *, below: Path) -> None:
    """Brings style and scripts in ``folder`` up to date; files with the right content are left alone."""
    make_folder(folder, below=below)
    for name in ASSETS:
        wanted, path = (HERE / "assets" / name).read_bytes(), folder / name
        if not path.is_file() or path.read_bytes() != wanted:
            with atomic(path) as temporary:
                temporary.write_bytes(wanted)


def as_script(name: str, values: Mapping[str, Any]) -> str:
    """A script that only gives ``values`` a name; pages opened from a disk cannot read data in another way."""
    text = json.dumps(values, separators=(",", ":"), sort_keys=True)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return f"globalThis.{name} = {text};\n"


def read_script(path: Path, name: str) -> dict[str, Any]:
    """The values that ``as_script`` wrote to ``path``; empty if the file is missing or another one."""
    try:
        text = read_small_file(path).decode("utf-8")
        found = json.loads(text.removeprefix(f"globalThis.{name} = ").removesuffix(";\n"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
