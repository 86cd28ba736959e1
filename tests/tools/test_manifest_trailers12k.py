"""`trailers manifest --trailers12k`: manifests from the published labels and metadata."""

from __future__ import annotations

import json

import pytest

from manifest_lab import make_manifest, refusal, write
from trailers.domain import Trailer
from trailers.errors import ManifestError
from trailers.tools.manifest.trailers12k import read_metadata

HEADER = "mid,action,adventure,comedy,crime,drama,fantasy,horror,romance,sci-fi,thriller,split0,split1,split2\n"
LABELS = HEADER + "tt0035423,0,0,1,0,0,1,0,1,0,0,0,0,2\n" + "tt0113026,0,0,0,0,0,0,0,1,0,0,0,2,1\n"
FIRST = ("comedy", "fantasy", "romance")


METADATA_SHAPES = {
    "a mapping": {
        "x1": {"imdb": {"id": "0035423", "title": "Kate &\nLeopold"}, "youtube": {"trailers": [{"id": "vKQi3bBA1y8"}]}},
        "x2": {"imdb": {"id": "tt0113026"}, "youtube": {"trailers": [{"id": "aaaaaaaaaaa"}, {"id": "bbbbbbbbbbb"}]}},
    },
    "a list": [
        {"imdb": {"id": 35423, "title": "Kate & Leopold"}, "youtube": {"trailers": ["vKQi3bBA1y8"]}},
        {"imdb": {"id": "0113026"}, "youtube": {"trailers": [{"id": "aaaaaaaaaaa"}, {"id": "bbbbbbbbbbb"}]}},
    ],
}


@pytest.mark.parametrize("titles", METADATA_SHAPES.values(), ids=METADATA_SHAPES)
def test_labels_and_metadata(tmp_path, titles):
    labels = write(tmp_path / "mtgc.csv", LABELS)
    metadata = write(tmp_path / "metadata.json", json.dumps({"trailers12k": titles}))
    assert make_manifest(tmp_path, "--trailers12k", labels, "--metadata", metadata) == [
        Trailer("tt0035423", ("vKQi3bBA1y8",), "Kate & Leopold", FIRST, (0, 0, 2)),
        Trailer("tt0113026", ("aaaaaaaaaaa", "bbbbbbbbbbb"), "", ("romance",), (0, 2, 1)),
    ]


def test_titles_without_a_link_are_left_out_and_counted(tmp_path, caplog):
    caplog.set_level("INFO")
    labels = write(tmp_path / "mtgc.csv", LABELS)
    titles = [
        {"imdb": {"id": "0035423"}, "youtube": {"trailers": [{"id": "vKQi3bBA1y8"}]}},
        {"imdb": {"id": "0113026"}},
    ]
    metadata = write(tmp_path / "metadata.json", json.dumps({"trailers12k": titles}))
    assert [row.trailer for row in make_manifest(tmp_path, "--trailers12k", labels, "--metadata", metadata)] == [
        "tt0035423"
    ]
    reports = [" ".join(line.split()) for line in caplog.messages]
    assert reports[0] == "1 of 2 titles have no link and are left out:"
    assert reports[1:11] == [
        "action 0 of 0",
        "adventure 0 of 0",
        "comedy 0 of 1",
        "crime 0 of 0",
        "drama 0 of 0",
        "fantasy 0 of 1",
        "horror 0 of 0",
        "romance 1 of 2",
        "sci-fi 0 of 0",
        "thriller 0 of 0",
    ]
    assert reports[11:20] == [
        "split0 train 1 of 2",
        "split0 validation 0 of 0",
        "split0 test 0 of 0",
        "split1 train 0 of 1",
        "split1 validation 0 of 0",
        "split1 test 1 of 1",
        "split2 train 0 of 0",
        "split2 validation 1 of 1",
        "split2 test 0 of 1",
    ]


def test_labels_and_a_table_of_links(tmp_path):
    labels = write(tmp_path / "mtgc.csv", LABELS)
    table = write(
        tmp_path / "links.csv", "imdb,youtube\n0113026,aaaaaaaaaaa\ntt0035423,vKQi3bBA1y8\n113026,bbbbbbbbbbb\n"
    )
    assert [(row.trailer, row.urls) for row in make_manifest(tmp_path, "--trailers12k", labels, "--links", table)] == [
        ("tt0035423", ("vKQi3bBA1y8",)),
        ("tt0113026", ("aaaaaaaaaaa", "bbbbbbbbbbb")),
    ]


LABELS_BY_SPREADSHEETS = {
    "semicolons after a byte order mark": "\ufeff" + LABELS.replace(",", ";"),
    "upper case and trailing commas": LABELS.replace(HEADER, HEADER.upper()).replace("\n", ",,\n"),
    "floats": LABELS.replace(",0", ",0.0").replace(",1", ",1.0").replace(",2", ",2.0").replace("tt0035423", "35423.0"),
    "empty rows and comments": "# labels\n" + LABELS.replace("tt0113026", "\n,,,\ntt0113026"),
}


