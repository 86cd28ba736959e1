"""A network of the user, described in a file of their own: ``my_backbones.py:robust_resnet``.

The file contains a ``Row`` by that name, whose ``make`` builds the network without weights.
docs/backbones.md, "A network of your own", shows an example.

Torch should be imported inside that function, because the file is read before it is known whether there is work.
Modules beside the file, and in the working folder, can be imported; an edit of any of them makes the
vectors anew (``own_source``). So does an edit of the data that the code reads, where the file that
reads it lists it, with names relative to its own folder: ``files = ["table.npz"]`` (``own_files``).
Weights of a layer that the network replaced by one without weights are left out.
"""

from __future__ import annotations

import contextlib
import dataclasses
import runpy
import sys
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trailers.backbones.own_source import Source, is_own, read_source
from trailers.backbones.row import Row
from trailers.errors import ConfigError, TrailerError, WeightsError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["find", "is_own", "make", "read_source"]


def find(name: str) -> Row:
    """The row called ``name``, of the form ``file.py:row``. Runs the file.

    Raises:
        ConfigError: the file does not exist, cannot be run, or has no such row; names the line if one is wrong.
    """
    source = read_source(name)
    with running(source, "stopped"):
        values = runpy.run_path(str(source.path))
    row = values.get(source.attribute)
    if not isinstance(row, Row) or row.make is None:
        rows = sorted(key for key, value in values.items() if isinstance(value, Row))
        raise ConfigError(
            f"contains no Row with a make called '{source.attribute}'{', but ' + ', '.join(rows) if rows else ''}",
            where=source.path,
            remedy="docs/backbones.md, 'A network of your own', shows the form.",
        )
    return dataclasses.replace(row, name=name, library="own", model=source.attribute, code_sha256=source.digest)


def make(row: Row, weights: Path | None) -> nn.Module:
    """The network that the user's ``make`` builds, with its weights.

    Raises:
        ConfigError: the user's code raises an exception; names its line.
        WeightsError: the weights do not fit the network.
    """
    from torch import nn

    assert row.make is not None
    source = read_source(row.name)
    with running(source, f"{row.model}: make failed"):
        network = row.make()
    if not isinstance(network, nn.Module):
        what = f"make of '{row.model}' returned a {type(network).__name__}, not a torch.nn.Module"
        raise ConfigError(what, where=source.path, remedy="Return the network.")
    if weights is not None:
        load(network, weights)
    return guarded(network, source)


def load(network: nn.Module, path: Path) -> None:
    """Loads the weights at ``path`` into ``network``, except for layers that were replaced by ones without weights.

    Raises:
        WeightsError: names what is left over or missing.
    """
    from trailers.backbones.weights import load_state

    state = load_state(path)
    bare = tuple(f"{name}." for name, module in network.named_modules() if name and not module.state_dict())
    wanted = {key: value for key, value in state.items() if not key.startswith(bare)}
    own = network.state_dict()
    wrong = [f"{key} is missing" for key in own if key not in wanted]
    wrong += [f"the network has no {key}" for key in wanted if key not in own]
    wrong += [
        f"{key} is {tuple(wanted[key].shape)}, not {tuple(own[key].shape)}"
        for key in own
        if key in wanted and wanted[key].shape != own[key].shape
    ]
    if wrong:
        more = f", and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise WeightsError(
            f"does not fit the network: {'; '.join(wrong[:3])}{more}",
            where=path,
            remedy="Correct make to build the network that these weights belong to, or use other weights.",
        )
    network.load_state_dict(wanted)


def guarded(network: nn.Module, source: Source) -> nn.Module:
    """``network``, with exceptions of its code reported in one sentence."""
    import torch

    class Guarded(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, pixels: torch.Tensor) -> Any:
            shape = f"{source.attribute}: the network failed on pixels {tuple(pixels.shape)}"
            # Errors of the device are not caused by the file.
            with running(source, shape, besides=(torch.OutOfMemoryError, torch.AcceleratorError)):
                return self.network(pixels)

    return Guarded()


@contextlib.contextmanager
def running(source: Source, what: str, *, besides: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Inside, the user's code runs: modules beside its file can be imported, and exceptions name file and line.

    Raises:
        ConfigError: the code raised an exception other than ``besides``.
    """
    folder = str(source.path.parent.absolute())
    sys.path.insert(0, folder)
    try:
        yield
    except (Exception, SystemExit) as problem:
        if isinstance(problem, (TrailerError, *besides)):
            raise
        words = " ".join(str(problem).split())[:300]
        raise ConfigError(
            f"{what} with {type(problem).__name__}: {words}", where=place_of(problem, source), remedy="Correct it."
        ) from problem
    finally:
        sys.path.remove(folder)
        # Another file may have a helper of the same name.
        forget(source.files[1:])


def place_of(problem: BaseException, source: Source) -> str:
    """The user's file, and the line in it or in one of its modules that raised ``problem``."""
    own = {str(path) for path in source.files} | {str(path.absolute()) for path in source.files}
    if isinstance(problem, SyntaxError) and problem.filename in own:
        return f"{problem.filename}, line {problem.lineno}"
    lines = [frame for frame in traceback.extract_tb(problem.__traceback__) if frame.filename in own]
    return f"{lines[-1].filename}, line {lines[-1].lineno}" if lines else str(source.path)


def forget(files: Iterable[Path]) -> None:
    """Removes the modules of ``files`` from the table of modules; code that has imported them keeps them."""
    named = {path.absolute() for path in files}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and Path(file).absolute() in named:
            del sys.modules[name]
