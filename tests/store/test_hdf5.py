"""HDF5 files of every format are read as untrusted input."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from trailers.domain import Clip
from trailers.errors import StoreError
from trailers.store.embeddings import (
    read_embedding,
    read_embedding_attributes,
    read_embedding_shape,
    read_poster,
    write_embedding,
    write_poster,
)
from trailers.store.frames import open_frames, write_frames
from trailers.store.hdf5 import create_hdf5, open_hdf5
from trailers.store.pack import Part, open_pack, write_pack
from trailers.store.scores import Scores, read_scores, write_scores

VECTORS = np.arange(8, dtype=np.float32).reshape(2, 4)


def make_embedding(path: Path) -> None:
    write_embedding(path, VECTORS, [Clip(0, 0, 24, 0), Clip(0, 24, 30, 18)], {"trailer": "t", "F": 4})


def make_poster(path: Path) -> None:
    write_poster(path, VECTORS[:1], {"trailer": "t"})


def make_scores(path: Path) -> None:
    values = np.array([0.1, 0.9, 0.2], np.float32)
    write_scores(path, Scores(values, values, np.array([True]), "bfloat16"), {"trailer": "t"})


def make_frames(path: Path) -> None:
    with write_frames(path) as writer:
        writer.append(np.zeros((3, 27, 48, 3), np.uint8))
        writer.describe({"trailer": "t"})


def make_pack(path: Path) -> None:
    attributes = {"backbone": "resnet50", "clips": "shot24", "fingerprint": "0123456789abcdef"}
    write_pack(path, [Part("t", 2, lambda: VECTORS)], features=4, attributes=attributes)


def read_frames(path: Path) -> None:
    with open_frames(path) as frames:
        frames.read(0, len(frames))


# Format -> (function that writes a file, function that reads it, its datasets).
FORMATS: dict[str, tuple[Callable[[Path], None], Callable[[Path], object], tuple[str, ...]]] = {
    "embedding": (make_embedding, read_embedding, ("vectors", "clips")),
    "embedding's shape": (make_embedding, read_embedding_shape, ("vectors", "clips")),
    "embedding's attributes": (make_embedding, read_embedding_attributes, ("vectors", "clips")),
    "poster": (make_poster, read_poster, ("vectors",)),
    "scores": (make_scores, read_scores, ("single", "many", "exact")),
    "frames": (make_frames, read_frames, ("differences",)),
    "pack": (make_pack, open_pack, ("vectors", "offsets", "trailers", "checksums")),
}
CASES = [(format_, name) for format_, (_, _, names) in FORMATS.items() for name in names]

# Each of these functions puts something hostile into ``file`` as ``name``; ``other`` is another HDF5 file.


def external_link(file: h5py.File, name: str, other: Path) -> None:
    file[name] = h5py.ExternalLink(str(other), name)


def soft_link(file: h5py.File, name: str, other: Path) -> None:
    file["elsewhere"] = np.zeros((2, 4), np.float32)
    file[name] = h5py.SoftLink("/elsewhere")


def dangling_link(file: h5py.File, name: str, other: Path) -> None:
    file[name] = h5py.SoftLink("/nowhere")


def external_storage(file: h5py.File, name: str, other: Path) -> None:
    file.create_dataset(name, (2, 4), np.float32, external=[("/etc/passwd", 0, 32)])


def virtual(file: h5py.File, name: str, other: Path) -> None:
    layout = h5py.VirtualLayout((2, 4), np.float32)
    layout[:] = h5py.VirtualSource(other, name, (2, 4))
    file.create_virtual_dataset(name, layout)


def without_shape(file: h5py.File, name: str, other: Path) -> None:
    file[name] = h5py.Empty(np.float32)


def group(file: h5py.File, name: str, other: Path) -> None:
    file.create_group(name)["x"] = 1


def text(file: h5py.File, name: str, other: Path) -> None:
    file[name] = np.array(["a", "b"], h5py.string_dtype())


def ragged(file: h5py.File, name: str, other: Path) -> None:
    file.create_dataset(name, (2,), h5py.vlen_dtype(np.float32))


def references(file: h5py.File, name: str, other: Path) -> None:
    file.create_dataset(name, (2, 4), h5py.ref_dtype)


def compound(file: h5py.File, name: str, other: Path) -> None:
    file.create_dataset(name, (2, 4), [("a", "f4"), ("b", "f4")])


def huge(file: h5py.File, name: str, other: Path) -> None:
    """512 GiB in chunks, none of which is stored."""
    file.create_dataset(name, (1 << 29, 256), np.float32, chunks=(1 << 10, 256))


def huge_in_one_piece(file: h5py.File, name: str, other: Path) -> None:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_alloc_time(h5py.h5d.ALLOC_TIME_LATE)
    space = h5py.h5s.create_simple((1 << 29, 256))
    h5py.h5d.create(file.id, name.encode(), h5py.h5t.IEEE_F32LE, space, plist)


def missing_chunks(file: h5py.File, name: str, other: Path) -> None:
    file.create_dataset(name, (4, 4), np.float32, chunks=(2, 4), fletcher32=True)[:2] = 1


def bomb(file: h5py.File, name: str, other: Path) -> None:
    """One chunk of zeros that takes a thousandth of its size."""
    file.create_dataset(name, data=np.zeros((1 << 18, 4), np.float32), chunks=(1 << 18, 4), compression="gzip")


def other_kind(file: h5py.File, name: str, other: Path) -> None:
    file[name] = np.zeros((2, 4), np.complex64)


HOSTILE = (
    external_link, soft_link, dangling_link, external_storage, virtual, without_shape, group, text, ragged, references,
    compound, huge, huge_in_one_piece, missing_chunks, bomb, other_kind,
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def little_memory() -> Iterator[None]:
    """Code that allocates as much as a file claims fails here instead of filling the memory."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 32), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("change", HOSTILE, ids=lambda change: change.__name__)
