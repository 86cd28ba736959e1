"""The quality stage: what it writes about a trailer, and what it refuses."""

import json

import numpy as np
import pytest

from trailers.config import defaults
from trailers.domain import Shot
from trailers.errors import ConfigError, StoreError
from trailers.settings import from_section
from trailers.stages.quality import Quality, Settings
from trailers.store.frames import write_frames
from trailers.store.layout import Layout
from trailers.store.quality import FlagRow, read_quality
from trailers.store.spans import SHOTS_SCHEMA, write_spans
from trailers.video import encode_frames


def make_trailer(layout, frames, shots, size=(96, 54)):
    """Write what normalise and shots would write for ``frames``, uint8 (frames, 27, 48, 3), in a video of ``size``."""
    width, height = size
    layout.frames("one").parent.mkdir(parents=True, exist_ok=True)
    large = [np.kron(frame, np.ones((height // 27, width // 48, 1), np.uint8)) for frame in frames]
    encode_frames(layout.video("one"), large, width_px=width, height_px=height, fps=24, fingerprint="x")
    with write_frames(layout.frames("one")) as writer:
        writer.append(frames)
        writer.describe({"trailer": "one", "fingerprint": "x", "width_px": width, "height_px": height})
    header = {"trailer": "one", "frames": len(frames), "fingerprint": "s", "frames_fingerprint": "x"}
    write_spans(layout.shots("one"), [Shot(*pair) for pair in shots], kind=Shot, header=header, schema=SHOTS_SCHEMA)


def stage(layout, **changed):
    return Quality(layout, (), from_section(Settings, {**defaults("quality"), **changed}))


def scenes(count, *, bar=0):
    """Frames of one random picture per 24 frames, with black bars above and below."""
    random = np.random.default_rng(0)
    coarse = random.integers(40, 255, (count // 24, 9, 16, 3), dtype=np.uint8)
    frames = np.repeat(coarse.repeat(3, axis=1).repeat(3, axis=2), 24, axis=0)
    frames[:, :bar] = 0
    frames[:, 27 - bar :] = 0
    return frames


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "results")


def test_flags_of_a_trailer_are_in_its_file_and_in_the_ledger(layout):
    make_trailer(layout, scenes(240, bar=6), [(0, 120), (120, 240)])
    row = stage(layout).make("one")
    assert row.facts["flags"] == {
        "letterbox": "bars take 44.4% of the height, throughout",
        "few_shots": "2 shots in 10.0 s",
    }
    found = read_quality(layout.quality("one"))
    assert found.flags[1] == FlagRow("few_shots", "2 shots in 10.0 s")
    assert found.picture == {
        "width_px": 96, "height_px": 54, "left_px": 0, "top_px": 12, "right_px": 0, "bottom_px": 12,
    }  # fmt: skip
    assert found.picture_frames.tolist() == [12, 36, 60, 84, 108, 132, 156, 180, 204, 228]


def test_uniform_pictures_have_no_fingerprint(layout):
    frames = scenes(96)
    frames[:48] = 128
    make_trailer(layout, frames, [(0, 48), (48, 96)])
    stage(layout).make("one")
    assert read_quality(layout.quality("one")).picture_frames.tolist() == [60, 84]


def test_the_same_frames_give_the_same_bytes(layout):
    make_trailer(layout, scenes(96), [(0, 96)])
    stage(layout).make("one")
    first = layout.quality("one").read_bytes()
    stage(layout).make("one")
    assert layout.quality("one").read_bytes() == first


def test_other_limits_and_other_shots_change_the_fingerprint(layout):
    make_trailer(layout, scenes(96), [(0, 96)])
    before = stage(layout).fingerprint("one")
    assert stage(layout, min_shots=3).fingerprint("one") != before
    make_trailer(layout, scenes(96), [(0, 48)])
    text = layout.shots("one").read_text().replace("fingerprint=s", "fingerprint=t")
    layout.shots("one").write_text(text)
    assert stage(layout).fingerprint("one") != before


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema", "quality/0"),
        ("frames", "many"),
        ("frames", 5),
        ("flags", [{"flag": "black", "reason": "", "spans": [[0, 97]]}]),
        ("flags", [{"flag": "ugly", "reason": "", "spans": []}]),
        ("pictures", {"frames": [12], "whole": "ab"}),
        ("pictures", {"frames": [12, 12], "whole": "ab" * 32}),
        ("pictures", {"frames": [1e400]}),
        ("trailer", "two"),
    ],
)
def test_a_file_with_impossible_values_is_refused(layout, key, value):
    make_trailer(layout, scenes(96), [(0, 96)])
    stage(layout).make("one")
    values = json.loads(layout.quality("one").read_text())
    layout.quality("one").write_text(json.dumps({**values, key: value}))
    with pytest.raises(StoreError, match=r"one\.json"):
        stage(layout).read("one")


@pytest.mark.parametrize(("key", "value"), [("bar_share", 0), ("dark_level", 256), ("static_s", 0)])
def test_an_impossible_limit_is_refused(key, value):
    with pytest.raises(ConfigError, match=f"quality.{key}"):
        from_section(Settings, {**defaults("quality"), key: value})
