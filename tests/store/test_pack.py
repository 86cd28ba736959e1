"""Packs: what a file contains, and which files are refused."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from trailers.errors import StoreError
from trailers.store.pack import Part, check_finite, check_sums, open_pack, write_pack

ATTRIBUTES = {"backbone": "resnet50", "clips": "shot24", "fingerprint": "0123456789abcdef"}
FIRST = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
SECOND = np.array([[7, 8, 9]], np.float32)


def part(trailer, vectors):
    return Part(trailer, len(vectors), lambda: vectors)


@pytest.fixture
def path(tmp_path):
    write_pack(tmp_path / "p.h5", [part("b", FIRST), part("a", SECOND)], features=3, attributes=ATTRIBUTES)
    return tmp_path / "p.h5"


def edit(path, change):
    with h5py.File(path, "r+") as file:
        change(file)


def test_a_pack_returns_its_embeddings_in_order(path):
    pack = open_pack(path)
    assert pack.trailers == ("b", "a")
    assert pack.offsets.tolist() == [0, 2, 3]
    assert pack.vectors.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert pack.clips_of(1).tolist() == [[7, 8, 9]]
    assert (pack.features, pack.backbone, pack.clips, pack.fingerprint) == (3, "resnet50", "shot24", "0123456789abcdef")


def test_the_vectors_lie_in_the_file_as_plain_float32(path):
    with h5py.File(path) as file:
        start = file["vectors"].id.get_offset()
    assert np.frombuffer(path.read_bytes()[start : start + 36], "<f4").tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert isinstance(open_pack(path).vectors, np.memmap)


def test_the_vectors_cannot_be_written_to(path):
    with pytest.raises(ValueError, match="read-only"):
        open_pack(path).vectors[0, 0] = 5


def test_the_same_parts_give_the_same_bytes(path, tmp_path):
    write_pack(tmp_path / "q.h5", [part("b", FIRST), part("a", SECOND)], features=3, attributes=ATTRIBUTES)
    assert (tmp_path / "q.h5").read_bytes() == path.read_bytes()


def test_half_precision_is_widened_without_loss(tmp_path):
    write_pack(tmp_path / "h.h5", [part("a", np.array([[0.5, 2.25]], np.float16))], features=2, attributes=ATTRIBUTES)
    assert open_pack(tmp_path / "h.h5").vectors.tolist() == [[0.5, 2.25]]


@pytest.mark.parametrize(
    ("vectors", "words"),
    [
        (np.array([[1, np.nan, 3]], np.float32), "c: its vectors hold NaN"),
        (np.array([[1, np.inf, 3]], np.float32), "c: its vectors hold NaN or infinity"),
        (np.array([[1, 2]], np.float32), r"c: vectors are \(1, 2\), expected \(1, 3\)"),
    ],
)
def test_vectors_of_different_lengths_leave_no_pack(tmp_path, vectors, words):
    with pytest.raises(StoreError, match=words):
        write_pack(tmp_path / "p.h5", [part("b", FIRST), part("c", vectors)], features=3, attributes=ATTRIBUTES)
    assert list(tmp_path.iterdir()) == []


def replace_vectors(**options):
    def change(file):
        del file["vectors"]
        file.create_dataset("vectors", data=np.zeros((3, 3)), **options)

    return change


def link_elsewhere(file):
    del file["vectors"]
    file["vectors"] = h5py.ExternalLink("/etc/passwd", "vectors")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda file: file.attrs.__setitem__("schema", "other/1"), "schema is 'other/1', not 'embedding-pack/1'"),
        (lambda file: file.attrs.__delitem__("fingerprint"), "the attribute fingerprint is missing"),
        (replace_vectors(dtype="<f8"), r"'vectors' is float64 \(3, 3\), expected float32 \(any, any\)"),
        (replace_vectors(dtype="<f4", chunks=(1, 3)), "'vectors' is not one contiguous table"),
        (link_elsewhere, "'vectors' is a soft or external link"),
        (lambda file: file["offsets"].write_direct(np.array([0, 2, 4])), "its offsets do not fit its 3 vectors"),
        (lambda file: file["offsets"].write_direct(np.array([0, 0, 3])), "its offsets do not fit"),
        (lambda file: file["trailers"].write_direct(np.array(["b", "../x"], "S64")), "'../x' is not a trailer id"),
        (lambda file: file["trailers"].write_direct(np.array(["b", "b"], "S64")), "it contains a trailer twice"),
        (lambda file: file.__delitem__("offsets"), "is damaged"),
    ],
)
def test_a_file_that_is_not_a_pack_is_refused_in_one_sentence(path, change, words):
    edit(path, change)
    with pytest.raises(StoreError, match=words):
        open_pack(path)


def test_a_missing_pack_names_the_stage_to_run(tmp_path):
    with pytest.raises(StoreError, match=r"does not exist\. Run the pack stage first"):
        open_pack(tmp_path / "none.h5")


@pytest.mark.parametrize("size", [10, 800, -8])
def test_a_pack_that_is_cut_off_is_refused(path, size):
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(StoreError):
        open_pack(path)


def overwrite(path, value):
    """Change the last vector, which belongs to trailer a, as a failing disk would."""
    with h5py.File(path) as file:
        start = file["vectors"].id.get_offset()
    with path.open("r+b") as file:
        file.seek(start + 2 * 12)
        file.write(np.array([value], "<f4").tobytes())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_vectors_that_are_not_finite_are_reported_with_their_trailer(path, value):
    check_finite(open_pack(path))
    overwrite(path, value)
    with pytest.raises(StoreError, match="the vectors of a hold NaN or infinity"):
        check_finite(open_pack(path))


def test_changed_vectors_are_reported_with_their_trailer(path):
    check_sums(open_pack(path))
    overwrite(path, 7.5)
    with pytest.raises(StoreError, match="the vectors of a do not match their checksum"):
        check_sums(open_pack(path))