@pytest.mark.parametrize(("format_", "name"), CASES)
def test_links_to_other_files_and_excessive_sizes_are_refused_in_every_format(
    tmp_path: Path, format_: str, name: str, change: Callable[[h5py.File, str, Path], None]
) -> None:
    write, read, _ = FORMATS[format_]
    path, other = tmp_path / "t.h5", tmp_path / "other.h5"
    write(path)
    write(other)
    with h5py.File(path, "r+") as file:
        del file[name]
        change(file, name, other)
    with pytest.raises(StoreError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: is damaged: ")
    assert caught.value.where == str(path)
    assert caught.value.remedy.startswith("Remove it and rerun the ")
    assert "root" not in caught.value.what  # nothing of /etc/passwd


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("extra", [external_link, virtual, external_storage, references])
def test_links_in_datasets_that_are_not_read_are_refused_too(
    tmp_path: Path, format_: str, extra: Callable[[h5py.File, str, Path], None]
) -> None:
    write, read, _ = FORMATS[format_]
    write(tmp_path / "t.h5")
    write(tmp_path / "other.h5")
    with h5py.File(tmp_path / "t.h5", "r+") as file:
        extra(file, "more", tmp_path / "other.h5")
    with pytest.raises(StoreError, match="'more'"):
        read(tmp_path / "t.h5")


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.array([("a", 1)], [("x", "S1"), ("y", "i4")]), "'strange' is neither text nor numbers"),
        (h5py.Empty(h5py.ref_dtype), "'strange' is neither text nor numbers"),
        (h5py.Empty(np.float32), "the attribute 'strange' has no value"),
        (np.zeros(0), "the attribute 'strange' has no value"),
    ],
)
def test_unknown_attributes_are_named(tmp_path: Path, format_: str, value: object, words: str) -> None:
    write, read, _ = FORMATS[format_]
    write(tmp_path / "t.h5")
    with h5py.File(tmp_path / "t.h5", "r+") as file:
        file.attrs["strange"] = value
    with pytest.raises(StoreError, match=words):
        read(tmp_path / "t.h5")


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("value", [np.array(["test/1", "test/2"], "S6"), np.arange(3), np.float64("nan")])
def test_a_schema_that_is_not_text_is_another_schema(tmp_path: Path, format_: str, value: object) -> None:
    write, read, _ = FORMATS[format_]
    write(tmp_path / "t.h5")
    with h5py.File(tmp_path / "t.h5", "r+") as file:
        file.attrs["schema"] = value
    with pytest.raises(StoreError, match=r"schema is .*, not '.*It was made by something else"):
        read(tmp_path / "t.h5")


