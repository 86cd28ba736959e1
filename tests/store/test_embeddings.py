"""The HDF5 file with the vectors of one trailer."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from trailers.domain import Clip
from trailers.errors import StoreError
from trailers.store.embeddings import (
    read_clip_frames,
    read_embedding,
    read_embedding_attributes,
    write_embedding,
)

CLIPS = [Clip(0, 0, 24, 0), Clip(0, 24, 30, 18), Clip(2, 40, 64, 0)]
VECTORS = np.arange(12, dtype=np.float32).reshape(3, 4) / 3


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_embedding(tmp_path / "tt1.h5", VECTORS, CLIPS, {"trailer": "tt1", "F": 4, "share": 0.5})
    return tmp_path / "tt1.h5"


def test_a_round_trip_keeps_every_bit(path: Path) -> None:
    vectors, clips, attributes = read_embedding(path)
    assert vectors.dtype == np.float32
    assert vectors.tobytes() == VECTORS.tobytes()
    assert clips.tolist() == [[0, 0, 24, 0], [0, 24, 30, 18], [2, 40, 64, 0]]
    assert attributes == {"schema": "trailer-embeddings/2", "trailer": "tt1", "F": 4, "share": 0.5}


def test_plain_h5py_reads_it_in_three_lines(path: Path) -> None:
    with h5py.File(path) as file:
        vectors, clips = file["vectors"][:], file["clips"][:]
    assert (vectors.shape, clips.shape) == ((3, 4), (3, 4))


def test_the_same_vectors_give_the_same_bytes(path: Path, tmp_path: Path) -> None:
    write_embedding(tmp_path / "again.h5", VECTORS, CLIPS, {"F": 4, "share": 0.5, "trailer": "tt1"})
    assert (tmp_path / "again.h5").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("share", [0, 10, 50, 99])
def test_a_truncated_file_is_damaged(path: Path, share: int) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * share // 100])
    with pytest.raises(StoreError, match=r"tt1\.h5: .*damaged"):
        read_embedding(path)


def test_the_file_has_frame_and_seconds_of_every_clip_and_describes_its_datasets(path: Path) -> None:
    assert read_clip_frames(path).tolist() == [0, 24, 40]
    with h5py.File(path) as file:
        assert file["seconds"][:].tolist() == [[0.0, 1.0], [1.0, 1.25], [40 / 24, 64 / 24]]
        assert sorted(file) == ["clips", "frame", "seconds", "vectors"]
        assert all(len(file[name].attrs["description"]) > 20 for name in file)


def test_a_file_of_the_first_schema_reads_as_before(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["frame"], file["seconds"]
        file.attrs["schema"] = "trailer-embeddings/1"
    assert read_embedding(path)[0].tobytes() == VECTORS.tobytes()
    assert read_clip_frames(path) is None


def test_a_frame_outside_its_clip_is_damage(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["frame"][1] = 30
    with pytest.raises(StoreError, match="frame 30 is outside clip 1"):
        read_clip_frames(path)


@pytest.mark.parametrize("name", ["vectors", "clips"])
def test_a_flipped_bit_is_noticed(path: Path, name: str) -> None:
    with h5py.File(path) as file:
        place = file[name].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 3] ^= 4
    path.write_bytes(content)
    with pytest.raises(StoreError, match="is damaged"):
        read_embedding(path)


def test_another_schema_is_refused(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = "trailer-embeddings/3"
    for read in (read_embedding, read_embedding_attributes):
        with pytest.raises(StoreError, match="schema is 'trailer-embeddings/3', not 'trailer-embeddings/2'"):
            read(path)


def test_a_missing_file_says_which_stage_makes_it(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"does not exist\. Run the embed stage first"):
        read_embedding(tmp_path / "none.h5")


@pytest.mark.parametrize(
    ("vectors", "words"),
    [
        (np.zeros((0, 4), np.float32), "there are no clips"),
        (np.array([[1, np.nan], [1, 2], [np.inf, 1]], np.float32), "2 of 3 vectors hold NaN or infinity"),
        (np.ones((3, 4), np.float32), "all 3 vectors are the same"),
    ],
)
def test_invalid_embeddings_are_not_written(tmp_path: Path, vectors: np.ndarray, words: str) -> None:
    with pytest.raises(StoreError, match=words):
        write_embedding(tmp_path / "bad.h5", vectors, CLIPS[: len(vectors)], {})
    assert list(tmp_path.iterdir()) == []


def test_vectors_that_do_not_match_the_clips_are_a_programming_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected \(2, F\) vectors, got \(3, 4\)"):
        write_embedding(tmp_path / "bad.h5", VECTORS, CLIPS[:2], {})


def test_an_empty_attribute_is_not_damage(tmp_path):
    path = tmp_path / "t.h5"
    write_embedding(path, np.eye(2, dtype=np.float32), [Clip(0, 0, 24, 0)] * 2, {"trailer": "t", "source_sha256": ""})
    assert read_embedding(path)[2]["source_sha256"] == ""
