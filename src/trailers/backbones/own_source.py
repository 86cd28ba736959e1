"""What is known about a user's own backbone without running its file.

Planning must notice every edit that changes vectors: of the file, of the modules that it imports from its folder or
from the working folder, and of their modules. They are found in the syntax tree, so imports by name
(``importlib.import_module``) are not found.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from trailers.backbones.own_files import listed
from trailers.errors import ConfigError
from trailers.store.fingerprint import sha256_of

# The fields of a Row and of its Weights in order, as far as planning needs them.
ROW = ("name", "library", "model", "dimensions", "features", "transform", "weights")
WEIGHTS = ("name", "file")


@dataclass(frozen=True)
class Source:
    """A file of the user, the name of a row in it, and the user's modules that it imports."""

    path: Path
    attribute: str
    trees: Mapping[Path, ast.Module]  # syntax trees of the file (first) and of the modules

    @property
    def tree(self) -> ast.Module:
        return self.trees[self.path]

    @property
    def files(self) -> tuple[Path, ...]:
        """The file itself first."""
        return tuple(self.trees)

    def data_files(self) -> tuple[Path, ...]:
        """The data that the file and the modules list, each once. Raises ConfigError."""
        lists = [listed(path, tree, is_module=path != self.path) for path, tree in self.trees.items()]
        return tuple(dict.fromkeys(path for paths in lists for path in paths))

    @cached_property
    def digest(self) -> str:
        """sha256 of the file, or of all files if there are several.

        Raises:
            ConfigError: a list of data is wrong, or some of it cannot be read.
        """
        files = (*self.files, *self.data_files())
        try:
            sums = [sha256_of(path) for path in files]
        except OSError as problem:
            what = f"cannot be read: {problem.strerror}"
            raise ConfigError(what, where=problem.filename, remedy="Change its rights.") from None
        # Where the files are does not count, so that a project can be moved.
        named = [[path.name, digest] for path, digest in zip(files, sums, strict=True)]
        return sums[0] if len(sums) == 1 else hashlib.sha256(json.dumps(named).encode()).hexdigest()

    @cached_property
    def values(self) -> Mapping[str, ast.expr]:
        """Name -> expression, for the assignments outside functions and classes."""
        found: dict[str, ast.expr] = {}
        for node in self.tree.body:
            if isinstance(node, ast.Assign):
                found.update({target.id: node.value for target in node.targets if isinstance(target, ast.Name)})
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
                found[node.target.id] = node.value
        return found

    def field(self, name: str) -> Any:
        """A field of the row as it is written in the file; None if it is not a plain value."""
        return self.plain(self.argument(self.values.get(self.attribute), "Row", ROW, name))

    def weights_file(self) -> str | None:
        """The file name of its weights; None if it is not a plain value."""
        weights = self.argument(self.values.get(self.attribute), "Row", ROW, "weights")
        found = self.plain(self.argument(weights, "Weights", WEIGHTS, "file"))
        return found if isinstance(found, str) else None

    def argument(self, call: ast.expr | None, kind: str, order: Sequence[str], name: str) -> ast.expr | None:
        """The argument ``name`` of a call of ``kind``, by position or by keyword."""
        call = self.followed(call)
        if not isinstance(call, ast.Call) or ast.unparse(call.func).rpartition(".")[2] != kind:
            return None
        given = dict(zip(order, call.args, strict=False))
        given.update({keyword.arg: keyword.value for keyword in call.keywords if keyword.arg})
        return given.get(name)

    def followed(self, value: ast.expr | None) -> ast.expr | None:
        """``value``, or the expression that was assigned if it is a name."""
        return self.values.get(value.id) if isinstance(value, ast.Name) else value

    def plain(self, value: ast.expr | None) -> Any:
        value = self.followed(value)
        return value.value if isinstance(value, ast.Constant) else None


def is_own(name: str) -> bool:
    path, colon, row = name.rpartition(":")
    return bool(colon) and path.endswith(".py") and row.isidentifier()


def read_source(name: str, *, what: str = "backbone", setting: str = "embed.backbones") -> Source:
    """The source of the backbone called ``name``, of the form ``file.py:row``. Runs nothing.

    Args:
        name: as config.yaml writes it.
        what: what it is called in messages.
        setting: the key of config.yaml that contains the name.

    Raises:
        ConfigError: the file does not exist, or it or one of its modules is not valid Python; names the line.
    """
    file, _, attribute = name.rpartition(":")
    path = Path(file).expanduser()
    if not path.is_file():
        raise ConfigError(
            f"{path.absolute()} is not a file", where=f"{what} '{name}'",
            remedy=f"Correct it in config.yaml, {setting}.",
        )  # fmt: skip
    trees: dict[Path, ast.Module] = {}
    collect(path, (path.parent, Path()), trees)
    return Source(path, attribute, trees)


def collect(path: Path, roots: Sequence[Path], trees: dict[Path, ast.Module]) -> None:
    """Adds the syntax tree of ``path`` and, recursively, those of the user's modules that it imports."""
    trees[path] = parse(path)
    known = {tree.absolute() for tree in trees}
    for module in imported(path, trees[path], roots):
        if module.absolute() not in known:
            collect(module, roots, trees)
            known = {tree.absolute() for tree in trees}


def parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes(), str(path))
    except SyntaxError as problem:
        where = f"{path}, line {problem.lineno}"
        raise ConfigError(f"is not valid Python: {problem.msg}", where=where, remedy="Correct it.") from None
    except (OSError, ValueError, RecursionError) as problem:
        raise ConfigError(f"cannot be read as Python: {problem}", where=path, remedy="Correct it.") from None


def imported(path: Path, tree: ast.Module, roots: Sequence[Path]) -> Iterator[Path]:
    """The files of the user's modules that ``tree``, of the file ``path``, imports anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from files_of(alias.name, roots)
        elif isinstance(node, ast.ImportFrom):
            above = path.parents[node.level - 1 : node.level] if node.level else ()
            for alias in node.names:
                parts = [part for part in (node.module, alias.name) if part and part != "*"]
                yield from files_of(".".join(parts), above or roots)


def files_of(module: str, roots: Sequence[Path]) -> Iterator[Path]:
    """The files that importing ``module`` runs: itself, and the packages it is in, below the first root that has it."""
    parts = module.split(".")
    for root in roots:
        below = [root.joinpath(*parts[:count]) for count in range(1, len(parts) + 1)]
        found = [path for part in below for path in (part / "__init__.py", part.with_suffix(".py")) if path.is_file()]
        if found:
            yield from found
            return
