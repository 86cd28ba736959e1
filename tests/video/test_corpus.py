"""Every unusual video of the corpus is converted correctly, or refused in one sentence."""

import numpy as np
import pytest

from corpus import CASES, Case, chart
from trailers.errors import VideoError
from video_lab import counted, quarters


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.name, marks=[pytest.mark.slow] * case.slow) for case in CASES]
)
def test_an_unusual_video_is_converted_correctly_or_refused_in_one_sentence(lab, tmp_path, case: Case):
    lab.put(case.make(tmp_path))
    if case.refused:
        with pytest.raises(VideoError) as refusal:
            lab.make()
        assert case.refused in str(refusal.value)
        assert "\n" not in str(refusal.value)
        assert lab.files() == []
        return
    row = lab.make()
    assert {key: row.facts[key] for key in case.facts} == dict(case.facts)
    assert lab.existing() == row
    assert lab.files() == ["t.frames.h5", "t.mp4"]
    for frames in (lab.small(), lab.large()):
        for seen, wanted in zip(quarters(frames), case.colours, strict=False):
            assert wanted is None or np.abs(seen - wanted).max() <= case.tolerance


def test_the_cases_of_the_corpus_have_different_names():
    assert len({case.name for case in CASES}) == len(CASES)


def test_the_test_chart_has_the_expected_levels():
    frames = chart(22)
    assert frames.shape == (22, 48, 64, 3)
    assert counted(frames) == [*range(20), 0, 1]
