"""Trained experiments on disk: damage is reported with the file's name, and no code in a file is run."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from trailers.domain import GENRES
from trailers.errors import StoreError
from trailers.store.experiment import WEIGHTS_SCHEMA, find_weights, load_checkpoint, read_weights, save_state

FINGERPRINT = "0123456789abcdef"
WEIGHTS: dict[str, Any] = {
    "schema": WEIGHTS_SCHEMA, "fingerprint": FINGERPRINT, "experiment": "e", "split": 0, "clips": "shot24",
    "backbones": ["resnet50"], "features": [3], "packs": [{"backbone": "resnet50"}], "genres": list(GENRES),
    "recipe": {"seed": 0}, "state": {"weight": torch.arange(6.0)}, "curves": [(1, 0.1, 0.7, 0.6)], "best_epoch": 1,
}  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_state(tmp_path / "weights.pt", WEIGHTS)
    return tmp_path / "weights.pt"


def test_a_written_experiment_is_read_back(path: Path) -> None:
    trained = read_weights(path)
    assert (trained.backbones, trained.features, trained.best_epoch) == (("resnet50",), (3,), 1)
    assert trained.curves == ((1, 0.1, 0.7, 0.6),)
    assert torch.equal(trained.state["weight"], torch.arange(6.0))
    assert find_weights(path, FINGERPRINT) is not None
    assert find_weights(path, "other") is None


def test_missing_weights_name_the_stage_that_makes_them(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"weights\.pt: is not a trained experiment\. Run the classify stage first"):
        read_weights(tmp_path / "weights.pt")
    assert find_weights(tmp_path / "weights.pt", FINGERPRINT) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": "classify-weights/9"}, "its schema is 'classify-weights/9', not .classify-weights/"),
        ({"state": None}, "is damaged"),
        ({"state": {}}, "it has no weights"),
        ({"state": {"weight": 3}}, "the weights 'weight' are not finite numbers"),
        ({"state": {"weight": torch.tensor([1, math.nan])}}, "the weights 'weight' are not finite numbers"),
        ({"curves": []}, "best_epoch is 1"),
        ({"curves": [(2, 0.1, 0.7, 0.6)]}, "epoch 1 of its learning curve is"),
        ({"curves": [(1, 0.1)]}, "epoch 1 of its learning curve is"),
        ({"curves": 3}, "is damaged"),
        ({"best_epoch": 0}, "best_epoch is 0"),
        ({"best_epoch": 2}, "best_epoch is 2"),
        ({"best_epoch": -1}, "best_epoch is -1"),
        ({"best_epoch": True}, "best_epoch is True"),
        ({"split": 7}, "split is 7"),
        ({"clips": "../../x"}, "is not a clip strategy"),
        ({"clips": 3}, "is damaged"),
        ({"backbones": []}, "it names no backbone"),
        ({"backbones": [3]}, "a name of a backbone is not text"),
        ({"backbones": ["a", "b"]}, "the numbers of backbones, features and packs differ"),
        ({"features": [10**12]}, "features are"),
        ({"features": [-3]}, "features are"),
        ({"features": ["3"]}, "features are"),
        ({"packs": [3]}, "packs are not tables"),
        ({"genres": ["drama"]}, "expected 2 to 50 genres, got 1"),
        ({"genres": ["Drama", "crime"]}, "genres are"),
        ({"genres": ["drama", "a;b"]}, "cannot be used in manifests"),
        ({"genres": [3, 4]}, "must be a list of names"),
        ({"recipe": None}, "it has no recipe"),
    ],
)
def test_damaged_contents_are_reported_in_one_sentence(path: Path, change: dict[str, Any], words: str) -> None:
    save_state(path, WEIGHTS | change)
    with pytest.raises(StoreError, match=rf"weights\.pt: .*{words}.*Remove it and rerun the classify stage"):
        read_weights(path)
    assert find_weights(path, FINGERPRINT) is None


@pytest.mark.parametrize("key", WEIGHTS)
def test_a_missing_value_is_named(path: Path, key: str) -> None:
    save_state(path, {name: value for name, value in WEIGHTS.items() if name != key})
    with pytest.raises(StoreError, match=f"{key}|schema"):
        read_weights(path)


class Spy:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple:
        return (exec, ("import pathlib; pathlib.Path('spied').touch()",))


def test_no_code_in_a_file_is_run(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    save_state(path, WEIGHTS | {"state": Spy()})
    with pytest.raises(StoreError, match=r"weights\.pt: is damaged"):
        read_weights(path)
    assert load_checkpoint(path, FINGERPRINT) is None
    assert not Path("spied").exists()


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip at all", b"\x80\x02}q\x00."])
def test_a_file_that_is_not_a_torch_file_is_named(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"weights\.pt: is damaged"):
        read_weights(path)


def test_a_compressed_archive_is_not_unpacked(path: Path) -> None:
    """A few kilobytes that would become a gigabyte."""
    with zipfile.ZipFile(path) as archive:
        records = {record.filename: archive.read(record) for record in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in records.items():
            archive.writestr(name, content)
    with pytest.raises(StoreError, match="its records are compressed"):
        read_weights(path)


@given(place=some.integers(0, 10_000), flip=some.integers(1, 255))
def test_a_changed_byte_changes_nothing_or_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, place: int, flip: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "changed.pt"
    save_state(path, WEIGHTS)
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= flip
    path.write_bytes(content)
    trained = find_weights(path, FINGERPRINT)
    assert trained is None or torch.equal(trained.state["weight"], torch.arange(6.0))


def test_a_damaged_checkpoint_is_reported_and_not_used(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert load_checkpoint(path, FINGERPRINT) is not None
    path.write_bytes(path.read_bytes()[:-20])
    assert load_checkpoint(path, FINGERPRINT) is None
    assert "weights.pt: is damaged" in caplog.text
    assert load_checkpoint(path.with_name("none.pt"), FINGERPRINT) is None
