"""Fetching weights of OpenCLIP, and tokenizers, from a hub on loopback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from open_clip_lab import make_open_clip
from repository_lab import COMMIT, hub, make_tokenizer
from server import Page, Server
from trailers.__main__ import main
from trailers.backbones.network import make_network
from trailers.backbones.rows import find_row
from trailers.backbones.text import TextEncoder
from trailers.errors import WeightsError

pytest.importorskip("open_clip", reason="needs the extra open-clip")

NAME = "open_clip:tiny/drawn"
FILE = "open_clip-tiny--drawn.safetensors"
REMOTE = "open_clip_model.safetensors"
LINK = f"/lab/tiny/resolve/{COMMIT}/{REMOTE}"


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the weights of the architecture ``tiny``; the hub's client keeps nothing for other tests."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    made = tmp_path / "made"
    made.mkdir()
    make_open_clip(made, monkeypatch)
    folder = tmp_path / "published"
    folder.mkdir()
    (made / FILE).rename(folder / REMOTE)
    return folder


def fetch(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("HF_ENDPOINT", server.link(""))
    return main(["weights", "--backbones", NAME, "--weights-dir", str(folder / "weights")])


def test_weights_are_fetched_once_at_a_commit_with_the_licence_and_the_users_token(
    tmp_path: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "weights"
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with hub("lab/tiny", published) as server:
        assert fetch(server, tmp_path, monkeypatch) == 0
        count = len(server.requests)
        assert fetch(server, tmp_path, monkeypatch) == 0
        assert len(server.requests) == count
        assert server.requests_for(LINK)[0].headers["authorization"] == "Bearer hf_secret"
    assert sorted(path.name for path in weights.iterdir()) == ["open_clip-tiny++drawn.json", FILE]
    lock = json.loads((weights / "open_clip-tiny++drawn.json").read_text())["lock"]
    assert (lock["revision"], lock["file"], lock["files"]) == (COMMIT, FILE, {})
    assert "hf_secret" not in (weights / "open_clip-tiny++drawn.json").read_text()
    row = find_row(NAME, weights)
    assert row.weights.licence == "apache-2.0"
    make_network(row, weights)


def test_a_download_that_was_cut_off_resumes(tmp_path: Path, published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 4096)
    content = (published / REMOTE).read_bytes()
    with hub("lab/tiny", published) as server:
        head = server.pages[LINK][0].headers
        server.pages[LINK] = [Page(content, headers=head, cut=len(content) // 2), Page(content, headers=head)]
        for _ in range(3):
            if fetch(server, tmp_path, monkeypatch) == 0:
                break
        ranges = [request.headers.get("range") for request in server.requests_for(LINK)]
        assert any(words and words.startswith("bytes=") and words != "bytes=0-" for words in ranges), ranges
    assert (tmp_path / "weights" / FILE).read_bytes() == content


def test_weights_that_changed_on_the_hub_are_not_taken_for_the_recorded_ones(
    tmp_path: Path, published: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with hub("lab/tiny", published) as server:
        assert fetch(server, tmp_path, monkeypatch) == 0
    (tmp_path / "weights" / FILE).unlink()
    (published / REMOTE).write_bytes(b"other" * 100)
    with hub("lab/tiny", published) as server:
        assert fetch(server, tmp_path, monkeypatch) == 1
        assert not server.requests_for(LINK)
    assert f"/lab/tiny: {REMOTE} is not the file with sha256 " in capsys.readouterr().err


def test_a_missing_repository_is_reported_in_one_sentence(
    tmp_path: Path, published: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Server({}) as server:
        assert fetch(server, tmp_path, monkeypatch) == 1
    assert "/lab/tiny: " in capsys.readouterr().err
    assert not (tmp_path / "weights" / FILE).exists()


def test_the_tokenizer_of_an_architecture_is_fetched_recorded_and_compared(
    tmp_path: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from open_clip import factory

    settings = factory._MODEL_CONFIGS["tiny"]
    text = {**settings["text_cfg"], "hf_tokenizer_name": "lab/words"}
    monkeypatch.setitem(factory._MODEL_CONFIGS, "tiny", {**settings, "text_cfg": text})
    words = tmp_path / "words"
    words.mkdir()
    make_tokenizer(words)
    server = hub("lab/tiny", published)
    server.pages |= hub("lab/words", words).pages
    weights = tmp_path / "weights"
    with server:
        assert fetch(server, tmp_path, monkeypatch) == 0
    folder = weights / "open_clip-tiny--drawn.tokenizer"
    assert sorted(path.name for path in folder.iterdir()) == ["tokenizer.json", "tokenizer_config.json"]
    lock = json.loads((weights / "open_clip-tiny++drawn.json").read_text())["lock"]
    assert sorted(lock["files"]) == ["tokenizer.json", "tokenizer_config.json"]
    row = find_row(NAME, weights)
    TextEncoder(row, weights)
    (folder / "tokenizer.json").write_text((folder / "tokenizer.json").read_text().replace("night", "light"))
    with pytest.raises(WeightsError, match=r"tokenizer\.json is not as it was recorded"):
        TextEncoder(row, weights)
