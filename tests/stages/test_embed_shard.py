"""The embed stage on a shard: its ledgers, what is made again after a change or a kill, and errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from embed_lab import OWN, Results
from trailers.__main__ import main
from trailers.domain import Clip
from trailers.store.embeddings import read_embedding
from trailers.store.ledger import FAILED, OK, SKIPPED, read_ledger
from trailers.store.spans import CLIPS_SCHEMA, write_spans


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path)


def test_a_shard_gives_a_ledger_for_every_pair(results: Results) -> None:
    for trailer in ("alpha", "beta"):
        results.add(trailer)
    results.shard("alpha", "beta", "gone", skipped=["gone"])
    assert results.embed() == 0
    for backbone in results.backbones:
        rows = read_ledger(results.ledger(backbone))
        assert [(row.trailer, row.status) for row in rows.values()] == [("alpha", OK), ("beta", OK), ("gone", SKIPPED)]
        assert rows["alpha"].facts == {"clips": 5, "F": 4, "precision": "float32"}
        assert (results.layout.root / rows["alpha"].path).is_file()


def test_existing_products_are_kept_and_the_ledger_is_the_same(results: Results) -> None:
    results.add("alpha")
    results.shard("alpha")
    results.embed()
    files, ledger = results.files(), results.ledger(results.backbones[0]).read_bytes()
    results.ledger(results.backbones[0]).unlink()
    assert results.embed() == 0
    assert results.files() == files
    assert results.ledger(results.backbones[0]).read_bytes() == ledger


def test_another_backbone_or_strategy_changes_only_its_own_files(results: Results) -> None:
    for strategy in ("shot8", "seq4"):
        results.add("alpha", strategy=strategy, clips=[Clip(0, 4 * n, 4 * n + 4, 0) for n in range(9)])
    results.shard("alpha", strategies=["shot8", "seq4"])
    results.embed(backbones=results.backbones[:1])
    before = results.files()
    results.embed(strategies=["shot8", "seq4"])
    after = results.files()
    assert len(after) == 4
    assert {path: after[path] for path in before} == before


def test_only_the_pairs_whose_ledgers_are_named_are_made(results: Results) -> None:
    for strategy in ("shot8", "seq8"):
        results.add("alpha", strategy=strategy)
    results.shard("alpha", strategies=["shot8", "seq8"])
    flat, deep = results.backbones
    assert results.embed(strategies=["shot8", "seq8"], pairs=[("shot8", flat), ("seq8", deep)]) == 0
    assert sorted(path.parts[1] for path in results.files()) == ["seq8", "shot8"]
    assert results.layout.embedding("seq8", deep, "alpha").exists()


def test_a_ledger_of_another_pair_is_refused(results: Results, capsys: pytest.CaptureFixture[str]) -> None:
    results.add("alpha")
    results.shard("alpha")
    words = results.words()
    place = words.index("--ledger") + 1
    assert main([*words[:place], str(results.ledger("resnet50")), *words[place:]]) == 1
    assert "is not the ledger of a pair of --clips and --backbones" in capsys.readouterr().err


def test_a_resumed_shard_gives_the_same_bytes_as_an_uninterrupted_one(results: Results) -> None:
    trailers = ["alpha", "beta", "gamma", "delta"]
    for trailer in trailers:
        results.add(trailer)
    results.shard(*trailers)
    results.embed()
    undisturbed = {path: content for path, (_, content) in results.files().items()}
    # The state after a kill in the middle of a shard: complete first trailers, a partial temporary file, no ledger.
    for backbone in results.backbones:
        for trailer in trailers[1:]:
            results.layout.embedding("shot8", backbone, trailer).unlink()
        results.layout.embedding("shot8", backbone, "beta").with_name(".tmp-1-00-beta.h5").write_bytes(b"torn")
        results.ledger(backbone).unlink()
    before = results.files()
    results.embed()
    after = {path: content for path, content in results.files().items() if not path.name.startswith(".tmp")}
    assert {path: content for path, (_, content) in after.items()} == undisturbed
    done = [path for path in before if not path.name.startswith(".tmp")]
    assert {path: after[path] for path in done} == {path: before[path] for path in done}


def test_a_killed_run_leaves_complete_files_and_the_next_run_makes_the_others(results: Results) -> None:
    trailers = [f"trailer{n}" for n in range(6)]
    for trailer in trailers:
        results.add(trailer)
    results.shard(*trailers)
    script = (
        "import os, signal, sys\nfrom trailers.store import embeddings\nfrom trailers.embedding import batches\n"
        "made, write = [], batches.write_embedding\n"
        "def dying(path, *rest):\n    write(path, *rest); made.append(path)\n"
        "    if len(made) == 5: os.kill(os.getpid(), signal.SIGKILL)\n"
        "batches.write_embedding = dying\nfrom trailers.__main__ import main\nsys.exit(main(sys.argv[1:]))"
    )
    killed = subprocess.run([sys.executable, "-c", script, *results.words()], capture_output=True, check=False)
    assert killed.returncode == -9
    before = results.files()
    assert len(before) == 5
    assert not results.ledger(results.backbones[0]).exists()
    assert results.embed() == 0
    after = results.files()
    assert len(after) == 12
    assert {path: after[path] for path in before} == before


@pytest.mark.parametrize("damage", ["cut", "flip", "other schema", "other fingerprint"])
def test_a_damaged_or_outdated_file_is_made_again(results: Results, damage: str) -> None:
    results.add("alpha")
    results.shard("alpha")
    results.embed()
    path = results.layout.embedding("shot8", results.backbones[0], "alpha")
    whole = path.read_bytes()
    if damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "flip":
        with h5py.File(path, "r") as file:
            place = file["vectors"].id.get_chunk_info(0).byte_offset
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    else:
        with h5py.File(path, "r+") as file:
            file.attrs["schema" if damage == "other schema" else "fingerprint"] = "another"
    assert results.embed() == 0
    vectors, _, _ = read_embedding(path)
    assert path.read_bytes() == whole or damage.startswith("other")
    assert vectors.shape == (5, 4)
    assert read_embedding(path)[2]["fingerprint"] != "another"


def test_changed_clips_settings_or_code_are_embedded_again(results: Results) -> None:
    results.add("alpha")
    results.shard("alpha")
    results.embed()
    path = results.layout.embedding("shot8", results.backbones[0], "alpha")
    first = read_embedding(path)[2]["fingerprint"]
    results.embed("--precision", "auto")
    second = read_embedding(path)[2]["fingerprint"]
    (results.folder / "mine.py").write_text(OWN + "\n# a changed file may be a changed network\n")
    results.embed()
    third = read_embedding(path)[2]["fingerprint"]
    header = {"trailer": "alpha", "frames": 36, "fingerprint": "changed"}
    write_spans(results.layout.clips("shot8", "alpha"), [Clip(0, 0, 8, 0), Clip(0, 8, 16, 0)], kind=Clip, header=header,
                schema=CLIPS_SCHEMA)  # fmt: skip
    results.embed()
    vectors, _, attributes = read_embedding(path)
    assert len({first, second, third, attributes["fingerprint"]}) == 4
    assert len(vectors) == 2


def test_one_bad_trailer_never_stops_the_others(results: Results) -> None:
    for trailer in ("alpha", "beta", "gamma", "delta"):
        results.add(trailer)
    results.layout.video("beta").write_bytes(b"no video")
    results.layout.clips("shot8", "gamma").write_text("no clips")
    results.shard("alpha", "beta", "gamma", "delta")
    assert results.embed() == 0
    for backbone in results.backbones:
        rows = read_ledger(results.ledger(backbone))
        assert [row.status for row in rows.values()] == [OK, FAILED, FAILED, OK]
        assert "beta.mp4: is damaged" in rows["beta"].error
        assert "gamma.csv" in rows["gamma"].error


def test_one_trailer_by_name_makes_every_pair_and_no_ledger(results: Results) -> None:
    results.add("alpha")
    assert results.embed(one="alpha") == 0
    assert len(results.files()) == 2
    assert not (results.layout.root / "ledger" / "embed").exists()


def test_missing_weights_name_the_command(results: Results, capsys: pytest.CaptureFixture[str]) -> None:
    results.add("alpha")
    results.shard("alpha")
    assert results.embed("--random-weights", "false", "--weights-dir", str(results.folder), backbones=["resnet50"]) == 1
    words = capsys.readouterr().err
    assert "resnet50-0676ba61.pth: the weights of resnet50 are missing. Run `snakemake weights`" in words


def test_a_finished_shard_does_not_load_torch(results: Results) -> None:
    results.add("alpha")
    results.shard("alpha")
    results.embed()
    script = (
        "import sys; from trailers.__main__ import main; assert main(sys.argv[1:]) == 0; "
        "heavy = {'torch', 'av', 'timm', 'torchvision'} & set(sys.modules); assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", script, *results.words()], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 up to date, 0 to make" in done.stderr
