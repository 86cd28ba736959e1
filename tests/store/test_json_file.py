"""Every small JSON file is read by one function that names the file and the remedy."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from trailers.backbones.weights import known_weights
from trailers.errors import StoreError, TrailerError, WeightsError
from trailers.reporting.figures.numbers import costs
from trailers.store.experiment import read_metrics
from trailers.store.json_file import read_json
from trailers.store.receipt import read_receipt

# File -> function that reads it.
READERS: dict[str, Callable[[Path], object]] = {
    "t.json": read_receipt,
    "metrics.json": read_metrics,
    "tables.json": costs,
    "resnet50.json": lambda path: known_weights(path.parent, "resnet50"),
}
DAMAGED = [b"", b"{", b'{"a": 1', b"[1]", b"3", b"null", b'"text"', b"\xff\xfe", b"\x00" * 10, b"[" * 100_000]


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("content", DAMAGED, ids=lambda content: ascii(content[:9]))
def test_a_damaged_file_is_reported_in_one_sentence_that_names_it(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TrailerError) as caught:
        READERS[name](tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert "un " in str(caught.value)  # a remedy: Run ..., or ... and run ...
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("name", READERS)
def test_a_pipe_or_a_folder_is_refused_at_once(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(TrailerError, match=f"{name}: .*is not a file"):
        READERS[name](tmp_path / name)
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    with pytest.raises(TrailerError, match=name):
        READERS[name](tmp_path / name)


def test_a_sparse_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "t.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(StoreError, match="it has 1,099,511,627,776 bytes, more than the"):
        read_json(tmp_path / "t.json", remedy="Remove it.")


def test_the_error_class_and_remedy_of_the_caller_are_used(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text("{")
    with pytest.raises(WeightsError, match=r"t\.json: cannot be read as a table: it is not JSON, .*\. Run it again\.$"):
        read_json(tmp_path / "t.json", remedy="Run it again.", error=WeightsError)
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "none.json", remedy="Run it again.")


@given(content=some.binary(max_size=60))
def test_any_bytes_are_read_as_a_table_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(content)
    try:
        found: object = read_json(path, remedy="Remove it.")
    except StoreError:
        found = {}
    assert isinstance(found, dict)
