"""Splits by second-order iterative stratification."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trailers.classifier.splits import describe, divergence, pairs_of, random_split, sizes, stratify
from trailers.domain import GENRES


@pytest.fixture(scope="module")
def real(shared_data):
    with (shared_data / "trailers12k" / "mtgc.csv").open() as file:
        rows = list(csv.DictReader(file))
    labels = np.array([[int(row[genre]) for genre in GENRES] for row in rows])
    return labels, [np.array([int(row[f"split{n}"]) for row in rows]) for n in range(3)]


def test_sizes_add_up_and_follow_the_shares():
    assert sizes(12_000, (0.7, 0.1, 0.2)).tolist() == [8400, 1200, 2400]
    assert sizes(13, (0.7, 0.1, 0.2)).tolist() == [
        9,
        1,
        3,
    ]  # 9.1, 1.3, 2.6: the remaining one goes to the largest fraction
    assert sizes(3, (0.7, 0.1, 0.2)).tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="add up to 1"):
        sizes(10, (0.7, 0.1, 0.1))


def test_pairs_are_single_genres_and_combinations_of_two():
    # In the order (0,0) (0,1) (0,2) (1,1) (1,2) (2,2).
    assert pairs_of(np.array([[1, 0, 1], [0, 1, 0]])).astype(int).tolist() == [[1, 0, 1, 0, 0, 1], [0, 0, 0, 1, 0, 0]]


label_tables = st.integers(3, 60).flatmap(
    lambda n: st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=n, max_size=n).map(np.array)
)


@given(label_tables, st.integers(0, 3))
def test_every_trailer_is_in_one_subset_of_the_right_size(labels, seed):
    subsets = stratify(labels, seed=seed)
    assert np.bincount(subsets, minlength=3).tolist() == sizes(len(labels), (0.7, 0.1, 0.2)).tolist()


def test_a_set_that_divides_evenly_is_divided_evenly():
    kinds = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 1, 1]])
    labels = np.repeat(kinds, 10, axis=0)
    subsets = stratify(labels, seed=0)
    for kind in kinds:
        members = subsets[(labels == kind).all(axis=1)]
        assert np.bincount(members, minlength=3).tolist() == [7, 1, 2]
    assert divergence(labels, subsets, of_pairs=False) == pytest.approx(0)
    assert divergence(labels, subsets, of_pairs=True) == pytest.approx(0)


def test_divergence_by_hand():
    # Two of four trailers have the genre (odds 1): the only one of subset 0, and one of three in subset 1.
    labels, subsets = np.array([[1], [1], [0], [0]]), np.array([0, 1, 1, 1])
    # Odds 1 / (1/2) = 2, because all have it, and 1/2: (|2 - 1| + |1/2 - 1|) / 2.
    assert divergence(labels, subsets, of_pairs=False) == pytest.approx(0.75)


def test_the_same_seed_gives_the_same_split_and_another_seed_another_split(real):
    labels, _ = real
    assert (stratify(labels[:2000], seed=3) == stratify(labels[:2000], seed=3)).all()
    assert (stratify(labels[:2000], seed=3) != stratify(labels[:2000], seed=4)).mean() > 0.3


@pytest.mark.parametrize("seed", [0, 1, 2, 17])
def test_on_the_real_labels_our_splits_diverge_less_than_the_published_ones(real, seed):
    labels, published = real
    ours = describe(labels, stratify(labels, seed=seed))
    assert ours["sizes"] == [8400, 1200, 2400]
    for split in published:
        theirs = describe(labels, split)
        assert ours["labels"] < theirs["labels"] / 3
        assert ours["pairs"] < theirs["pairs"] / 2


def test_on_the_real_labels_our_splits_diverge_much_less_than_random_ones(real):
    labels, _ = real
    ours, drawn = describe(labels, stratify(labels, seed=0)), describe(labels, random_split(len(labels), seed=0))
    assert ours["labels"] < drawn["labels"] / 10
    assert ours["pairs"] < drawn["pairs"] / 10
