import h5py
import numpy as np
import pytest

from trailers.errors import StoreError
from trailers.store.scores import Scores, read_scores, write_scores

ATTRIBUTES = {"trailer": "tt0133093", "fingerprint": "0123456789abcdef"}


def scores(single=(0.1, 0.9, 0.2), many=(0.2, 0.8, 0.3), exact=(True,), precision="bfloat16"):
    return Scores(np.array(single, np.float32), np.array(many, np.float32), np.array(exact, bool), precision)


def test_a_written_file_is_read_back(tmp_path):
    path = tmp_path / "a.scores.h5"
    write_scores(path, scores(), ATTRIBUTES)
    found, attributes = read_scores(path)
    assert found.single.tolist() == np.array([0.1, 0.9, 0.2], np.float32).tolist()
    assert found.many.tolist() == np.array([0.2, 0.8, 0.3], np.float32).tolist()
    assert found.exact.tolist() == [True]
    assert found.precision == "bfloat16"
    assert attributes == {**ATTRIBUTES, "schema": "trailer-scores/1", "precision": "bfloat16"}
    assert len(found) == 3
    assert found.head("single") is found.single
    assert found.head("many") is found.many


def test_the_same_scores_are_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_scores(tmp_path / name, scores(), ATTRIBUTES)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -0.1, 1.1])
def test_values_that_are_not_probabilities_are_refused_and_nothing_is_written(tmp_path, wrong):
    with pytest.raises(StoreError, match=r"1 of 3 probabilities of the head 'many' .* float32"):
        write_scores(tmp_path / "a", scores(many=(0.1, wrong, 0.2)), ATTRIBUTES)
    assert list(tmp_path.iterdir()) == []


def test_heads_of_different_length_are_a_programming_error():
    with pytest.raises(ValueError, match=r"\(3,\), \(2,\), \(1,\)"):
        scores(many=(0.1, 0.2))


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(StoreError, match="Run the shots stage first"):
        read_scores(tmp_path / "a")


def test_another_schema_is_refused(tmp_path):
    with h5py.File(tmp_path / "a", "w") as file:
        file.attrs["schema"] = "something/2"
    with pytest.raises(StoreError, match="schema is 'something/2', not 'trailer-scores/1'"):
        read_scores(tmp_path / "a")


def test_a_file_cut_off_anywhere_is_noticed(tmp_path):
    path = tmp_path / "a"
    write_scores(path, scores(), ATTRIBUTES)
    whole = path.read_bytes()
    for share in (0, 0.1, 0.5, 0.9, 0.99):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(StoreError, match="Remove it and rerun the shots stage"):
            read_scores(path)


def test_a_flipped_byte_in_the_scores_is_noticed(tmp_path):
    path = tmp_path / "a"
    write_scores(path, scores(), ATTRIBUTES)
    whole = path.read_bytes()
    at = whole.index(np.array([0.1, 0.9, 0.2], np.float32).tobytes())
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    with pytest.raises(StoreError, match="is damaged"):
        read_scores(path)