def test_thousands_of_attributes_are_refused_before_they_are_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "t.h5", "w", libver="latest") as file:
        file.attrs["schema"] = "test/1"
        for number in range(1000):
            file.attrs.create(f"a{number}", number)
    with (
        pytest.raises(StoreError, match="is damaged: it has 1,001 attributes"),
        open_hdf5(tmp_path / "t.h5", schema="test/1", stage="test"),
    ):
        pass


@pytest.mark.parametrize("format_", FORMATS)
def test_text_that_is_not_utf_8_is_refused(tmp_path: Path, format_: str) -> None:
    write, read, _ = FORMATS[format_]
    write(tmp_path / "t.h5")
    with h5py.File(tmp_path / "t.h5", "r+") as file:
        file.attrs["title"] = "Die Brucke"
    content = (tmp_path / "t.h5").read_bytes()
    (tmp_path / "t.h5").write_bytes(content.replace(b"Die Brucke", b"Die Br\xfccke"))
    with pytest.raises(StoreError, match="is damaged: 'utf-8' codec can't encode"):
        read(tmp_path / "t.h5")


def test_an_attribute_as_large_as_a_table_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "t.h5", "w", libver="latest") as file:
        file.attrs["schema"] = "test/1"
        file.attrs["strange"] = np.zeros(100_000)
    with (
        pytest.raises(StoreError, match="'strange' claims 800,000 bytes"),
        open_hdf5(tmp_path / "t.h5", schema="test/1", stage="test"),
    ):
        pass


