"""Pages from the templates beside this file. HTML is in templates only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def render(template: str, values: Mapping[str, Any]) -> str:
    """The text of ``template``, such as ``report.html.j2``, with ``values``; ends with a line break.

    Titles and errors may contain anything, so in HTML everything is escaped unless the template says ``|safe``.
    """
    import jinja2

    from trailers.reporting.numbers import spread

    environment = jinja2.Environment(
        autoescape=lambda name: name is None or ".html" in name,  # noqa: S701  Markdown alone is not escaped
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
    )
    environment.filters["spread"] = spread
    return environment.get_template(template).render(values) + "\n"
