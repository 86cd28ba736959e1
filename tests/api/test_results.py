"""A results folder, read by trailer."""

from __future__ import annotations

import numpy as np
import pytest

import trailers
from trailers.domain import Clip, Shot
from trailers.errors import ConfigError, StoreError
from trailers.store.embeddings import write_embedding
from trailers.store.layout import Layout
from trailers.store.spans import CLIPS_SCHEMA, SHOTS_SCHEMA, write_spans
from trailers.video import encode_frames

CLIPS = [Clip(0, 0, 4, 0, 1), Clip(0, 4, 6, 2, 5)]


@pytest.fixture
def layout(tmp_path):
    """Trailer a with all products, trailer b with shots only, and files that are not products."""
    layout = Layout(tmp_path / "results")
    header = {"trailer": "a", "frames": 6, "fingerprint": "f"}
    for trailer in "ab":
        write_spans(layout.shots(trailer), [Shot(0, 6)], kind=Shot, header=header, schema=SHOTS_SCHEMA)
    write_spans(layout.clips("shot4", "a"), CLIPS, kind=Clip, header=header, schema=CLIPS_SCHEMA)
    vectors = np.arange(6, dtype=np.float32).reshape(2, 3)
    write_embedding(layout.embedding("shot4", "timm:vit", "a"), vectors, CLIPS, {"trailer": "a"})
    frames = np.full((6, 32, 64, 3), 200, np.uint8)
    encode_frames(layout.video("a"), frames, width_px=64, height_px=32, fps=24, fingerprint="f")
    (layout.root / "shots" / ".part-c.csv").touch()
    (layout.root / "shots" / "a.scores.h5").touch()
    return layout


def test_existing_products_are_listed(layout):
    results = trailers.open_results(layout.root)
    assert results.trailers == ["a", "b"]
    assert results.strategies == ["shot4"]
    assert results.pairs == [("shot4", "timm-vit")]
    assert repr(results) == f"Results({str(layout.root)!r})"


def test_products_are_read_by_trailer(layout):
    results = trailers.open_results(str(layout.root))
    assert results.shots("a") == [Shot(0, 6)]
    assert results.clips("a") == results.clips("a", "shot4") == CLIPS
    assert results.vectors("a", "shot4", "timm:vit").tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_clip_consists_of_its_frames_and_black_padding(layout):
    clip = trailers.open_results(layout.root).clip_frames("a", 1)
    assert clip.shape == (4, 32, 64, 3)
    assert clip.mean(axis=(1, 2, 3)).round(-1).tolist() == [200, 200, 0, 0]
    assert trailers.open_results(layout.root).frame("a", 5).shape == (32, 64, 3)


def test_rows_can_be_converted_to_a_table(layout):
    assert list(trailers.open_results(layout.root).rows())[1] == {
        "trailer": "a", "clip": 1, "shot": 0, "start": 4, "end": 6, "start_s": 4 / 24, "end_s": 0.25,
        "padding": 2, "frame": 5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("call", "kind", "expected"),
    [
        (lambda results: results.shots("../a"), ConfigError, "is not the id of a trailer"),
        (lambda results: results.clips("a", "../shot4"), ConfigError, "is not a clip strategy"),
        (lambda results: results.vectors("a", "shot4", "../"), ConfigError, "is not a name of a backbone"),
        (lambda results: results.shots("aa"), StoreError, "contains no product of 'aa'. Did you mean a"),
        (lambda results: results.clips("b"), StoreError, "does not exist. Run the clips stage first"),
        (lambda results: results.clip_frames("a", 2), IndexError, "a has clips 0 to 1, not 2"),
        (lambda results: results.frame("a", 6), IndexError, "has frames 0 to 5"),
    ],
)
def test_a_missing_product_is_named(layout, call, kind, expected):
    with pytest.raises(kind, match=expected):
        call(trailers.open_results(layout.root))


def test_one_of_several_strategies_must_be_named(layout):
    (layout.root / "clips" / "seq8").mkdir()
    with pytest.raises(ConfigError, match=r"has clips of seq8, shot4\. Name the clip strategy"):
        trailers.open_results(layout.root).clips("a")


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(StoreError, match="is not a folder"):
        trailers.open_results(tmp_path / "none")
