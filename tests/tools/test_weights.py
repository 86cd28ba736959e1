"""Fetching and checking weights, against a server on loopback."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from server import Page, Server
from trailers.__main__ import main
from trailers.backbones.rows import find_row, is_2d
from trailers.backbones.weights import known_weights, weights_sha256
from trailers.errors import WeightsError
from trailers.tools import weights

BYTES = b"PK weights " * 2000
SHA256 = hashlib.sha256(BYTES).hexdigest()

OWN = """
from trailers.backbones.row import Row, Transform, Weights
mine = Row("", "own", "mine", 2, 6, Transform((9,), (8, 8), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
           Weights("mine", "mine.pth", {url!r}, {sha256!r}), make=lambda: None)
"""


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "WAIT_S", 0.0)


def row_file(folder: Path, url: str, sha256: str = "") -> str:
    path = folder / "mine.py"
    path.write_text(OWN.format(url=url, sha256=sha256))
    return f"{path}:mine"


def run(folder: Path, name: str, *flags: str) -> int:
    return main(["weights", "--backbones", name, "--weights-dir", str(folder / "weights"), *flags])


@pytest.mark.parametrize("published", [SHA256, SHA256[:8], ""])
def test_weights_are_fetched_once_and_recorded(tmp_path: Path, published: str) -> None:
    with Server({"/mine.pth": Page(BYTES)}) as server:
        name = row_file(tmp_path, server.link("/mine.pth"), published)
        assert run(tmp_path, name) == 0
        assert run(tmp_path, name) == 0
        assert len(server.requests_for("/mine.pth")) == 1
    folder = tmp_path / "weights"
    assert (folder / "mine.pth").read_bytes() == BYTES
    (record,) = folder.glob("*.json")
    lock = json.loads(record.read_text())["lock"]
    assert (lock["file"], lock["sha256"], lock["bytes"]) == ("mine.pth", SHA256, len(BYTES))
    assert weights_sha256(find_row(name, folder), folder) == SHA256


def test_truncated_answers_and_server_errors_are_tried_again(tmp_path: Path) -> None:
    pages = [Page(status=503), Page(BYTES, cut=5000), Page(BYTES)]
    with Server({"/mine.pth": pages}) as server:
        assert run(tmp_path, row_file(tmp_path, server.link("/mine.pth"))) == 0
        assert len(server.requests_for("/mine.pth")) == 3
    assert (tmp_path / "weights" / "mine.pth").read_bytes() == BYTES


@pytest.mark.parametrize(
    ("page", "sha256", "words", "requests"),
    [
        (Page(status=404), "", "cannot be fetched: HTTP Error 404", 1),
        (Page(status=500), "", "cannot be fetched: HTTP Error 500", 4),
        (Page(b"<!DOCTYPE html><html>log in first</html>"), "", "is a web page", 1),
        (Page(b"version https://git-lfs.github.com/spec/v1\n"), "", "is a Git-LFS pointer", 1),
        (Page(BYTES), "0" * 8, "has sha256 " + SHA256[:16], 1),
        (Page(BYTES, headers={"X-Linked-Etag": f'"{"0" * 64}"'}), "", "has sha256 " + SHA256[:16], 1),
    ],
)
def test_a_file_that_is_not_the_weights_is_refused_and_not_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], page: Page, sha256: str, words: str, requests: int
) -> None:
    with Server({"/mine.pth": page}) as server:
        assert run(tmp_path, row_file(tmp_path, server.link("/mine.pth"), sha256)) == 1
        assert len(server.requests_for("/mine.pth")) == requests
    assert words in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["mine.py"]


def test_damaged_weights_are_fetched_again(tmp_path: Path) -> None:
    with Server({"/mine.pth": Page(BYTES)}) as server:
        name = row_file(tmp_path, server.link("/mine.pth"))
        assert run(tmp_path, name) == 0
        (tmp_path / "weights" / "mine.pth").write_bytes(BYTES[:-1])
        assert run(tmp_path, name, "--check") == 1
        assert run(tmp_path, name) == 0
        assert run(tmp_path, name, "--check") == 0
        assert len(server.requests_for("/mine.pth")) == 2


def test_weights_that_changed_at_their_source_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Server({"/mine.pth": [Page(BYTES), Page(BYTES + b"new")]}) as server:
        name = row_file(tmp_path, server.link("/mine.pth"))
        run(tmp_path, name)
        (tmp_path / "weights" / "mine.pth").unlink()
        assert run(tmp_path, name) == 1
    assert f"not {SHA256[:16]}" in capsys.readouterr().err


def test_one_missing_file_does_not_stop_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Server({"/mine.pth": Page(BYTES)}) as server:
        name = row_file(tmp_path, server.link("/mine.pth"))
        folder = tmp_path / "weights"
        assert main(["weights", "--backbones", "shufflenet3d", name, "--weights-dir", str(folder)]) == 1
    assert (folder / "mine.pth").exists()
    assert "okankop/Efficient-3DCNNs" in capsys.readouterr().err


def test_an_invalid_link_is_refused(tmp_path: Path) -> None:
    row = find_row(row_file(tmp_path, "file:///etc/passwd"), tmp_path)
    with pytest.raises(WeightsError, match="is not a web link"):
        weights.fetch(row, tmp_path / "mine.pth", pinned="")


def test_weights_of_the_installation_are_neither_downloaded_nor_recorded(tmp_path: Path) -> None:
    assert run(tmp_path, "efficientnet_lite0") == 0
    assert not (tmp_path / "weights").exists()


DAMAGED = [
    b"", b"{", b'{"lock": {"file": "mine.pth"', b"[]", b"null", b"\xff\xfe\x00", b"[" * 100_000,
    b'{"lock": []}', b'{"lock": {}}',
    b'{"lock": {"file": 3, "sha256": 3, "bytes": 1, "mtime_ns": 1, "url": ""}}',
    b'{"lock": {"file": "mine.pth", "sha256": "0123", "bytes": 1, "mtime_ns": 1, "url": ""}}',
]  # fmt: skip


@pytest.mark.parametrize("content", DAMAGED, ids=lambda content: ascii(content[:24]))
def test_a_damaged_record_is_named_and_written_again(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    with Server({"/mine.pth": Page(BYTES)}) as server:
        name = row_file(tmp_path, server.link("/mine.pth"))
        assert run(tmp_path, name) == 0
        (record,) = (tmp_path / "weights").glob("*.json")
        whole = record.read_bytes()
        record.write_bytes(content)
        with pytest.raises(WeightsError) as caught:
            weights_sha256(find_row(name, tmp_path / "weights"), tmp_path / "weights")
        assert str(caught.value).startswith(f"{record}: ")
        assert "Run `snakemake weights` to write it again." in str(caught.value)
        assert run(tmp_path, name, "--check") == 1
        assert record.read_bytes() == content
        assert run(tmp_path, name) == 0
        assert record.read_bytes() == whole
        assert len(server.requests_for("/mine.pth")) == 1
    assert known_weights(tmp_path / "weights", name) == SHA256


@pytest.mark.parametrize("content", DAMAGED[:-1], ids=lambda content: ascii(content[:24]))
def test_planning_names_a_damaged_record(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "resnet50.json").write_bytes(content)
    with pytest.raises(WeightsError, match=r"resnet50\.json: .*Run `snakemake weights` to write it again"):
        known_weights(tmp_path, "resnet50")


def test_weights_without_a_record_have_no_known_digest(tmp_path: Path) -> None:
    assert known_weights(tmp_path, "resnet50") == ""


def test_a_damaged_record_of_a_librarys_model_is_written_again(tmp_path: Path) -> None:
    """Such a record also describes the model; planning does not need it to know that the model takes single frames."""
    name = "torchvision:squeezenet1_1"
    folder = tmp_path / "weights"
    row = find_row(name, folder)
    folder.mkdir()
    (folder / row.weights.file).write_bytes(BYTES)
    record = folder / "torchvision-squeezenet1_1.json"
    record.write_text('{"row": {"name": "torch')
    assert is_2d(name, folder)
    assert not is_2d("torchvision:swin3d_t", folder)
    weights.remove_damaged_record(name, folder)
    assert not record.exists()
    assert find_row(name, folder) == row


def test_a_record_that_is_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("the user's own")
    (tmp_path / "weights").mkdir()
    record = tmp_path / "weights" / "resnet50.json"
    record.symlink_to(tmp_path / "mine")
    weights.remove_damaged_record("resnet50", tmp_path / "weights")
    assert not record.is_symlink()
    assert (tmp_path / "mine").read_text() == "the user's own"
