"""Receipts: the same content gives the same bytes, and file names cannot lead out of the folder."""

from __future__ import annotations

import json

import pytest

from trailers.errors import StoreError
from trailers.store.receipt import Receipt, read_receipt, write_receipt

OK = Receipt("a", "ok", "a.mp4", "0" * 64, "0123456789abcdef", {"bytes": 5, "url": "https://host/é"})
DEAD = Receipt("a", "dead", fingerprint="0123456789abcdef", facts={"reason": "private"}, error="private: Private video")


BY_REFERENCE = Receipt("a", "ok", "", "0" * 64, "0123456789abcdef", {"bytes": 5}, reference="../../videos/a b.mp4")


@pytest.mark.parametrize("receipt", [OK, DEAD, BY_REFERENCE], ids=["ok", "dead", "reference"])
def test_a_written_file_is_read_back(tmp_path, receipt):
    write_receipt(tmp_path / "a.json", receipt)
    assert read_receipt(tmp_path / "a.json") == receipt
    first = (tmp_path / "a.json").read_bytes()
    write_receipt(tmp_path / "a.json", receipt)
    assert (tmp_path / "a.json").read_bytes() == first


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"file": "../a.mp4"}, "is damaged: file is the trailer's id and a suffix, got '../a.mp4'"),
        ({"file": "/etc/passwd"}, "is damaged: file is"),
        ({"file": "b.mp4"}, "is damaged: file is"),
        ({"file": "a.json"}, "is damaged: file is"),
        ({"file": "a.mp4\n"}, "is damaged: file is"),
        ({"file": 3}, "is damaged: "),
        ({"reference": "/videos/a.mp4"}, "is damaged: reference must be a path and file empty"),
        (
            {"reference": "a\0", "file": ""},
            "is damaged: reference must be a path and file empty",
        ),
        ({"reference": "a.mp4", "file": "", "sha256": ""}, "is damaged: sha256 has 64"),
        ({"sha256": "0" * 63}, "is damaged: sha256 has 64 hexadecimal digits"),
        ({"status": "failed"}, "is damaged: a receipt's status is ok or dead, got 'failed'"),
        ({"status": "dead"}, "is damaged: a dead receipt has an error and no file"),
        ({"trailer": "b", "file": "b.mp4"}, "is the receipt of 'b'"),
        ({"trailer": "../b"}, "is damaged: '../b' is not a trailer id"),
        ({"schema": "receipt/2"}, "expected schema receipt/1 but found receipt/2"),
        ({"odd": 1}, "is damaged: "),
        ({"facts": []}, "is damaged: facts are a mapping"),
    ],
)
def test_invalid_values_are_refused_with_the_reason(tmp_path, change, expected):
    path = tmp_path / "a.json"
    write_receipt(path, OK)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(StoreError) as problem:
        read_receipt(path)
    assert str(problem.value).startswith(f"{path}: {expected}")
    assert str(problem.value).endswith("Remove it and rerun the download stage.")


def test_the_receipt_of_a_copied_file_has_not_changed_its_format(tmp_path):
    write_receipt(tmp_path / "a.json", OK)
    assert "reference" not in json.loads((tmp_path / "a.json").read_text())


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00"])
def test_an_invalid_receipt_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(StoreError, match="Remove it and rerun the download stage"):
        read_receipt(tmp_path / "a.json")


def test_the_message_for_a_missing_receipt_names_it(tmp_path):
    with pytest.raises(StoreError, match=r"a\.json: does not exist. Run the download stage first"):
        read_receipt(tmp_path / "a.json")
