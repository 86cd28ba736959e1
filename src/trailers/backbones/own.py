"""A network of the user's own, from a file of theirs: ``my_backbones.py:robust_resnet``.

The file holds a ``Row`` by that name, whose ``make`` builds the network without weights:

    from trailers.backbones.row import Row, Transform, Weights

    def build():
        import torch, torchvision
        network = torchvision.models.resnet50()
        network.fc = torch.nn.Identity()
        return network

    robust_resnet = Row(
        name="", library="own", model="robust_resnet", dimensions=2, features=2048,
        transform=Transform((256,), (224, 224), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        weights=Weights("linf 4/255", "robust_resnet50.pth"), make=build,
    )

Imports of torch belong inside ``build``: the file is read before it is known whether there is work.
"""

from __future__ import annotations

import dataclasses
import runpy
from pathlib import Path
from typing import TYPE_CHECKING

from trailers.backbones.row import Row
from trailers.errors import ConfigError
from trailers.store.fingerprint import sha256_of

if TYPE_CHECKING:
    from torch import nn


def is_own(name: str) -> bool:
    path, colon, row = name.rpartition(":")
    return bool(colon) and path.endswith(".py") and row.isidentifier()


def find(name: str) -> Row:
    """The row called ``name``, of the form ``file.py:row``. Runs the file.

    Raises:
        ConfigError: there is no such file, it cannot be run, or holds no such row.
    """
    file, _, attribute = name.rpartition(":")
    path = Path(file).expanduser()
    if not path.is_file():
        raise ConfigError(
            f"backbone '{name}': {path.absolute()} is no file. Correct it in config.yaml, embed.backbones."
        )
    try:
        values = runpy.run_path(str(path))
    except Exception as problem:  # noqa: BLE001  the user's code may raise anything
        raise ConfigError(
            f"backbone '{name}': {path} stopped with {type(problem).__name__}: {problem}. Mend it."
        ) from None
    row = values.get(attribute)
    if not isinstance(row, Row) or row.make is None:
        rows = sorted(key for key, value in values.items() if isinstance(value, Row))
        raise ConfigError(
            f"backbone '{name}': {path} holds no Row with a make called '{attribute}'"
            f"{', but ' + ', '.join(rows) if rows else ''}. See trailers.backbones.own for the form."
        )
    return dataclasses.replace(row, name=name, library="own", model=attribute, code_sha256=sha256_of(path))


def make(row: Row, weights: Path | None) -> nn.Module:
    """What the user's ``make`` builds, with the weights in it."""
    assert row.make is not None
    network: nn.Module = row.make()
    if weights is not None:
        from trailers.backbones.weights import load_state

        network.load_state_dict(load_state(weights))
    return network
