"""Fetching repositories of transformers from a hub on loopback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from repository_lab import COMMIT, hub, make_repository
from server import Page, Server
from trailers.__main__ import main
from trailers.backbones.network import make_network
from trailers.backbones.rows import find_row, is_2d
from trailers.backbones.weights import weights_sha256

pytest.importorskip("transformers", reason="needs the extra huggingface")

NAME = "transformers:lab/vjepa2"
FOLDER = "transformers-lab++vjepa2"
FILES = ["config.json", "model.safetensors", "video_preprocessor_config.json"]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny repository; it also has files that are not fetched."""
    folder = make_repository("vjepa2", tmp_path_factory.mktemp("published"))
    (folder / "modeling_own.py").write_text("raise SystemExit")
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    return folder


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's client keeps nothing of one test for another."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)


def fetch(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> int:
    monkeypatch.setenv("HF_ENDPOINT", server.link(""))
    return main(["weights", "--backbones", *(names or (NAME,)), "--weights-dir", str(folder / "weights")])


def test_a_repository_is_fetched_once_recorded_and_read_without_a_network(
    tmp_path: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "weights"
    with hub("lab/vjepa2", published) as server:
        assert not is_2d(NAME, weights)
        assert fetch(server, tmp_path, monkeypatch) == 0
        count = len(server.requests)
        assert fetch(server, tmp_path, monkeypatch) == 0
        assert len(server.requests) == count
    assert sorted(path.name for path in (weights / FOLDER).iterdir()) == FILES
    record = json.loads((weights / f"{FOLDER}.json").read_text())
    assert record["lock"]["revision"] == COMMIT
    assert sorted(record["lock"]["files"]) == FILES
    row = find_row(NAME, weights)
    assert (row.weights.name, row.weights.licence, row.frames, row.features) == (COMMIT[:12], "apache-2.0", 6, 32)
    assert weights_sha256(row, weights) == record["lock"]["sha256"]
    make_network(row, weights)


def test_the_digest_can_be_computed_with_sha256sum(tmp_path: Path, published: Path) -> None:
    import subprocess

    weights = tmp_path / "weights"
    make_repository("vjepa2", weights / FOLDER)
    assert main(["weights", "--backbones", NAME, "--weights-dir", str(weights)]) == 0
    command = f"sha256sum {' '.join(FILES)} | sha256sum"
    words = subprocess.run(command, shell=True, cwd=weights / FOLDER, capture_output=True, text=True, check=True)
    row = find_row(NAME, weights)
    assert words.stdout.split()[0] == weights_sha256(row, weights)
    (weights / FOLDER / "tokenizer.json").write_text("{}")  # shapes no vector
    assert words.stdout.split()[0] == weights_sha256(row, weights)


def test_an_interrupted_download_resumes_where_it_stopped(
    tmp_path: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 4096)
    content = (published / "model.safetensors").read_bytes()
    with hub("lab/vjepa2", published) as server:
        path = f"/lab/vjepa2/resolve/{COMMIT}/model.safetensors"
        head = server.pages[path][0].headers
        server.pages[path] = [Page(content, headers=head, cut=len(content) // 2), Page(content, headers=head)]
        for _ in range(3):
            if fetch(server, tmp_path, monkeypatch) == 0:
                break
        ranges = [request.headers.get("range") for request in server.requests_for(path)]
        assert any(words and words.startswith("bytes=") and words != "bytes=0-" for words in ranges), ranges
    assert (tmp_path / "weights" / FOLDER / "model.safetensors").read_bytes() == content


def test_a_damaged_file_is_fetched_again_and_no_other(
    tmp_path: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hub("lab/vjepa2", published) as server:
        fetch(server, tmp_path, monkeypatch)
        path = tmp_path / "weights" / FOLDER / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-4])
        assert main(["weights", "--check", "--backbones", NAME, "--weights-dir", str(tmp_path / "weights")]) == 1
        before = {file: len(server.requests_for(f"/lab/vjepa2/resolve/{COMMIT}/{file}")) for file in FILES}
        assert fetch(server, tmp_path, monkeypatch) == 0
        after = {file: len(server.requests_for(f"/lab/vjepa2/resolve/{COMMIT}/{file}")) for file in FILES}
    assert [file for file in FILES if after[file] > before[file]] == ["model.safetensors"]
    assert path.read_bytes() == (published / "model.safetensors").read_bytes()


def test_names_with_other_choices_share_one_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_repository("dinov2", tmp_path / "published")
    with hub("lab/dinov2", folder) as server:
        assert fetch(server, tmp_path, monkeypatch, "transformers:lab/dinov2", "transformers:lab/dinov2?pool=avg") == 0
        assert len(server.requests_for(f"/lab/dinov2/resolve/{COMMIT}/config.json")) == 1
    weights = tmp_path / "weights"
    rows = [find_row(f"transformers:lab/dinov2{choice}", weights) for choice in ("", "?pool=avg")]
    assert [row.weights.name for row in rows] == [COMMIT[:12]] * 2
    assert len({weights_sha256(row, weights) for row in rows}) == 1
    assert is_2d("transformers:lab/dinov2", weights)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (
            403,
            "GatedRepo",
            "its authors require that you accept their terms first. Accept them on that page, then set HF_TOKEN",
        ),
        (404, "RepoNotFound", "does not exist or is private. Correct the name, or set HF_TOKEN"),
        (401, "", "cannot be read without a valid token. Correct HF_TOKEN, or set it."),
    ],
)
def test_a_repository_that_cannot_be_fetched_is_explained_in_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    status: int,
    code: str,
    words: str,
) -> None:
    page = Page(b'{"error": "no"}', status=status, kind="application/json", headers={"X-Error-Code": code})
    with Server({"/api/models/lab/vjepa2?blobs=true": page}) as server:
        assert fetch(server, tmp_path, monkeypatch) == 1
    output = capsys.readouterr().err
    assert words in output
    assert "/lab/vjepa2" in output
    assert "Traceback" not in output


def test_a_token_is_sent(tmp_path: Path, published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_made_up")
    with hub("lab/vjepa2", published) as server:
        assert fetch(server, tmp_path, monkeypatch) == 0
        assert {request.headers.get("authorization") for request in server.requests} == {"Bearer hf_made_up"}


def test_a_repository_without_safetensors_is_refused_before_anything_is_fetched(
    tmp_path: Path, published: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_repository("vjepa2", tmp_path / "old")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with hub("lab/vjepa2", folder) as server:
        assert fetch(server, tmp_path, monkeypatch) == 1
        assert len(server.requests) == 1
    assert "has no weights in the safetensors format, the only format that is read" in capsys.readouterr().err


def test_a_file_that_is_not_what_was_announced_is_not_kept(
    tmp_path: Path, published: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content = bytearray((published / "model.safetensors").read_bytes())
    content[-1] ^= 1
    with hub("lab/vjepa2", published) as server:
        path = f"/lab/vjepa2/resolve/{COMMIT}/model.safetensors"
        server.pages[path] = [Page(bytes(content), headers=server.pages[path][0].headers)]
        assert fetch(server, tmp_path, monkeypatch) == 1
    assert (
        "model.safetensors of lab/vjepa2 does not match the checksum that the repository states"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "weights" / FOLDER / "model.safetensors").exists()


def test_without_a_network_the_sentence_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert main(["weights", "--backbones", NAME, "--weights-dir", str(tmp_path)]) == 1
    assert "http://127.0.0.1:9/lab/vjepa2: cannot be fetched" in capsys.readouterr().err
