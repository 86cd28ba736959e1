"""The data that a user's own backbone reads, as its file lists it: ``files = ["table.npz", "../shared/lines.txt"]``.

Names are relative to the folder of the file that lists them, or absolute. A module that the file imports may have
another list. Planning reads the list without running the file, so it must be written out, once.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from trailers.errors import ConfigError

NAME = "files"
INNER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def listed(path: Path, tree: ast.Module, *, is_module: bool = False) -> tuple[Path, ...]:
    """The data that the file at ``path`` lists, in its order.

    Args:
        path: path of the file.
        tree: its syntax tree.
        is_module: whether the file that contains the row imports it. A variable of such a module may have the name
            ``files`` and mean something else, so only a list that is written out is read.

    Raises:
        ConfigError: the list is not written out, or names something that is not a file; states the line.
    """
    stores = list(changes(tree))
    written = [node for node in tree.body if value_of(node) is not None]
    if not stores or (is_module and (len(stores) > 1 or not written or not is_list(value_of(written[0])))):
        return ()
    if len(stores) > 1 or not written:
        raise refused(path, stores[-1], "is not written once and outside of all blocks", "Write one list of names.")
    value = value_of(written[0])
    assert value is not None
    names = [item.value if isinstance(item, ast.Constant) else None for item in items_of(value)]
    if not is_list(value) or not all(isinstance(name, str) for name in names):
        raise refused(path, value, "is not a list of names", "Write each as text.")
    paths = tuple(path.parent / name for name in names if isinstance(name, str))
    missing = next((found for found in paths if not found.is_file()), None)
    if missing is not None:
        raise refused(path, value, f"names {missing}, which is not a file", "Correct it.")
    return paths


def changes(tree: ast.AST) -> Iterator[ast.AST]:
    """Every place outside functions and classes that assigns the list or calls a method of it, such as append."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, INNER):
            continue
        is_store = isinstance(node, ast.Name) and node.id == NAME and isinstance(node.ctx, ast.Store)
        is_method = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == NAME
        if is_store or is_method:
            yield node
        else:
            yield from changes(node)


def value_of(node: ast.stmt) -> ast.expr | None:
    """The value that a statement assigns to the list; None for other statements."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
    elif isinstance(node, ast.AnnAssign):
        target = node.target
    else:
        return None
    return node.value if isinstance(target, ast.Name) and target.id == NAME else None


def is_list(value: ast.expr | None) -> bool:
    return isinstance(value, ast.List | ast.Tuple)


def items_of(value: ast.expr) -> list[ast.expr]:
    return value.elts if isinstance(value, ast.List | ast.Tuple) else []


def refused(path: Path, node: ast.AST, what: str, remedy: str) -> ConfigError:
    line = getattr(node, "lineno", 1)
    return ConfigError(f"{NAME} {what}", where=f"{path}, line {line}", remedy=remedy)