@pytest.mark.parametrize("format_", FORMATS)
def test_a_damaged_heap_of_text_is_refused_before_the_library_loops_in_it(tmp_path: Path, format_: str) -> None:
    write, read, _ = FORMATS[format_]
    write(tmp_path / "t.h5")
    content = bytearray((tmp_path / "t.h5").read_bytes())
    heap = content.index(b"GCOL")
    entry = heap + 16
    while content[entry : entry + 2] != b"\0\0":  # up to the entry of the free space
        entry += 16 + -(-int.from_bytes(content[entry + 8 : entry + 16], "little") // 8) * 8
    for length in (0, 1 << 63):
        content[entry + 8 : entry + 16] = length.to_bytes(8, "little")
        (tmp_path / "t.h5").write_bytes(content)
        with pytest.raises(StoreError, match=r"t\.h5: is damaged: a heap of its text is damaged"):
            read(tmp_path / "t.h5")


@pytest.mark.parametrize("kind", [0xFF, 0x0F, 0x19, 0x00])
def test_a_damaged_data_type_is_reported_in_one_sentence_whenever_the_library_notices_it(
    tmp_path: Path, kind: int
) -> None:
    """Damages every byte of the message that describes float32; h5py notices it only when it needs the type."""
    make_embedding(tmp_path / "t.h5")
    content = (tmp_path / "t.h5").read_bytes()
    message = content.index(bytes([0x11, 0x20, 0x1F, 0x00, 4, 0, 0, 0]))
    for place in range(20):
        damaged = bytearray(content)
        damaged[message + place] = kind
        (tmp_path / "t.h5").write_bytes(damaged)
        with contextlib.suppress(StoreError):
            read_embedding(tmp_path / "t.h5")


@pytest.mark.parametrize("format_", FORMATS)
def test_a_pipe_in_place_of_a_file_is_refused(tmp_path: Path, format_: str) -> None:
    os.mkfifo(tmp_path / "pipe.h5")
    (tmp_path / "folder.h5").mkdir()
    for name in ("pipe.h5", "folder.h5"):
        with pytest.raises(StoreError, match=rf"{name}: is not a file"):
            FORMATS[format_][1](tmp_path / name)


def test_a_sparse_file_is_refused(tmp_path: Path) -> None:
    """One gigabyte of vectors that take no space on the disk: valid HDF5, and zeros satisfy the checksum."""
    path = tmp_path / "sparse.h5"
    with h5py.File(path, "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        plist.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        space = h5py.h5s.create_simple((1 << 26, 4))
        h5py.h5d.create(file.id, b"vectors", h5py.h5t.IEEE_F32LE, space, plist)
        file["clips"] = np.zeros((2, 4), np.int32)
        file.attrs["schema"] = "trailer-embeddings/1"
    assert path.stat().st_size > 1 << 30
    assert path.stat().st_blocks * 512 < 1 << 20
    with pytest.raises(StoreError, match=r"'vectors' claims 1,073,741,824 bytes, but the file takes [\d,]+ bytes on"):
        read_embedding(path)


@pytest.mark.parametrize(
    ("clips", "words"),
    [
        ([[0, 0, 24, 0], [0, -24, 30, 18]], r"clip 1 is \[0, -24, 30, 18\]"),
        ([[0, 0, 24, 0], [-1, 24, 30, 18]], "clip 1 is"),
        ([[0, 24, 24, 0], [0, 24, 30, 18]], "clip 0 is"),
        ([[0, 0, 24, 0], [0, 24, 30, -18]], "clip 1 is"),
        ([[0, 0, 24, 0]], r"'clips' is int32 \(1, 4\), expected int32 \(2, 4\)"),
    ],
)
def test_invalid_clips_are_refused(tmp_path: Path, clips: list[list[int]], words: str) -> None:
    make_embedding(tmp_path / "t.h5")
    with h5py.File(tmp_path / "t.h5", "r+") as file:
        del file["clips"]
        file["clips"] = np.array(clips, np.int32)
    with pytest.raises(StoreError, match=words):
        read_embedding(tmp_path / "t.h5")


@pytest.mark.parametrize(
    ("offsets", "dtype"),
    [([0, -1], "<i8"), ([0, 3], "<i8"), ([1, 2], "<i8"), ([0, 2**63], "<u8"), ([0, 2], "<f8"), ([0, 2], "<i4")],
)
def test_offsets_of_a_pack_that_lead_out_of_it_are_refused(tmp_path: Path, offsets: list[int], dtype: str) -> None:
    make_pack(tmp_path / "p.h5")
    with h5py.File(tmp_path / "p.h5", "r+") as file:
        del file["offsets"]
        file["offsets"] = np.array(offsets, dtype)
    with pytest.raises(StoreError, match="offsets"):
        open_pack(tmp_path / "p.h5")


def test_ids_of_a_pack_that_are_not_ascii_are_named(tmp_path: Path) -> None:
    make_pack(tmp_path / "p.h5")
    with h5py.File(tmp_path / "p.h5", "r+") as file:
        file["trailers"][...] = np.array([b"caf\xe9"], "S64")
    with pytest.raises(StoreError, match=r"'caf\\\\xe9' is not a trailer id"):
        open_pack(tmp_path / "p.h5")


@pytest.mark.parametrize("format_", ["embedding", "poster", "scores", "frames", "pack"])
def test_the_remedy_for_a_file_without_read_permission_is_not_to_remove_it(
    tmp_path: Path, format_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, read, _ = FORMATS[format_]
    write(tmp_path / "t.h5")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(StoreError, match=r"t\.h5: cannot be read: Permission denied\. Check its permissions"):
        read(tmp_path / "t.h5")


@given(place=some.integers(0, 10_000), value=some.integers(0, 255))
def test_a_changed_byte_gives_the_same_values_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    """Contiguous data in a file with few structures, because HDF5 itself survives every change of a byte in it."""
    path = tmp_path_factory.getbasetemp() / "changed.h5"
    with create_hdf5(path) as file:
        file.create_dataset("x", data=np.arange(100, dtype=np.int32))
        file.attrs["schema"] = "test/1"
    content = bytearray(path.read_bytes())
    content[place % len(content)] = value
    path.write_bytes(content)
    with contextlib.suppress(StoreError), open_hdf5(path, schema="test/1", stage="test") as opened:
        assert opened.read("x", np.int32, (100,)).shape == (100,)


def test_numbers_of_another_byte_order_are_refused(tmp_path: Path) -> None:
    make_embedding(tmp_path / "t.h5")
    with h5py.File(tmp_path / "t.h5", "r+") as file:
        del file["vectors"]
        file["vectors"] = VECTORS.astype(">f4")
    with pytest.raises(StoreError, match=r"'vectors' is >f4 \(2, 4\), expected float32"):
        read_embedding(tmp_path / "t.h5")


@pytest.mark.parametrize("count", [1, 2, 9, 60])
def test_empty_text_is_not_damage(tmp_path: Path, count: int) -> None:
    with create_hdf5(tmp_path / "t.h5") as file:
        file.attrs.update({"schema": "test/1", **{f"empty{number}": "" for number in range(count)}})
    with open_hdf5(tmp_path / "t.h5", schema="test/1", stage="test") as file:
        assert file.attributes["empty0"] == ""
