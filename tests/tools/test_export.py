"""Export and import: the authors' zarr layout and packed files, there and back bit for bit."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from trailers.__main__ import main
from trailers.domain import Clip
from trailers.errors import StoreError
from trailers.store.embeddings import write_embedding
from trailers.store.layout import Layout
from trailers.store.ledger import OK, LedgerRow, write_ledger
from trailers.store.pack import open_pack
from trailers.store.published import Published, write_published
from trailers.store.receipt import Receipt, write_receipt
from trailers.store.shards import make_shards

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


def test_the_authors_layout_is_read_as_their_code_does(results: Path, tmp_path: Path) -> None:
    import zarr

    assert export(results, tmp_path / "out.zarr") == 0
    z = zarr.open(tmp_path / "out.zarr", mode="r")
    assert z.attrs["num_features"] == 6
    assert (tmp_path / "out.zarr" / ".zgroup").exists()  # format 2
    for trailer in TRAILERS:
        assert z[trailer].dtype == np.float32
        np.testing.assert_array_equal(z[trailer][:], vectors_of(trailer))


def test_a_round_trip_keeps_every_bit(results: Path, tmp_path: Path) -> None:
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


def listed(results: Path, **fingerprints: str) -> None:
    """Ledgers of the embed stage, one per trailer, that say which fingerprint each embedding has."""
    for trailer, carried in fingerprints.items():
        (shard,) = make_shards([trailer], size=1)
        path = Layout(results).ledger("embed", shard, "shot24", "resnet50")
        write_ledger(path, [LedgerRow(trailer, OK, f"embed/shot24/resnet50/{trailer}.h5", carried)])


def test_vectors_that_are_not_those_of_their_ledger_are_not_exported(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    listed(results, tt0347149=f"{5:016x}", tt0133093="another")
    assert export(results, tmp_path / "out.zarr") == 1
    assert "its fingerprint is 0000000000000003, but " in capsys.readouterr().err
    assert not (tmp_path / "out.zarr").exists()
    # A trailer that is not exported is not looked at.
    manifest = write_manifest(tmp_path / "one.csv", "tt0347149")
    caplog.clear()
    assert export(results, tmp_path / "one.zarr", "--manifest", str(manifest)) == 0
    assert "no ledger" not in caplog.text


def test_vectors_of_another_manifests_link_are_not_exported(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = {"url": "https://site/one"}
    write_receipt(Layout(results).receipt("tt0133093"), Receipt("tt0133093", OK, "tt0133093.mp4", "0" * 64, "f", facts))
    manifest = tmp_path / "links.csv"
    manifest.write_text("trailer,url,genres\ntt0133093,https://site/two | https://site/one,\n")
    assert export(results, tmp_path / "one.zarr", "--manifest", str(manifest)) == 0
    manifest.write_text("trailer,url,genres\ntt0133093,https://site/two,\n")
    assert export(results, tmp_path / "two.zarr", "--manifest", str(manifest)) == 1
    assert "is from https://site/one, which is not a link of tt0133093 in the manifest" in capsys.readouterr().err
    assert export(results, tmp_path / "all.zarr", "--all") == 0


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("aaaaaaaaaaa", "https://youtu.be/aaaaaaaaaaa?t=3"),
        ("https://www.youtube.com/shorts/aaaaaaaaaaa", "aaaaaaaaaaa"),
        ("www.site.org/one.mp4", "https://www.site.org/one.mp4"),
    ],
)
def test_another_form_of_the_same_link_is_no_other_link(results: Path, tmp_path: Path, before: str, now: str) -> None:
    facts = {"url": before}
    write_receipt(Layout(results).receipt("tt0133093"), Receipt("tt0133093", OK, "tt0133093.mp4", "0" * 64, "f", facts))
    manifest = tmp_path / "links.csv"
    manifest.write_text(f"trailer,url,genres\ntt0133093,{now},\n")
    assert export(results, tmp_path / "one.zarr", "--manifest", str(manifest)) == 0


def test_vectors_that_no_ledger_lists_are_reported(
    results: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    listed(results, tt0347149=f"{5:016x}")
    assert export(results, tmp_path / "out.zarr") == 0
    assert "export: no ledger of the embed stage lists tt0133093: either " in caplog.text


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
    assert f"holds 1 of the 2 trailers of {tmp_path / 'manifest.csv'}; missing: tt9999999" in caplog.text


def test_vectors_of_different_weights_are_not_mixed(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Layout(results).embedding("shot24", "resnet50", "tt0347149")
    with h5py.File(path, "r+") as file:
        file.attrs["weights"] = "IMAGENET1K_V2"
    assert export(results, tmp_path / "out.zarr") == 1
    assert "weights is 'IMAGENET1K_V2', but it is 'IMAGENET1K_V1'" in capsys.readouterr().err
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


def test_existing_output_is_not_overwritten(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out.zarr").mkdir()
    assert export(results, tmp_path / "out.zarr") == 1
    assert "already exists" in capsys.readouterr().err


@pytest.fixture
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_manifest(path: Path, *trailers: str) -> Path:
    path.write_text("".join(["trailer,url\n", *(f"{name},https://example.org/{name}\n" for name in trailers)]))
    return path


@pytest.mark.parametrize("named_in", ["flag", "config"])
def test_trailers_that_left_the_manifest_are_left_out_and_reported(
    results: Path, working_folder: Path, named_in: str, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = write_manifest(working_folder / "mine.csv", "tt9999999", "tt0347149")
    (working_folder / "config.yaml").write_text(f"manifest: {manifest if named_in == 'config' else 'none.csv'}\n")
    flags = ["--manifest", str(manifest)] if named_in == "flag" else []
    assert export(results, working_folder / "out.h5", *flags) == 0
    assert open_pack(working_folder / "out.h5").trailers == ("tt0347149",)
    assert f"1 of 2 trailers of {manifest} have vectors" in caplog.text
    assert f"1 trailers in {results / 'embed/shot24/resnet50'} are not in {manifest} and are left out" in caplog.text
    assert export(results, working_folder / "all.h5", *flags, "--all") == 0
    assert open_pack(working_folder / "all.h5").trailers == ("tt0133093", "tt0347149")


def test_the_manifests_order_is_kept(results: Path, working_folder: Path) -> None:
    manifest = write_manifest(working_folder / "mine.csv", "tt0347149", "tt0133093")
    assert export(results, working_folder / "out.h5", "--manifest", str(manifest)) == 0
    assert open_pack(working_folder / "out.h5").trailers == ("tt0347149", "tt0133093")


def test_a_manifest_of_other_trailers_is_refused(
    results: Path, working_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = write_manifest(working_folder / "mine.csv", "tt9999999")
    assert export(results, working_folder / "out.zarr", "--manifest", str(manifest)) == 1
    assert f"contains none of the 1 trailers of {manifest}" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [["--clips", "shot24", "--backbone", "resnet50"], ["--pack"]])
def test_an_imported_pack_can_be_exported(results: Path, working_folder: Path, flags: list[str]) -> None:
    export(results, working_folder / "out.zarr", "--all")
    new = working_folder / "new"
    assert main(["import", str(working_folder / "out.zarr"), "--backbone", "resnet50", "--results", str(new)]) == 0
    flags = [*flags, str(new / "pack/study/shot24/resnet50.h5")] if flags == ["--pack"] else flags
    for output in ("again.zarr", "again.h5"):
        assert main(["export", *flags, "--results", str(new), "--output", str(working_folder / output)]) == 0
    published, pack = Published(working_folder / "again.zarr"), open_pack(working_folder / "again.h5")
    assert published.attributes["weights"] == "published embeddings, out.zarr"
    for number, trailer in enumerate(pack.trailers):
        np.testing.assert_array_equal(published.read(trailer), vectors_of(trailer))
        np.testing.assert_array_equal(pack.clips_of(number), vectors_of(trailer))


@pytest.mark.parametrize(
    "flags", [[], ["--clips", "shot24"], ["--pack", "a.h5", "--clips", "shot24", "--backbone", "b"]]
)
def test_an_ambiguous_choice_is_refused_with_the_flag_to_set(
    working_folder: Path, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", *flags, "--output", "out.zarr"]) == 1
    assert "Give --clips and --backbone, or --pack." in capsys.readouterr().err


def test_a_file_renamed_to_another_trailer_is_refused(
    results: Path, working_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Layout(results).embedding("shot24", "resnet50", "tt0133093")
    path.with_name("tt0000001.h5").write_bytes(path.read_bytes())
    assert export(results, working_folder / "out.zarr") == 1
    assert "tt0000001.h5: holds the vectors of tt0133093" in capsys.readouterr().err


def test_numbers_beyond_half_precision_do_not_become_infinite(
    working_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(StoreError, match=r"tt1: its embedding holds numbers larger than 65504\. Export without --half"):
        write_published(
            working_folder / "s.zarr", {"tt1": lambda: np.full((2, 6), 1e5, np.float32)}, attributes={"F": 6},
            dtype="<f2",
        )  # fmt: skip
    assert list(working_folder.iterdir()) == []


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
        ({"name": "a b"}, "'a b' is not a trailer id"),
        ({"data": np.full((2, 6), np.nan, np.float32)}, "NaN"),
    ],
)
def test_a_store_of_another_layout_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict, words: str
) -> None:
    import re

    make_store(tmp_path / "strange.zarr", **changes)
    assert main(["import", str(tmp_path / "strange.zarr"), "--backbone", "b", "--results", str(tmp_path)]) == 1
    assert re.search(words, capsys.readouterr().err)


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_bytes(b"x"), lambda path: path.mkdir()])
def test_a_missing_store_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], make) -> None:
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
