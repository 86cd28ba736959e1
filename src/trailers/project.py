"""Where the project's own files are: Snakefile, config.yaml, rules, schemas, the paper's study.

In a checkout they are beside src/. A wheel contains copies of them in trailers/_project (see setup.py), so an installed
package works in any folder.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_COPIES = _PACKAGE / "_project"

PROJECT = _COPIES if _COPIES.is_dir() else _PACKAGE.parents[1]


def find_file(name: str, project: Path = PROJECT) -> Path | None:
    """The file ``name`` of the working folder, otherwise the project's file of that name; None if neither exists."""
    return next((path for path in (Path(name), project / name) if path.is_file()), None)


def project_file(*parts: str) -> Path:
    """Path of one of the project's own files, such as ``project_file("workflow", "study.yaml")``."""
    return PROJECT.joinpath(*parts)
