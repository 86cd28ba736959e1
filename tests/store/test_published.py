"""Published zarr stores of both formats are read completely or refused, and never lead to other files."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as some

from trailers.__main__ import main
from trailers.errors import StoreError
from trailers.store.pack import open_pack
from trailers.store.published import Published, write_published

FIRST = np.random.default_rng(1).normal(size=(7, 6)).astype(np.float32)
SECOND = np.random.default_rng(2).normal(size=(3, 6)).astype(np.float32)

BLOSC = {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}
# Kind -> zarr format, and the options of the array.
KINDS: dict[str, tuple[int, dict[str, Any]]] = {
    "2": (2, {}),
    "2, as published": (2, {"compressors": BLOSC}),
    "2, plain": (2, {"compressors": None}),
    "2, zlib": (2, {"compressors": {"id": "zlib", "level": 1}}),
    "2, folders": (2, {"chunk_key_encoding": {"name": "v2", "separator": "/"}}),
    "2, columns first": (2, {"order": "F", "compressors": None}),
    "2, other byte order": (2, {"dtype": ">f4"}),
    "3": (3, {}),
    "3, plain": (3, {"compressors": None}),
    "3, blosc": (3, {"compressors": zarr.codecs.BloscCodec()}),
    "3, gzip": (3, {"compressors": zarr.codecs.GzipCodec()}),
    "3, checksum": (3, {"compressors": [zarr.codecs.ZstdCodec(), zarr.codecs.Crc32cCodec()]}),
}  # fmt: skip


def make_store(path: Path, kind: str = "2, as published") -> Path:
    """Two trailers in chunks of 4 clips and 5 features: 4 chunks and 2."""
    zarr_format, options = KINDS[kind]
    store = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    store.attrs["num_features"] = 6
    for name, data in (("tt1", FIRST), ("tt2", SECOND)):
        dtype = options.get("dtype", "<f4")
        array = store.create_array(name, shape=data.shape, chunks=(4, 5), **{**options, "dtype": dtype})
        array[:] = data
    return path


def chunks_of(store: Path, trailer: str = "tt1") -> list[Path]:
    folder = store / trailer
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name[0].isdigit())


def run_import(store: Path, output: Path, *words: str) -> int:
    return main(["import", str(store), "--backbone", "resnet50", "--output", str(output), *words])


@pytest.mark.parametrize("kind", KINDS)
def test_stores_of_either_format_are_read_bit_for_bit(tmp_path: Path, kind: str) -> None:
    published = Published(make_store(tmp_path / "s.zarr", kind))
    published.check_chunks()
    assert published.trailers == ["tt1", "tt2"]
    assert (published.clips("tt1"), published.clips("tt2")) == (7, 3)
    np.testing.assert_array_equal(published.read("tt1"), FIRST)
    np.testing.assert_array_equal(published.read("tt2"), SECOND)
    assert published.read("tt1").dtype == np.float32


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_chunk_is_not_read_as_zeros(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    store = make_store(tmp_path / "s.zarr", kind)
    chunks_of(store)[2].unlink()
    assert run_import(store, tmp_path / "p.h5") == 1
    message = capsys.readouterr().err
    assert "s.zarr: has 5 of its 6 chunks; 1 of 2 trailers are incomplete: tt1. Fetch the store again." in message
    assert not (tmp_path / "p.h5").exists()
    with pytest.raises(StoreError, match="tt1 is damaged: it has only 3 of its 4 chunks"):
        Published(store).read("tt1")


@pytest.mark.parametrize("kind", ["2", "3"])
@pytest.mark.parametrize("name", [".tt3", ".tmp-tt3", ".~tmp~"])
def test_an_array_in_a_hidden_folder_is_not_lost_silently(tmp_path: Path, kind: str, name: str) -> None:
    store = make_store(tmp_path / "s.zarr", kind)
    shutil.copytree(store / "tt1", store / name)
    with pytest.raises(StoreError, match=f"s.zarr: '{name}' is not a trailer id, so this is not a store of trailers'"):
        Published(store)


def test_anything_that_is_not_an_array_is_skipped_and_listed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = make_store(tmp_path / "s.zarr")
    (store / ".ipynb_checkpoints").mkdir()
    (store / ".DS_Store").write_bytes(b"x")
    (store / "tt3.npy").write_bytes(b"x")
    with caplog.at_level("WARNING"):
        assert run_import(store, tmp_path / "p.h5") == 0
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        f"import: {store}: ignored, because they are not trailers: .DS_Store, .ipynb_checkpoints, tt3.npy"
    ]


@pytest.mark.parametrize("cut", [0, 1, 10, 20, -1])
@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_chunk_is_refused(tmp_path: Path, kind: str, cut: int) -> None:
    store = make_store(tmp_path / "s.zarr", kind)
    chunk = chunks_of(store)[1]
    chunk.write_bytes(chunk.read_bytes()[:cut])
    with pytest.raises(StoreError, match=r"s\.zarr: tt1 is damaged: its chunk \S+ (cannot be read|holds)"):
        Published(store).read("tt1")


@pytest.mark.parametrize("kind", ["2, as published", "2, plain", "3", "3, blosc", "3, gzip"])
def test_a_chunk_of_another_array_is_refused(tmp_path: Path, kind: str) -> None:
    store = make_store(tmp_path / "s.zarr", kind)
    zarr_format, options = KINDS[kind]
    other = zarr.open_group(tmp_path / "o.zarr", mode="w", zarr_format=zarr_format)
    other.create_array("tt1", shape=(64, 6), chunks=(64, 6), dtype="<f4", **options)[:] = 1.0
    chunks_of(store)[0].write_bytes(chunks_of(tmp_path / "o.zarr")[0].read_bytes())
    with pytest.raises(StoreError, match="tt1 is damaged: its chunk"):
        Published(store).read("tt1")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (4, r"tt1 is damaged: it has 2 chunks beyond its shape \(4, 6\)"),  # of its 7 rows; a chunk has 4
        (5, r"tt1 is damaged: its chunk \S*1\S0 holds numbers beyond its shape \(5, 6\)"),
    ],
)
def test_rows_that_a_wrong_shape_would_hide_are_not_lost(tmp_path: Path, kind: str, rows: int, words: str) -> None:
    published = Published(with_rows(make_store(tmp_path / "s.zarr", kind), rows))
    with pytest.raises(StoreError, match=words):
        published.read("tt1")
    assert run_import(tmp_path / "s.zarr", tmp_path / "p.h5") == 1
    assert not (tmp_path / "p.h5").exists()


def with_rows(store: Path, rows: int) -> Path:
    """``store``, after its first array was made to claim this number of rows."""
    (path,) = (store / "tt1" / name for name in (".zarray", "zarr.json") if (store / "tt1" / name).exists())
    path.write_text(json.dumps(json.loads(path.read_text()) | {"shape": [rows, 6]}))
    return store


@pytest.mark.parametrize("kind", ["2", "3"])
def test_rows_of_zeros_that_a_wrong_shape_adds_are_reported(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = with_rows(make_store(tmp_path / "s.zarr", kind), 8)  # of 7, in chunks of 4
    with caplog.at_level("WARNING"):
        assert run_import(store, tmp_path / "p.h5") == 0
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        f"import: {store}: 1 trailers have clips whose vectors contain only zeros. No network produces these, so they "
        "are probably missing or damaged: tt1"
    ]


@pytest.mark.parametrize("kind", ["2", "3"])
@pytest.mark.filterwarnings("ignore:Consolidated")
def test_an_array_that_is_not_what_the_index_says_is_refused(tmp_path: Path, kind: str) -> None:
    store = make_store(tmp_path / "s.zarr", kind)
    zarr.consolidate_metadata(store)
    assert len(Published(store).read("tt2")) == 3
    path = store / "tt2" / (".zarray" if kind == "2" else "zarr.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"shape": [2, 6]}))
    with pytest.raises(StoreError, match=r"its shape is \(2, 6\), but the store's index has another array of \(3, 6\)"):
        Published(store).read("tt2")


@pytest.mark.parametrize("kind", ["2", "3"])
@pytest.mark.parametrize("consolidated", [True, False])
def test_a_store_cut_off_while_it_was_downloaded_is_refused(tmp_path: Path, kind: str, consolidated: bool) -> None:
    store = make_store(tmp_path / "s.zarr", kind)
    if consolidated:
        zarr.consolidate_metadata(store)
        shutil.rmtree(store / "tt2")
        words = r"s\.zarr: holds 1 of the 2 trailers it should hold; missing: tt2\. Fetch the store again"
    else:
        for path in (store / "tt2" / name for name in (".zarray", "zarr.json")):
            path.unlink(missing_ok=True)
        words = r"tt2/(\.zarray|zarr\.json): does not exist, so the store is incomplete"
    with pytest.raises(StoreError, match=words):
        Published(store).check_chunks()


def test_an_exported_store_states_its_number_of_trailers(tmp_path: Path) -> None:
    tables = {"tt1": lambda: FIRST, "tt2": lambda: SECOND}
    write_published(tmp_path / "s.zarr", tables, attributes={"F": 6})
    assert Published(tmp_path / "s.zarr").trailers == ["tt1", "tt2"]
    shutil.rmtree(tmp_path / "s.zarr" / "tt1")
    with pytest.raises(StoreError, match="holds 1 of the 2 trailers it should hold"):
        Published(tmp_path / "s.zarr")


@pytest.mark.parametrize("name", [".zgroup", ".zattrs", "tt1/.zarray", "tt1/0.0"])
@pytest.mark.parametrize("whole", [False, True])
def test_links_in_a_store_are_not_followed(tmp_path: Path, name: str, whole: bool) -> None:
    store, other = make_store(tmp_path / "s.zarr"), make_store(tmp_path / "other.zarr")
    (store / name).unlink()
    (store / name).symlink_to((other if whole else tmp_path) / name)
    with pytest.raises(StoreError, match=r"s\.zarr.*(link|symbolic|chunks|it has no zarr.json)"):
        Published(store).check_chunks()


def test_an_array_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    store, other = make_store(tmp_path / "s.zarr"), make_store(tmp_path / "other.zarr")
    shutil.rmtree(store / "tt1")
    (store / "tt1").symlink_to(other / "tt1")
    with pytest.raises(StoreError, match="'tt1' is a link, and links in a store are not followed"):
        Published(store)


@pytest.mark.parametrize(
    "name", [os.fsdecode(b"caf\xe9"), "a b", "x" * 65, "CON", "-rf", "$(touch x)", "näme"], ids=ascii
)
def test_names_that_are_not_ids_are_refused_and_printed_safely(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store = make_store(tmp_path / "s.zarr")
    (store / "tt1").rename(store / name)
    assert run_import(store, tmp_path / "p.h5") == 1
    capsys.readouterr().err.encode("utf-8")
    with pytest.raises(StoreError, match="is not a trailer id"):
        Published(store)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shape": [10**12, 6]}, "claims"),
        ({"shape": [10**7, 6], "chunks": [1, 1]}, "is damaged: 4 of its 60,000,000 chunks|of its"),
        ({"shape": [-7, 6]}, r"its shape is \(-7, 6\)"),
        ({"shape": [7.5, 6]}, "its shape is"),
        ({"shape": [7]}, "its shape is"),
        ({"shape": "7,6"}, "its shape is"),
        ({"chunks": [0, 5]}, "the shape of its chunks"),
        ({"chunks": [10**9, 5]}, "claims"),
        ({"dtype": "|O"}, "its values are '|O', not numbers"),
        ({"dtype": [["a", "<f4"]]}, "not numbers"),
        ({"dtype": "<i8"}, "tt1 is int64"),
        ({"compressor": {"id": "pickle"}}, "it is compressed by 'pickle'"),
        ({"compressor": {"id": "lzma"}}, "it is compressed by 'lzma'"),
        ({"compressor": 3}, "does not describe"),
        ({"filters": [{"id": "json2"}]}, "it passes through filters"),
        ({"dimension_separator": "/../../"}, "the separator of its chunks"),
        ({"order": "K"}, "its order is 'K'"),
        ({"order": None}, "its order is None"),
    ],
)
def test_metadata_that_are_not_supported_are_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    store = make_store(tmp_path / "s.zarr")
    path = store / "tt1" / ".zarray"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(StoreError, match=words):
        Published(store).read("tt1")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"zarr_format": 2}', b"null"], ids=lambda b: b[:9]
)
@pytest.mark.parametrize("name", [".zgroup", ".zattrs", "tt1/.zarray"])
def test_truncated_metadata_are_reported_with_the_store(tmp_path: Path, name: str, content: bytes) -> None:
    store = make_store(tmp_path / "s.zarr")
    if (name, content) == (".zgroup", b'{"zarr_format": 2}'):
        return
    (store / name).write_bytes(content)
    with pytest.raises(StoreError, match=r"s\.zarr"):
        Published(store).read("tt1")


@pytest.mark.parametrize("features", [None, "6", 6.5, True, 0, -6, 10**12, [6]])
def test_the_number_of_features_is_a_number(tmp_path: Path, features: object) -> None:
    store = make_store(tmp_path / "s.zarr")
    (store / ".zattrs").write_text(json.dumps({"num_features": features}))
    with pytest.raises(StoreError, match="its attribute num_features is"):
        Published(store)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_vectors_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    store = make_store(tmp_path / "s.zarr", "2, plain")
    chunk = np.frombuffer(chunks_of(store, "tt2")[0].read_bytes(), "<f4").copy()
    chunk[7] = value
    chunks_of(store, "tt2")[0].write_bytes(chunk.tobytes())
    with pytest.raises(StoreError, match="tt2 is damaged: its vectors hold NaN or infinity"):
        Published(store).read("tt2")
    with pytest.raises(StoreError, match="tt2: its embedding holds NaN or infinity"):
        write_published(tmp_path / "o.zarr", {"tt2": lambda: np.full((2, 6), value, np.float32)}, attributes={"F": 6})


def test_a_pipe_in_place_of_a_chunk_is_refused_at_once(tmp_path: Path) -> None:
    store = make_store(tmp_path / "s.zarr")
    (store / "tt1" / "0.0").unlink()
    os.mkfifo(store / "tt1" / "0.0")
    with pytest.raises(StoreError, match="it has only 3 of its 4 chunks"):
        Published(store).read("tt1")


@given(place=some.integers(0, 10_000), flip=some.integers(1, 255), kind=some.sampled_from(["2, as published", "3"]))
def test_a_changed_byte_gives_a_table_of_that_shape_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, place: int, flip: int, kind: str
) -> None:
    store = make_store(tmp_path_factory.mktemp("changed") / "s.zarr", kind)
    path = chunks_of(store)[0]
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= flip
    path.write_bytes(content)
    found = None
    with contextlib.suppress(StoreError):
        found = Published(store).read("tt1")
    assert found is None or found.shape == (7, 6)


def test_import_does_not_overwrite_a_pack_without_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, output = make_store(tmp_path / "s.zarr"), tmp_path / "p.h5"
    assert run_import(store, output) == 0
    before = output.read_bytes()
    assert run_import(store, output) == 1
    assert f"{output}: already exists. Give --force to replace it" in capsys.readouterr().err
    assert output.read_bytes() == before
    assert run_import(store, output, "--force") == 0
    assert output.read_bytes() == before


@pytest.mark.parametrize("change", [lambda x: x + 1e-6, lambda x: x[::-1], lambda x: -x])
def test_other_vectors_have_another_fingerprint(tmp_path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Store, trailers and clips have the same names; with the same fingerprint, nothing would be trained again."""
    for name, table in (("one", FIRST), ("two", change(FIRST)), ("three", FIRST)):
        write_published(tmp_path / name / "s.zarr", {"tt1": lambda table=table: table}, attributes={"F": 6})
        assert run_import(tmp_path / name / "s.zarr", tmp_path / f"{name}.h5") == 0
    one, two, three = (open_pack(tmp_path / f"{name}.h5").fingerprint for name in ("one", "two", "three"))
    assert one == three
    assert one != two
