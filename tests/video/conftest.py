"""Fixtures that the tests of videos share."""

import pytest

from video_lab import Lab


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path / "results")
