"""Sizes in messages."""

from __future__ import annotations

import pytest

from trailers.store.text import size_text


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (940, "940 bytes"),
        (20_480, "20.5 kB"),
        (49_999_999, "50.0 MB"),
        (999_960_000, "1.0 GB"),
        (1_500_000_000, "1.5 GB"),
        (12_345_600_000_000, "12,345.6 GB"),
    ],
)
def test_a_size_is_shown_in_a_unit_in_which_it_is_not_zero(size, words):
    assert size_text(size) == words
