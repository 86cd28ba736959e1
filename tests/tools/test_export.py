"""Export and import: the authors' zarr layout and packed files, there and back bit for bit."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from trailers.__main__ import main
from trailers.domain import Clip
from trailers.store.embeddings import write_embedding
from trailers.store.layout import Layout
from trailers.store.pack import open_pack
from trailers.store.published import Published, write_published

TRAILERS = {"tt0347149": 5, "tt0133093": 3}


def vectors_of(trailer: str) -> np.ndarray:
    return (
        np.random.default_rng(len(trailer) + TRAILERS[trailer]).normal(size=(TRAILERS[trailer], 6)).astype(np.float32)
    )


@pytest.fixture
def results(tmp_path: Path) -> Path:
    layout = Layout(tmp_path / "results")
    for trailer, count in TRAILERS.items():
        clips = [Clip(n, 24 * n, 24 * n + 24, 0) for n in range(count)]
        attributes = {"trailer": trailer, "backbone": "resnet50", "F": 6, "weights": "IMAGENET1K_V1"}
        attributes |= {"weights_sha256": "0" * 64, "transform": "none", "clip_strategy": "shot24", "fps": 24}
        attributes |= {"fingerprint": f"{count:016x}"}
        write_embedding(layout.embedding("shot24", "resnet50", trailer), vectors_of(trailer), clips, attributes)
    return layout.root


def export(results: Path, output: Path, *flags: str) -> int:
    where = ["--results", str(results), "--output", str(output)]
    return main(["export", "--clips", "shot24", "--backbone", "resnet50", *where, *flags])


def test_the_authors_layout_is_read_the_way_their_code_does(results: Path, tmp_path: Path) -> None:
    import zarr

    assert export(results, tmp_path / "out.zarr") == 0
    z = zarr.open(tmp_path / "out.zarr", mode="r")
    assert z.attrs["num_features"] == 6
    assert (tmp_path / "out.zarr" / ".zgroup").exists()  # format 2
    for trailer in TRAILERS:
        assert z[trailer].dtype == np.float32
        np.testing.assert_array_equal(z[trailer][:], vectors_of(trailer))


def test_there_and_back_is_the_same_to_the_last_bit(results: Path, tmp_path: Path) -> None:
    export(results, tmp_path / "out.zarr")
    assert (
        main(["import", str(tmp_path / "out.zarr"), "--backbone", "resnet50", "--results", str(tmp_path / "new")]) == 0
    )
    pack = open_pack(tmp_path / "new" / "pack" / "study" / "shot24" / "resnet50.h5")
    assert pack.trailers == ("tt0133093", "tt0347149")
    assert (pack.backbone, pack.clips, pack.features) == ("resnet50", "shot24", 6)
    for number, trailer in enumerate(pack.trailers):
        np.testing.assert_array_equal(pack.clips_of(number), vectors_of(trailer))


def test_a_packed_file_holds_the_same_vectors(results: Path, tmp_path: Path) -> None:
    assert export(results, tmp_path / "out.h5") == 0
    with h5py.File(tmp_path / "out.h5") as file:
        np.testing.assert_array_equal(file["vectors"][:3], vectors_of("tt0133093"))
        np.testing.assert_array_equal(file["vectors"][3:], vectors_of("tt0347149"))


def test_half_precision_only_when_asked_for(results: Path, tmp_path: Path) -> None:
    import zarr

    export(results, tmp_path / "half.zarr", "--half")
    z = zarr.open(tmp_path / "half.zarr", mode="r")
    assert z["tt0133093"].dtype == np.float16
    np.testing.assert_array_equal(z["tt0133093"][:], vectors_of("tt0133093").astype(np.float16))


def test_a_manifest_chooses_and_orders(results: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    export(results, tmp_path / "out.zarr")
    (tmp_path / "manifest.csv").write_text(
        "trailer,url\ntt9999999,https://example.org/a\ntt0347149,https://example.org/b\n"
    )
    words = ["--backbone", "resnet50", "--output", str(tmp_path / "p.h5"), "--manifest", str(tmp_path / "manifest.csv")]
    with caplog.at_level("INFO"):
        assert main(["import", str(tmp_path / "out.zarr"), *words]) == 1
        assert not (tmp_path / "p.h5").exists()
        assert main(["import", str(tmp_path / "out.zarr"), *words, "--partial"]) == 0
    assert open_pack(tmp_path / "p.h5").trailers == ("tt0347149",)
    assert f"holds 1 of the 2 trailers of {tmp_path / 'manifest.csv'}; missing are tt9999999" in caplog.text


def test_vectors_of_two_makes_are_not_mixed(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = Layout(results).embedding("shot24", "resnet50", "tt0347149")
    with h5py.File(path, "r+") as file:
        file.attrs["weights"] = "IMAGENET1K_V2"
    assert export(results, tmp_path / "out.zarr") == 1
    assert "weights is 'IMAGENET1K_V2', but 'IMAGENET1K_V1'" in capsys.readouterr().err
    assert not (tmp_path / "out.zarr").exists()


@pytest.mark.parametrize(
    ("output", "flags", "words"),
    [
        ("out.csv", [], "must end in .zarr"),
        ("out.h5", ["--half"], "without --half"),
        ("results", [], "must end in .zarr"),
    ],
)
def test_another_kind_of_output_is_refused(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], output: str, flags: list[str], words: str
) -> None:
    assert export(results, tmp_path / output, *flags) == 1
    assert words in capsys.readouterr().err


def test_what_is_there_is_not_overwritten(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out.zarr").mkdir()
    assert export(results, tmp_path / "out.zarr") == 1
    assert "is there already" in capsys.readouterr().err


def make_store(path: Path, **changes: object) -> None:
    import zarr

    store = zarr.open_group(path, mode="w", zarr_format=2)
    store.attrs["num_features"] = changes.get("features", 6)
    store.create_array(str(changes.get("name", "tt1")), data=changes.get("data", np.zeros((2, 6), np.float32)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"features": 7}, r"tt1 is float32 \(2, 6\), expected \(clips, 7\)"),
        ({"data": np.zeros((2, 6), np.int64)}, "tt1 is int64"),
        ({"data": np.zeros((2, 3, 6), np.float32)}, r"tt1 is float32 \(2, 3, 6\)"),
        ({"name": "a b"}, "'a b' is no trailer id"),
        ({"data": np.full((2, 6), np.nan, np.float32)}, "NaN"),
    ],
)
def test_a_strange_store_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict, words: str
) -> None:
    import re

    make_store(tmp_path / "strange.zarr", **changes)
    assert main(["import", str(tmp_path / "strange.zarr"), "--backbone", "b", "--results", str(tmp_path)]) == 1
    assert re.search(words, capsys.readouterr().err)


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_bytes(b"x"), lambda path: path.mkdir()])
def test_no_store_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], make) -> None:
    make(tmp_path / "none.zarr")
    assert main(["import", str(tmp_path / "none.zarr"), "--backbone", "b", "--results", str(tmp_path)]) == 1
    assert "none.zarr: " in capsys.readouterr().err


def test_a_damaged_array_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_published(tmp_path / "s.zarr", {"tt1": lambda: np.ones((2, 6), np.float32)}, attributes={"F": 6})
    assert Published(tmp_path / "s.zarr").read("tt1").tolist() == [[1] * 6] * 2
    for chunk in (tmp_path / "s.zarr" / "tt1").glob("[0-9]*"):
        chunk.write_bytes(b"torn")
    assert main(["import", str(tmp_path / "s.zarr"), "--backbone", "b", "--results", str(tmp_path)]) == 1
    assert "tt1 is damaged" in capsys.readouterr().err
