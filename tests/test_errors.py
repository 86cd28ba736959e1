"""Errors say what is wrong, where, and what to do, as fields and as one sentence."""

from __future__ import annotations

import pickle

import pytest

from trailers.errors import DownloadError, StoreError, TrailerError


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (TrailerError("nothing is there"), "nothing is there"),
        (TrailerError("has no shots", where="a.csv"), "a.csv: has no shots"),
        (TrailerError("has no shots", where="a.csv", remedy="Rerun shots."), "a.csv: has no shots. Rerun shots."),
        (TrailerError("it is full.", remedy="Free some."), "it is full. Free some."),
    ],
)
def test_the_sentence_is_where_what_remedy(error, sentence):
    assert str(error) == sentence


@pytest.mark.parametrize(
    "error",
    [
        StoreError("is damaged", where="x.h5", remedy="Remove it."),
        DownloadError("gone", "the site says 404", dead=True),
    ],
)
def test_fields_are_kept_between_processes(error):
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert vars(back) == vars(error)
