"""Datasets over packs and over one file per trailer, in this process, in forked workers and in spawned ones."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import trailers
from trailers.domain import Clip
from trailers.errors import ConfigError, StoreError
from trailers.store.embeddings import write_embedding
from trailers.store.layout import Layout
from trailers.store.pack import Part, write_pack

CLIPS = {"a": 3, "b": 1, "c": 2}
VECTORS = {
    name: np.arange(4 * count, dtype=np.float32).reshape(count, 4) + 100 * n
    for n, (name, count) in enumerate(CLIPS.items())
}
VECTOR_OF_CLIP = [*VECTORS["a"].tolist(), *VECTORS["b"].tolist(), *VECTORS["c"].tolist()]
MANIFEST = "trailer,genres,split0\na,drama;action,0\nb,comedy,1\nc,drama,0\n"


@pytest.fixture
def folder(tmp_path):
    layout = Layout(tmp_path / "results")
    for name, vectors in VECTORS.items():
        clips = [Clip(0, 24 * n, 24 * n + 24, 0) for n in range(len(vectors))]
        write_embedding(layout.embedding("shot24", "mine", name), vectors, clips, {"trailer": name})
    parts = [Part(name, len(vectors), lambda vectors=vectors: vectors) for name, vectors in VECTORS.items()]
    attributes = {"backbone": "mine", "clips": "shot24", "fingerprint": "f"}
    write_pack(tmp_path / "pack.h5", parts, features=4, attributes=attributes)
    (tmp_path / "manifest.csv").write_text(MANIFEST)
    return tmp_path


def of_files(folder, kind, **more):
    return kind(folder / "results", "shot24", "mine", **more)


def of_pack(folder, kind, **more):
    return kind(folder / "pack.h5", **more)


both = pytest.mark.parametrize("make", [of_files, of_pack])


@both
def test_an_item_is_a_clip(folder, make):
    dataset = make(folder, trailers.data.Clips)
    assert [item["vector"].tolist() for item in (dataset[n] for n in range(len(dataset)))] == VECTOR_OF_CLIP
    assert (dataset[3]["trailer"], dataset[5]["trailer"], dataset[5]["clip"]) == ("b", "c", 1)
    assert dataset[-1]["vector"].tolist() == VECTOR_OF_CLIP[5]
    with pytest.raises(IndexError, match="index 6 is outside of 6 clips"):
        dataset[6]


@both
def test_an_item_is_a_trailer_and_a_batch_is_padded(folder, make):
    dataset = make(folder, trailers.data.Trailers)
    (batch,) = DataLoader(dataset, batch_size=3, collate_fn=trailers.data.pad)
    assert batch["trailer"] == ["a", "b", "c"]
    assert batch["lengths"].tolist() == [3, 1, 2]
    assert batch["mask"].tolist() == [[True] * 3, [True, False, False], [True, True, False]]
    assert batch["vectors"].shape == (3, 3, 4)
    assert batch["vectors"][2].tolist() == [*VECTORS["c"].tolist(), [0, 0, 0, 0]]


@both
def test_labels_and_subsets_come_from_the_manifest(folder, make):
    more = {"manifest": folder / "manifest.csv", "genres": ("action", "drama"), "split": 0, "subset": "train"}
    dataset = make(folder, trailers.data.Trailers, **more)
    assert dataset.trailers == ("a", "c")
    assert [dataset[n]["labels"].tolist() for n in range(2)] == [[1, 1], [0, 1]]
    clips = make(folder, trailers.data.Clips, **more)
    assert [clips[n]["vector"].tolist() for n in range(5)] == VECTOR_OF_CLIP[:3] + VECTOR_OF_CLIP[4:]
    assert trailers.data.pad([dataset[0], dataset[1]])["labels"].tolist() == [[1, 1], [0, 1]]


@both
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_read_the_same_as_this_process(folder, make, start):
    dataset = make(folder, trailers.data.Clips)
    assert dataset[0]["clip"] == 0  # read here before the workers start
    loader = DataLoader(dataset, batch_size=2, num_workers=2, multiprocessing_context=start)
    assert torch.cat([batch["vector"] for batch in loader]).tolist() == VECTOR_OF_CLIP


@both
def test_a_pickled_dataset_contains_no_vectors_and_no_open_file(folder, make):
    before = len(os.listdir("/proc/self/fd"))
    dataset = make(folder, trailers.data.Clips)
    copy = pickle.loads(pickle.dumps(dataset))
    assert b"\x00\x00\xc8\x42" not in pickle.dumps(dataset)  # 100.0, the first number of trailer b
    assert copy[3]["vector"].tolist() == VECTOR_OF_CLIP[3]
    if make is of_files:
        assert len(os.listdir("/proc/self/fd")) == before


@both
def test_writing_into_an_item_does_not_change_the_dataset(folder, make):
    dataset = make(folder, trailers.data.Trailers)
    dataset[0]["vectors"].zero_()
    assert dataset[0]["vectors"].tolist() == VECTORS["a"].tolist()


def test_some_trailers_of_a_folder_can_be_named(folder):
    dataset = of_files(folder, trailers.data.Clips, trailers=["c", "b"])
    assert [dataset[n]["trailer"] for n in range(3)] == ["c", "c", "b"]


def test_a_file_that_was_replaced_is_refused(folder):
    dataset = of_files(folder, trailers.data.Clips)
    path = trailers.open_results(folder / "results").embedding("b", "shot24", "mine")
    write_embedding(path, VECTORS["a"], [Clip(0, 0, 24, 0)] * 3, {"trailer": "b"})
    assert dataset[0]["trailer"] == "a"
    with pytest.raises(StoreError, match=r"b\.h5: was replaced after it was opened"):
        dataset[3]
    path.unlink()
    with pytest.raises(StoreError, match=r"b\.h5: was removed after"):
        dataset[3]


@pytest.mark.parametrize(
    ("more", "kind", "expected"),
    [
        ({"strategy": None, "backbone": None}, ConfigError, "The folder has shot24/mine"),
        ({"backbone": "other"}, StoreError, "contains no embedding"),
        ({"split": 0, "subset": "train"}, ConfigError, "a split is read from a manifest"),
        ({"manifest": "manifest.csv", "split": 0}, ConfigError, "split and subset must be given together"),
        ({"manifest": "manifest.csv", "split": 0, "subset": "test"}, ConfigError, "no trailer is left"),
        (
            {"manifest": "manifest.csv", "split": 0, "subset": "dev"},
            ConfigError,
            "subset 'dev' of split 0 does not exist",
        ),
    ],
)
def test_inputs_that_do_not_match_are_refused_in_one_sentence(folder, monkeypatch, more, kind, expected):
    monkeypatch.chdir(folder)
    words = {"strategy": "shot24", "backbone": "mine", **more}
    with pytest.raises(kind, match=expected):
        trailers.data.Clips("results", **words)


def test_a_pack_describes_its_contents(folder):
    with pytest.raises(ConfigError, match="is a pack, which has one strategy and one backbone"):
        trailers.data.Clips(folder / "pack.h5", "shot24", "mine")
