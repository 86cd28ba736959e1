"""Clips near a text, and genres by prompts, on vectors whose answer is known."""

from __future__ import annotations

import csv
import json
import logging
from pathlib import Path

import numpy as np
import pytest

from repository_lab import make_repository, make_tokenizer
from trailers.__main__ import main
from trailers.backbones.row import RANDOM_WEIGHTS
from trailers.backbones.rows import find_row
from trailers.backbones.text import TextEncoder
from trailers.domain import Clip
from trailers.reporting.significance import read_test_predictions
from trailers.store.embeddings import write_embedding
from trailers.store.layout import Layout
from trailers.store.ledger import OK, LedgerRow, write_ledger
from trailers.store.shards import make_shards

pytest.importorskip("transformers", reason="needs the extra huggingface")

NAME = "transformers:lab/clip"
CHASE, KISS = "a car chase at night", "two people kiss"
PROMPTS = "templates: ['{}', 'the {}']\ngenres:\n  action: a car chase at night\n  romance: [two people kiss, kiss]\n"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    make_tokenizer(make_repository("clip", folder / "transformers-lab++clip"))
    assert main(["weights", "--backbones", NAME, "--weights-dir", str(folder)]) == 0
    return folder


@pytest.fixture
def here(tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two trailers: the second clip of ``one`` matches CHASE, both clips of ``two`` match KISS, with other lengths."""
    monkeypatch.chdir(tmp_path)
    chase, kiss = TextEncoder(find_row(NAME, weights), weights)([CHASE, KISS])
    between = chase + kiss
    write(tmp_path, "one", np.stack([between, 3 * chase]), weights)
    write(tmp_path, "two", np.stack([2 * kiss, kiss + 0.01 * chase]), weights)
    (tmp_path / "manifest.csv").write_text("trailer,url,genres\none,,action\ntwo,,romance\nthree,,\n")
    (tmp_path / "prompts.yaml").write_text(PROMPTS)
    return tmp_path


def write(
    folder: Path, trailer: str, vectors: np.ndarray, weights: Path, *, name: str = NAME, sha256: str = ""
) -> None:
    recorded = json.loads((weights / "transformers-lab++clip.json").read_text())["lock"]["sha256"]
    clips = [Clip(7, 24 * number, 24 * number + 24, 0) for number in range(60, 60 + len(vectors))]
    attributes = {"trailer": trailer, "backbone": name, "weights_sha256": sha256 or recorded, "fingerprint": "f"}
    path = Layout(folder / "results").embedding("shot24", name, trailer)
    write_embedding(path, vectors.astype(np.float32), clips, attributes)


def find(weights: Path, *words: str) -> int:
    return main(["find", "--weights-dir", str(weights), *words])


def test_the_nearest_clips_of_a_text_are_listed_with_trailer_time_and_score(
    here: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert find(weights, "--text", CHASE, "--count", "2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == CHASE
    assert lines[1].split() == ["score", "trailer", "time", "clip"]
    assert lines[2].split() == ["1.0000", "one", "1:01.00-1:02.00", "1"]
    assert lines[3].split()[1:] == ["one", "1:00.00-1:01.00", "0"]
    assert len(lines) == 4


def test_the_list_can_be_written_to_a_table_with_one_text_after_the_other(here: Path, weights: Path) -> None:
    words = ["--text", KISS, CHASE, "--per-trailer", "1", "--csv", "found.csv"]
    assert find(weights, *words) == 0
    with (here / "found.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["text"], row["rank"], row["trailer"], row["clip"]) for row in rows] == [
        (KISS, "1", "two", "0"), (KISS, "2", "one", "0"), (CHASE, "1", "one", "1"), (CHASE, "2", "two", "1"),
    ]  # fmt: skip
    assert rows[0] == {
        "text": KISS, "rank": "1", "score": "1.000000", "trailer": "two", "clip": "0", "shot": "7", "start": "1440",
        "end": "1464", "start_s": "60.0", "end_s": "61.0",
    }  # fmt: skip


def test_genres_are_scored_by_prompts_in_the_columns_of_predictions(
    here: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--manifest", "manifest.csv", "--prompts", "prompts.yaml", "--weights-dir", str(weights)]
    assert main(["zero-shot", *words]) == 0
    output = capsys.readouterr().out
    path = here / "results" / "zero-shot" / "shot24" / "transformers-lab++clip.csv"
    assert path.read_text().splitlines()[0] == "trailer,subset,action,romance,is_action,is_romance"
    trailers, labels, scores = read_test_predictions(path)
    assert trailers == ("one", "two")
    assert labels.tolist() == [[1, 0], [0, 1]]
    assert scores.argmax(axis=1).tolist() == [0, 1]
    encoder = TextEncoder(find_row(NAME, weights), weights)
    action = encoder([CHASE, f"the {CHASE}"]).mean(axis=0)
    chase, kiss = encoder([CHASE, KISS])
    between = (chase + kiss) / np.linalg.norm(chase + kiss)
    wanted = (between + chase) @ action / np.linalg.norm(action) / 2
    assert scores[0, 0] == pytest.approx(float(wanted), abs=1e-5)
    assert "2 of 3 trailers, 2 genres" in output
    assert "trapezoid: micro 100.00, macro 100.00" in output


def test_genres_of_the_configuration_are_read_and_have_labels(here: Path, weights: Path) -> None:
    (here / "config.yaml").write_text("genres: [heist, romance]\n")
    (here / "manifest.csv").write_text("trailer,url,genres\none,,heist\ntwo,,romance\n")
    (here / "prompts.yaml").write_text(PROMPTS.replace("action:", "heist:"))
    words = ["--manifest", "manifest.csv", "--prompts", "prompts.yaml", "--weights-dir", str(weights)]
    assert main(["zero-shot", *words, "--output", "scores.csv"]) == 0
    assert (here / "scores.csv").read_text().splitlines()[0] == "trailer,subset,heist,romance,is_heist,is_romance"
    assert read_test_predictions(here / "scores.csv")[1].tolist() == [[1, 0], [0, 1]]


def test_with_softmax_the_genres_of_a_trailer_share_one(here: Path, weights: Path) -> None:
    words = ["--manifest", "manifest.csv", "--prompts", "prompts.yaml", "--weights-dir", str(weights)]
    assert main(["zero-shot", *words, "--score", "softmax", "--output", "scores.csv"]) == 0
    _, _, scores = read_test_predictions(here / "scores.csv")
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    assert scores.argmax(axis=1).tolist() == [0, 1]


def test_the_projects_own_prompts_name_the_ten_genres_and_are_found_from_any_folder(here) -> None:
    from trailers.domain import GENRES
    from trailers.project import find_file
    from trailers.store.prompts import read_prompts
    from trailers.tools.zero_shot import PROMPTS as OWN

    prompts = read_prompts(find_file(OWN))
    assert tuple(prompts.genres) == GENRES
    assert prompts.sentences("comedy")[:2] == ["a comedy", "a scene of a comedy"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("genres: {action: ''}", "genres.action"),
        ("genres: {action: ' '}", "genres, action: has an empty phrase"),
        ("genres: {}", "genres"),
        ("templates: [a film]\ngenres: {action: a fight}", "templates.0"),
        ("genre: {action: a fight}", "the key 'genre' is unknown. Did you mean 'genres'?"),
    ],
)
def test_prompts_that_cannot_be_used_are_refused_by_file_and_key(
    text: str, words: str, here: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "prompts.yaml").write_text(text)
    flags = ["--manifest", "manifest.csv", "--prompts", "prompts.yaml", "--weights-dir", str(weights)]
    assert main(["zero-shot", *flags]) == 1
    assert f"prompts.yaml: {words}" in capsys.readouterr().err


def test_vectors_of_other_weights_are_not_compared(
    here: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(here, "two", np.eye(2, 32), weights, sha256="f" * 64)
    assert find(weights, "--text", CHASE) == 1
    assert "two.h5: was made with weights ffffffffffffffff, not " in capsys.readouterr().err


@pytest.mark.parametrize("command", ["find", "zero-shot"])
def test_vectors_that_are_not_those_of_their_ledger_are_not_compared(
    here: Path, weights: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (shard,) = make_shards(["one"], size=1)
    path = Layout(here / "results").ledger("embed", shard, "shot24", NAME)
    write_ledger(path, [LedgerRow("one", OK, "embed/one.h5", "another")])
    words = ["--text", CHASE] if command == "find" else ["--manifest", "manifest.csv", "--prompts", "prompts.yaml"]
    assert main([command, "--weights-dir", str(weights), *words]) == 1
    assert "one.h5: its fingerprint is f, but " in capsys.readouterr().err


def test_random_weights_are_marked_as_meaningless(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    encoder = TextEncoder(find_row(NAME, weights), weights, random_weights=True)
    write(tmp_path, "one", encoder([KISS, CHASE]), weights, sha256=RANDOM_WEIGHTS)
    with caplog.at_level(logging.WARNING):
        assert find(weights, "--text", CHASE, "--csv", "found.csv") == 0
    assert "its weights are random, so the scores mean nothing" in caplog.text
    assert (tmp_path / "found.csv").read_text().splitlines()[1].startswith(f"{CHASE},1,1.000000,one,1,")


def test_without_a_backbone_that_shares_its_space_with_text_the_message_names_some(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "one", np.eye(2, 32), weights, name="resnet50")
    assert find(weights, "--text", CHASE) == 1
    output = capsys.readouterr().err
    assert "no requested backbone shares its space with text; the folder has shot24/resnet50" in output
    assert "Choose open_clip:ARCHITECTURE/TAG, or CLIP or SigLIP as transformers:ORG/REPOSITORY." in output


def test_a_python_file_named_in_results_is_not_run(
    here: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "own.py").write_text("import pathlib; pathlib.Path('spied').touch()\n")
    write(here, "one", np.eye(2, 32), weights, name="own.py:net")
    assert find(weights, "--text", CHASE) == 0
    assert find(weights, "--text", CHASE, "--backbone", "own.py:net") == 1
    assert not (here / "spied").exists()


def test_an_empty_text_and_a_count_of_0_are_refused(
    here: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert find(weights, "--text", " ") == 1
    assert "--text: is empty. Write a few words" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        find(weights, "--text", CHASE, "--count", "0")
    assert "'0' is not a whole number from 1" in capsys.readouterr().err