@pytest.mark.parametrize("text", LABELS_BY_SPREADSHEETS.values(), ids=LABELS_BY_SPREADSHEETS)
def test_labels_are_read_as_spreadsheets_write_them(tmp_path, caplog, text):
    caplog.set_level("INFO")
    labels = write(tmp_path / "mtgc.csv", text)
    table = write(
        tmp_path / "links.csv",
        "IMDb ID;Link\n0113026;youtube.com/watch?v=aaaaaaaaaaa\n113026.0;https://youtu.be/aaaaaaaaaaa\n"
        "35423;vKQi3bBA1y8\n9;bbbbbbbbbbb\n",
    )
    assert [
        (row.trailer, row.urls, row.genres, row.splits)
        for row in make_manifest(tmp_path, "--trailers12k", labels, "--links", table)
    ] == [
        ("tt0035423", ("vKQi3bBA1y8",), FIRST, (0, 0, 2)),
        ("tt0113026", ("https://www.youtube.com/watch?v=aaaaaaaaaaa",), ("romance",), (0, 2, 1)),
    ]
    assert "1 titles with links have no labels and are left out" in caplog.messages


BROKEN = [
    ("[" * 100_000, "metadata.json: is not JSON: "),
    ("[1, 2", "metadata.json: is not JSON: "),
    ("[]", "metadata.json: has no mapping or list under 'trailers12k'."),
    ('{"trailers12k": 3}', "metadata.json: has no mapping or list under 'trailers12k'."),
    ('{"trailers12k": {"x": 3}}', "metadata.json: trailers12k, x: has no imdb id."),
    ('{"trailers12k": [{"imdb": {"id": "../x"}}]}', "metadata.json: trailers12k, 0: '../x' is not an IMDb id."),
    (
        '{"trailers12k": [{"imdb": {"id": "1"}, "youtube": {"trailers": [{"id": "file:///x"}]}}]}',
        "metadata.json: trailers12k, 0: 'file:///x' is not a YouTube id.",
    ),
]


@pytest.mark.parametrize(("text", "expected"), BROKEN)
def test_broken_metadata_is_named(tmp_path, text, expected):
    with pytest.raises(ManifestError) as problem:
        read_metadata(write(tmp_path / "metadata.json", text))
    assert str(problem.value).replace(f"{tmp_path}/", "").startswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n1,2\n", "mtgc.csv: is not mtgc.csv. Its columns are mid, action,"),
        (HEADER + "tt1,0,0,1,0,0,1,0,1,0,0,0,0\n", "mtgc.csv: row 2: 13 cells, but the header has 14."),
        (HEADER + "x,0,0,1,0,0,1,0,1,0,0,0,0,0\n", "mtgc.csv: row 2, column mid: 'x' is not an IMDb id."),
        (HEADER + "tt1,2,0,1,0,0,1,0,1,0,0,0,0,0\n", "mtgc.csv: row 2, column action: '2' is neither 0 nor 1."),
        (HEADER + "tt1,0,0,1,0,0,1,0,1,0,0,0,0,3\n", "mtgc.csv: row 2, column split2: '3' is not 0 (train)"),
        (LABELS + LABELS.splitlines()[1] + "\n", "mtgc.csv: row 4, column mid: 'tt0035423' is already in row 2."),
        (HEADER + "tt9,0,0,1,0,0,1,0,1,0,0,0,0,0\n", "no title has a link, so there is nothing to write."),
    ],
)
def test_broken_labels_are_named(tmp_path, capsys, text, expected):
    labels = write(tmp_path / "mtgc.csv", text)
    table = write(tmp_path / "links.csv", "id,url\ntt0035423,vKQi3bBA1y8\ntt1,vKQi3bBA1y8\n")
    assert refusal(tmp_path, capsys, "--trailers12k", labels, "--links", table).startswith("error: " + expected)


def test_the_published_labels(tmp_path, shared_data):
    labels = shared_data / "trailers12k" / "mtgc.csv"
    mids = [line.split(",")[0] for line in labels.read_text().splitlines()[1:]]
    table = "id,url\n" + "".join(f"{mid},https://host/{mid}\n" for mid in mids)
    rows = make_manifest(tmp_path, "--trailers12k", labels, "--links", write(tmp_path / "links.csv", table))
    assert len(rows) == 12000
    assert sum("drama" in row.genres for row in rows) == 5968
    assert sum("sci-fi" in row.genres for row in rows) == 1535
    assert [sum(row.splits[1] == code for row in rows) for code in (0, 1, 2)] == [8397, 1189, 2414]
    assert round(sum(len(row.genres) for row in rows) / len(rows), 4) == 2.5023
