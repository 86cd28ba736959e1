"""Which clips make a snippet."""

from __future__ import annotations

import os
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trailers.classifier.snippets import (
    Examples,
    gather,
    read_ahead,
    room_for,
    select,
    test_snippets,
    training_snippets,
)

test_snippets.__test__ = False  # pytest would run it as a test

lengths_of_trailers = st.lists(st.integers(1, 200), min_size=1, max_size=20).map(np.array)


def examples(*lengths, features=(1,)):
    """Clip c of trailer t has the vector 100 t + c, plus a tenth of the backbone's number."""
    rows = np.concatenate([100 * t + np.arange(length) for t, length in enumerate(lengths)])
    firsts = np.cumsum([0, *lengths[:-1]])
    tables = tuple(np.repeat(rows[:, None] + 0.5 * b, f, axis=1).astype(np.float32) for b, f in enumerate(features))
    return Examples(tables, (firsts,) * len(features), np.array(lengths), np.zeros((len(lengths), 10), np.float32))


def test_a_trailer_is_cut_into_consecutive_snippets_and_the_last_has_the_remaining_clips():
    snippets = test_snippets(np.array([70, 30, 5]), clips=30)
    assert snippets.trailers.tolist() == [0, 0, 0, 1, 2]
    assert snippets.starts.tolist() == [0, 30, 60, 0, 0]
    assert snippets.counts.tolist() == [30, 30, 10, 30, 5]


@given(lengths_of_trailers, st.integers(1, 60))
def test_test_snippets_contain_every_clip_once(lengths, clips):
    found = Counter()
    snippets = test_snippets(lengths, clips=clips)
    for trailer, start, count in zip(snippets.trailers, snippets.starts, snippets.counts, strict=True):
        found.update((trailer, clip) for clip in range(start, start + count))
    assert found == Counter((t, c) for t, length in enumerate(lengths) for c in range(length))


@given(lengths_of_trailers, st.integers(1, 60), st.integers(0, 5))
def test_training_snippets_use_every_trailer_once_and_stay_inside_it(lengths, clips, seed):
    snippets = training_snippets(lengths, clips=clips, random=np.random.default_rng(seed))
    assert sorted(snippets.trailers) == list(range(len(lengths)))
    assert (snippets.starts >= 0).all()
    assert (snippets.starts + snippets.counts <= lengths[snippets.trailers]).all()
    assert (snippets.counts == np.minimum(lengths[snippets.trailers], clips)).all()


def test_every_start_from_0_to_the_last_possible_is_drawn_about_equally_often():
    random = np.random.default_rng(0)
    starts = Counter(int(training_snippets(np.array([33]), clips=30, random=random).starts[0]) for _ in range(4000))
    assert sorted(starts) == [0, 1, 2, 3]
    assert all(900 < count < 1100 for count in starts.values())


def test_a_trailer_as_long_as_a_snippet_or_shorter_is_used_whole():
    snippets = training_snippets(np.array([30, 7]), clips=30, random=np.random.default_rng(0))
    assert sorted(zip(snippets.trailers.tolist(), snippets.starts.tolist(), snippets.counts.tolist(), strict=True)) == [
        (0, 0, 30),
        (1, 0, 7),
    ]


def test_gathered_vectors_are_the_clips_and_zeros_after_a_short_snippet():
    found = gather(examples(5, 2), test_snippets(np.array([5, 2]), clips=3), clips=3)
    assert [table[..., 0].tolist() for table in found] == [[[0, 1, 2], [3, 4, 0], [100, 101, 0]]]


def test_a_reused_buffer_keeps_none_of_its_old_content():
    trailers = examples(5, 2)
    room = room_for(trailers, 4, clips=3)
    room[0][:] = 7
    (found,) = gather(trailers, test_snippets(np.array([5, 2]), clips=3), clips=3, into=room)
    assert found[..., 0].tolist() == [[0, 1, 2], [3, 4, 0], [100, 101, 0]]
    assert np.shares_memory(found, room[0])


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="the system cannot be asked to read ahead")
def test_the_next_bytes_are_announced_to_the_operating_system(tmp_path, monkeypatch):
    np.arange(70, dtype=np.float32).tofile(tmp_path / "table")
    table = np.memmap(tmp_path / "table", np.float32, "r", offset=80, shape=(10, 5))  # rows of 20 bytes, from byte 80
    lengths = np.array([4, 6])
    trailers = Examples((table,), (np.array([0, 4]),), lengths, np.zeros((2, 1), np.float32))
    requests = []
    monkeypatch.setattr("os.posix_fadvise", lambda _, begin, size, advice: requests.append((begin, size, advice)))
    read_ahead(trailers, test_snippets(lengths, clips=4))
    assert requests == [
        (80, 80, os.POSIX_FADV_WILLNEED),
        (160, 80, os.POSIX_FADV_WILLNEED),
        (240, 40, os.POSIX_FADV_WILLNEED),
    ]


def test_every_backbone_gives_the_same_clips():
    first, second = gather(examples(5, 2, features=(1, 4)), test_snippets(np.array([5, 2]), clips=3), clips=3)
    assert (first.shape, second.shape) == ((3, 3, 1), (3, 3, 4))
    assert second[0, :, 3].tolist() == [0.5, 1.5, 2.5]


def test_a_selection_has_the_chosen_trailers_in_their_order():
    chosen = select(examples(5, 2, 4), [2, 0])
    assert chosen.lengths.tolist() == [4, 5]
    found = gather(chosen, test_snippets(chosen.lengths, clips=5), clips=5)[0][..., 0]
    assert found.tolist() == [[200, 201, 202, 203, 0], [0, 1, 2, 3, 4]]


def test_examples_that_contradict_themselves_are_refused():
    table, labels = np.zeros((3, 2), np.float32), np.zeros((1, 10), np.float32)
    with pytest.raises(ValueError, match="at least one clip"):
        Examples((table,), (np.array([0]),), np.array([0]), labels)
    with pytest.raises(ValueError, match="the same number of trailers"):
        Examples((table,), (np.array([0, 1]),), np.array([3]), labels)
    with pytest.raises(ValueError, match="1 tables of vectors but 0 of firsts"):
        Examples((table,), (), np.array([3]), labels)
