"""`trailers evaluate shots`: every format of shots, and what is refused."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from trailers.__main__ import main
from trailers.domain import Shot
from trailers.errors import StoreError
from trailers.store.scores import Scores, write_scores
from trailers.store.shot_labels import read_shot_labels
from trailers.store.spans import SHOTS_SCHEMA, write_spans

INCLUSIVE_SHOTS = [[0, 9], [10, 19], [25, 39]]  # a cut before 10, a gradual transition from 19 to 25
EDGES = [(9.0, 10.0, ""), (19.0, 25.0, "")]


def ours(path, trailer):
    header = {"trailer": trailer, "frames": 40, "fingerprint": "0"}
    write_spans(path, [Shot(0, 10), Shot(10, 20), Shot(25, 40)], kind=Shot, header=header, schema=SHOTS_SCHEMA)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("v.txt", "0 9\n10 19\n25 39\n"),
        ("v.txt", "0\t9\n10\t19\n\n25\t39"),
        ("v.txt", "# first last\n0,9\n10,19\n25,39\n"),
        ("labels.json", json.dumps({"v": INCLUSIVE_SHOTS})),
        ("labels.json", json.dumps({"v": {"transitions": [[9, 10], [19, 25]], "frame_num": 40}})),
    ],
)
def test_published_formats_give_the_same_transitions(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert list(read_shot_labels(tmp_path / name).edges["v"]) == EDGES


def test_our_shots_have_open_ends_and_give_the_same_transitions(tmp_path):
    ours(tmp_path / "v.csv", "v")
    assert list(read_shot_labels(tmp_path / "v.csv").edges["v"]) == EDGES
    assert list(read_shot_labels(tmp_path).edges["v"]) == EDGES


def test_the_cuts_of_the_demo_are_converted_to_24_fps(tmp_path):
    path = tmp_path / "cuts.csv"
    path.write_text("trailer,kind,frame,frames,fps\nv,cut,60,0,30\nv,fade,30,6,24\n")
    assert read_shot_labels(path).edges["v"] == [(47.2, 48.2, "cut"), (26.0, 33.0, "fade")]


def write_probabilities(folder, video, flagged, frames=40):
    values = np.zeros(frames, np.float32)
    values[flagged] = 0.9
    scores = Scores(values, values, np.ones(1, bool), "float32")
    write_scores(folder / f"{video}.scores.h5", scores, {"trailer": video, "fingerprint": "0"})


def test_probabilities_are_taken_at_the_threshold_and_mistakes_are_listed(tmp_path, capsys):
    folder = tmp_path / "shots"
    folder.mkdir()
    write_probabilities(folder, "v", [9, 30])
    (tmp_path / "v.txt").write_text("0 9\n10 19\n20 39\n")
    words = ["evaluate", "shots", "--truth", str(tmp_path / "v.txt"), "--predicted", str(folder)]
    assert main([*words, "--mistakes", str(tmp_path / "m.csv"), "--json", str(tmp_path / "m.json")]) == 0
    assert (tmp_path / "m.csv").read_text().splitlines() == [
        "video,mistake,last,first,kind,time_s",
        "v,miss,19,20,cut,0.833",
        "v,false alarm,30,31,cut,1.292",
    ]
    assert json.loads((tmp_path / "m.json").read_text())["all"]["f1"] == 0.5
    assert "best F1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("v.txt", b"0 9\nten 19\n", "v.txt: line 2 is not `first last`: 'ten 19'"),
        ("v.txt", b"9 0\n", "line 1: a shot needs 0 <= first <= last, got 9 and 0"),
        ("v.txt", b"\xff\xfe\x00", "cannot be read"),
        ("v.csv", b"a,b\n1,2\n", "v.csv: is neither shots nor cuts"),
        ("v.json", b"[1, 2", "cannot be read as JSON"),
        ("v.json", b"[1, 2]", "is not a JSON object with one entry per video"),
        ("v.json", b'{"v": {"cuts": []}}', "the entry 'v' is not a list of shots or probabilities"),
        ("v.json", b'{"v": [0.5, 1.5]}', "probabilities are numbers from 0 to 1"),
        ("v.json.gz", b"not gzip", "cannot be read as JSON"),
        ("v.json.gz", gzip.compress(b'{"v": [[0, 5]]}', mtime=0)[:-9], "cannot be read as JSON"),
        ("v.pickle", b"", "has the suffix '.pickle', which is not a known format of shots"),
    ],
)
def test_a_file_that_does_not_list_shots_is_refused_by_name(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StoreError) as caught:
        read_shot_labels(tmp_path / name)
    assert words in str(caught.value)


def test_videos_that_one_side_lacks_are_an_error_unless_allowed(tmp_path, capsys):
    for side, videos in (("truth", "ab"), ("found", "bc")):
        (tmp_path / side).mkdir()
        for video in videos:
            (tmp_path / side / f"{video}.txt").write_text("0 9\n10 19\n")
    words = ["evaluate", "shots", "--truth", str(tmp_path / "truth"), "--predicted", str(tmp_path / "found")]
    assert main(words) == 1
    assert "found: lacks 'a'; 1 more in only one of the two" in capsys.readouterr().err
    assert main([*words, "--common"]) == 0
    assert "1 videos are in both; 2 are in only one and left out: a, c" in capsys.readouterr().out
