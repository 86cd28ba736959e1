"""Templates, style and scripts of the pages, and what a finished page says of itself.

A page holds its data as JSON in an element that no browser runs; ``tojson`` escapes what could end it.
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
ASSETS = ("pages.css", "theme.js", "trailer.js", "index.js")
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
    """``text`` with a last line that proves it whole."""
    return text + END.format(digest=hashlib.sha256(text.encode()).hexdigest()[:16])


def read_page(path: Path) -> dict[str, Any]:
    """The data that the page at ``path`` holds.

    Raises:
        StoreError: it is missing, damaged, or none of these pages.
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
    """Bring style and scripts in ``folder`` up to date; files that are as they should be are left alone."""
    make_folder(folder, below=below)
    for name in ASSETS:
        wanted, path = (HERE / "assets" / name).read_bytes(), folder / name
        if not path.is_file() or path.read_bytes() != wanted:
            with atomic(path) as temporary:
                temporary.write_bytes(wanted)


def as_script(name: str, values: Mapping[str, Any]) -> str:
    """A script file that does nothing but give ``values`` a name: pages opened from a disk can read no other file."""
    text = json.dumps(values, separators=(",", ":"), sort_keys=True)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return f"globalThis.{name} = {text};\n"


def read_script(path: Path, name: str) -> dict[str, Any]:
    """What ``as_script`` wrote at ``path``; nothing where there is no such file, or another one."""
    try:
        text = read_small_file(path).decode("utf-8")
        found = json.loads(text.removeprefix(f"globalThis.{name} = ").removesuffix(";\n"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
