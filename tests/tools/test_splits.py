"""`trailers splits` adds three splits to a manifest."""

from __future__ import annotations

import json

from trailers.__main__ import main
from trailers.domain import Trailer
from trailers.plan.splitting import largest_deviation
from trailers.store.duplicates import Duplicate, write_rows
from trailers.store.manifest import read_manifest, write_manifest

GENRES = (("action",), ("drama",), ("action", "drama"), ("comedy", "romance"))


def manifest(path, *, splits=(None, None, None)):
    trailers = [Trailer(f"t{i}", ("x.mp4",), genres=GENRES[i % 4], splits=splits, title=f"No. {i}") for i in range(40)]
    write_manifest(path, [Trailer("bare", ("y.mp4",)), *trailers])


def test_every_trailer_with_genres_gets_a_subset_in_every_split(tmp_path, capsys):
    manifest(tmp_path / "m.csv")
    assert main(["splits", "--manifest", str(tmp_path / "m.csv"), "--output", str(tmp_path / "new.csv")]) == 0
    bare, *rest = read_manifest(tmp_path / "new.csv")
    assert bare.splits == (None, None, None)
    assert rest[3].title == "No. 3"
    for n in range(3):
        codes = [trailer.splits[n] for trailer in rest]
        assert [codes.count(code) for code in (0, 1, 2)] == [28, 4, 8]
    assert [t.splits[0] for t in rest] != [t.splits[1] for t in rest]
    printed = capsys.readouterr().out
    assert "stratified 2        28       4       8    0.000000    0.000000" in printed
    assert "40 trailers, 1 without genres in no subset" in printed


def test_existing_splits_are_compared_with_the_new_ones(tmp_path, capsys):
    manifest(tmp_path / "m.csv")
    words = ["splits", "--manifest", str(tmp_path / "m.csv"), "--output", str(tmp_path / "m.csv")]
    main(words)
    assert main([*words, "--seed", "7", "--report", str(tmp_path / "r.json")]) == 0
    report = json.loads((tmp_path / "r.json").read_text())
    assert [len(report[kind]) for kind in ("stratified", "random", "before")] == [3, 10, 3]
    assert "before 0" in capsys.readouterr().out


def test_a_manifest_without_genres_is_refused(tmp_path, capsys):
    write_manifest(tmp_path / "m.csv", [Trailer("bare", ("y.mp4",))])
    assert main(["splits", "--manifest", str(tmp_path / "m.csv"), "--output", str(tmp_path / "n.csv")]) == 1
    assert (
        "0 of 1 trailers have genres, but three subsets need three or more. Fill in genres." in capsys.readouterr().err
    )


def test_trailers_of_one_video_share_their_subsets(tmp_path, capsys):
    manifest(tmp_path / "m.csv")
    (tmp_path / "x.mp4").touch()  # the video of all 40 trailers
    links = [Trailer(f"l{i}", (f"https://host/{i // 2}",), genres=GENRES[i % 4]) for i in range(40)]
    chain = [
        Trailer("c1", ("vKQi3bBA1y8",), genres=("drama",)),
        Trailer("c2", ("https://youtu.be/vKQi3bBA1y8", "https://vimeo.com/76979871"), genres=("comedy",)),
        Trailer("c3", ("https://player.vimeo.com/video/76979871",), genres=("action",)),
    ]
    write_manifest(tmp_path / "m.csv", [*read_manifest(tmp_path / "m.csv"), *links, *chain])
    assert main(["splits", "--manifest", str(tmp_path / "m.csv"), "--output", str(tmp_path / "n.csv")]) == 0
    rows = {row.trailer: row.splits for row in read_manifest(tmp_path / "n.csv")}
    assert len({rows[f"t{i}"] for i in range(40)}) == 1
    assert all(rows[f"l{i}"] == rows[f"l{i + 1}"] for i in range(0, 40, 2))
    assert len({rows[f"l{i}"] for i in range(40)}) > 1
    assert rows["c1"] == rows["c2"] == rows["c3"] != (None, None, None)
    printed = capsys.readouterr().out
    assert "splits: 83 trailers, 1 without genres in no subset" in printed
    assert "splits: 61 trailers get the splits of another one, which has the same video" in printed


def test_paths_lead_to_the_same_files_from_another_folder(tmp_path):
    manifest(tmp_path / "m.csv")
    write_manifest(
        tmp_path / "m.csv",
        [
            Trailer("a", ("x.mp4", "https://host/a.mp4", "/data/a.mp4"), poster="a.jpg"),
            Trailer("b", ("../new/x.mp4",)),
            Trailer("c", ("vKQi3bBA1y8",), genres=("drama",)),
            *(Trailer(f"d{i}", (), genres=("drama",)) for i in range(3)),
        ],
    )
    words = ["--manifest", str(tmp_path / "m.csv"), "--output", str(tmp_path.parent / "new" / "m.csv")]
    assert main(["splits", *words]) == 0
    rows = read_manifest(tmp_path.parent / "new" / "m.csv", links=False)
    assert rows[0].urls == (f"../{tmp_path.name}/x.mp4", "https://host/a.mp4", "/data/a.mp4")
    assert rows[0].poster == f"../{tmp_path.name}/a.jpg"
    assert (rows[1].urls, rows[2].urls, rows[3].urls) == (("./x.mp4",), ("vKQi3bBA1y8",), ())


def test_copies_share_their_subsets_and_the_deviation_of_the_genres_is_reported(tmp_path, capsys):
    links = [Trailer(f"l{i}", (f"https://host/{i}",), genres=GENRES[i % 4]) for i in range(40)]
    write_manifest(tmp_path / "m.csv", links)
    pairs = [Duplicate(f"l{i + 20}", f"l{i}", f"l{i}", 0.9, 50, 0, 1.0) for i in range(0, 12, 2)]
    pairs += [Duplicate("l35", "l20", "l0", 0.9, 50, 0, 1.0), Duplicate("gone", "l1", "l1", 0.9, 50, 0, 1.0)]
    write_rows(tmp_path / "d.csv", pairs, Duplicate, {})
    words = ["splits", "--manifest", str(tmp_path / "m.csv"), "--output", str(tmp_path / "n.csv")]
    assert main([*words, "--group-duplicates", str(tmp_path / "d.csv")]) == 0
    splits = {trailer.trailer: trailer.splits for trailer in read_manifest(tmp_path / "n.csv")}
    assert all(splits[pair.trailer] == splits[pair.copy_of] for pair in pairs[:-1])
    printed = capsys.readouterr().out
    assert "splits: 7 trailers get the splits of another one, which has the same video or is a copy" in printed
    assert "split2: a genre's share in a subset deviates from its share in the whole set by up to" in printed


def test_the_largest_deviation_is_that_of_one_genre_in_one_subset():
    codes = {"a": 0, "b": 0, "c": 1, "d": 2}
    genres = {"a": ("drama",), "b": ("drama", "comedy"), "c": ("comedy",), "d": ("drama",)}
    trailers = [Trailer(name, (), genres=genres[name], splits=(code, None, None)) for name, code in codes.items()]
    # Three of the four trailers are drama, but not the only one in validation.
    assert largest_deviation(trailers, 0) == (0.75, "drama", "validation")
    assert largest_deviation([], 0) == (0.0, "", "")
