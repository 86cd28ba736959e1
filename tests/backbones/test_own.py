"""A network of the user's own."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from trailers.backbones.embedder import Embedder
from trailers.backbones.network import make_network
from trailers.backbones.precision import sample_clips
from trailers.backbones.rows import find_row
from trailers.errors import ConfigError

NOWHERE = Path("no-such-folder")


OWN = """
from trailers.backbones.row import Row, Transform, Weights

def build():
    import torch
    return torch.nn.Sequential(torch.nn.Conv2d(3, 6, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())

robust = Row(
    "", "own", "robust", 2, 6, Transform((9,), (8, 8), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    Weights("mine", "robust.pth"), make=build,
)
wrong = Row("", "own", "wrong", 2, 7, robust.transform, robust.weights, make=build)
number = 3
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "my_backbones.py"
    path.write_text(OWN)
    return path


def test_a_file_of_the_users_gives_a_row(own: Path) -> None:
    row = find_row(f"{own}:robust", NOWHERE)
    assert (row.name, row.features) == (f"{own}:robust", 6)
    assert row.code_sha256 == hashlib.sha256(OWN.encode()).hexdigest()
    vectors = Embedder(row, make_network(row, None), precision="float32")(sample_clips(row))
    assert vectors.shape == (4, 6)


def test_a_row_whose_features_are_wrong_is_refused(own: Path) -> None:
    row = find_row(f"{own}:wrong", NOWHERE)
    with pytest.raises(ConfigError, match=r"gives \(6,\) for a clip where its row says \(7,\)"):
        Embedder(row, make_network(row, None), precision="float32")(sample_clips(row))


@pytest.mark.parametrize(
    ("name", "words"),
    [("robst", "holds no Row with a make called 'robst', but robust, wrong"), ("number", "holds no Row with a make")],
)
def test_a_file_without_that_row_is_named(own: Path, name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        find_row(f"{own}:{name}", NOWHERE)


def test_a_missing_or_broken_file_is_named(own: Path) -> None:
    with pytest.raises(ConfigError, match="is no file"):
        find_row(f"{own.parent / 'other.py'}:robust", NOWHERE)
    own.write_text("1 / 0")
    with pytest.raises(ConfigError, match="stopped with ZeroDivisionError"):
        find_row(f"{own}:robust", NOWHERE)
