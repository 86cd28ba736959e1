"""`trailers publish`: a data set that other programs can open, and that lists what is missing."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess

import numpy as np
import pytest

from trailers.__main__ import main
from trailers.domain import Clip, Shot
from trailers.reporting.publish import vectors as vectors_module
from trailers.reporting.publish.timelines import timeline
from trailers.store.embeddings import write_embedding
from trailers.store.layout import Layout
from trailers.store.ledger import DEAD, OK, SKIPPED, LedgerRow, write_ledger
from trailers.store.receipt import Receipt, write_receipt
from trailers.store.shards import make_shards
from trailers.store.spans import CLIPS_SCHEMA, SHOTS_SCHEMA, write_spans

pq = pytest.importorskip("pyarrow.parquet", reason="Parquet needs pyarrow (the extra `publish`)")

PAIR = "shot24/mine"
CLIPS = [Clip(0, 0, 24, 0, 5), Clip(0, 24, 30, 18, 24), Clip(1, 30, 54, 0, 31)]


def vectors_of(trailer):
    return np.arange(12, dtype=np.float32).reshape(3, 4) + {"a": 0, "b": 100}[trailer]


@pytest.fixture
def results(tmp_path):
    """Two trailers through every stage, and one whose link is dead."""
    layout = Layout(tmp_path / "results")
    (tmp_path / "manifest.csv").write_text(
        "trailer,title,url,genres,split0,split1,split2\n"
        "a,First,https://site/a,action;drama,0,1,2\n"
        "b,Second,https://site/b,comedy,2,,\n"
        "gone,Third,https://site/gone,drama,1,0,0\n"
    )
    for trailer in "ab":
        facts = {"url": f"https://site/{trailer}", "final_url": f"https://cdn/{trailer}", "duration_s": 2.25}
        write_receipt(layout.receipt(trailer), Receipt(trailer, OK, f"{trailer}.mp4", "0" * 64, "f", facts))
        header = {"trailer": trailer, "frames": 54, "fingerprint": "f"}
        write_spans(layout.shots(trailer), [Shot(0, 30), Shot(30, 54)], kind=Shot, header=header, schema=SHOTS_SCHEMA)
        write_spans(layout.clips("shot24", trailer), CLIPS, kind=Clip, header=header, schema=CLIPS_SCHEMA)
        attributes = {"trailer": trailer, "fingerprint": "f", "F": 4, "backbone": "mine", "weights": "none"}
        write_embedding(layout.embedding("shot24", "mine", trailer), vectors_of(trailer), CLIPS, attributes)
    shard = next(iter(make_shards(["a", "b", "gone"], size=3, letter="s")))
    error = "download: removed: https://site/gone is gone"
    for key in (("download",), ("normalise",), ("shots",), ("clips", "shot24"), ("embed", "shot24", "mine")):
        rows = [LedgerRow(trailer, OK, "x", "f") for trailer in "ab"]
        rows.append(LedgerRow("gone", DEAD if key == ("download",) else SKIPPED, error=error))
        write_ledger(layout.ledger(key[0], shard, *key[1:]), rows)
    return tmp_path


def publish(folder, *words, output="out"):
    flags = ["--results", str(folder / "results"), "--manifest", str(folder / "manifest.csv"), "--pairs", PAIR]
    return main(["publish", "--output", str(folder / output), *flags, "--date", "2026-01-02", *words])


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_there_is_one_row_per_clip_with_everything_that_is_known_about_it(results):
    assert publish(results) == 0
    table = pq.read_table(results / "out" / "data" / "shot24" / "mine" / "00000.parquet").to_pylist()
    assert len(table) == 6
    assert table[1] == {
        "trailer": "a", "title": "First", "genres": ["action", "drama"],
        "split0": "train", "split1": "validation", "split2": "test",
        "shot": 0, "start": 24, "end": 30, "start_s": 1.0, "end_s": 1.25, "padding": 18, "frame": 24,
        "vector": [4.0, 5.0, 6.0, 7.0],
    }  # fmt: skip
    assert table[3]["vector"] == [100.0, 101.0, 102.0, 103.0]
    assert table[3]["split1"] is None


def test_the_tables_list_what_was_downloaded_and_what_is_missing(results):
    publish(results)
    first = rows(results / "out" / "trailers.csv")[0]
    assert (first["trailer"], first["url"], first["final_url"]) == ("a", "https://site/a", "https://cdn/a")
    assert (first["sha256"], first["duration_s"]) == ("0" * 64, "2.25")
    assert rows(results / "out" / "shots.csv")[1] == {
        "trailer": "a", "shot": "1", "start": "30", "end": "54", "start_s": "1.250", "end_s": "2.250",
    }  # fmt: skip
    (lacking,) = rows(results / "out" / "failures.csv")
    assert (lacking["trailer"], lacking["stage"], lacking["status"]) == ("gone", "download", "dead")
    card = (results / "out" / "README.md").read_text()
    assert "| download | dead | download: removed | 1 |" in card
    assert "| drama | 1 |" in card
    assert "No licence is stated." in card


def test_links_and_titles_can_be_left_out_everywhere(results):
    assert publish(results, "--without-links", "--without-titles") == 0
    for path in (results / "out").rglob("*"):
        if path.is_file() and path.suffix != ".parquet":
            text = path.read_text()
            assert "https://site" not in text, path
            assert "https://cdn" not in text, path
            assert "First" not in text, path
    table = pq.read_table(results / "out" / "data" / "shot24" / "mine" / "00000.parquet")
    assert "title" not in table.column_names


def test_checksums_are_right_and_the_same_results_give_the_same_bytes(results):
    publish(results)
    check = ["sha256sum", "--check", "--quiet", "SHA256SUMS"]
    assert subprocess.run(check, cwd=results / "out", check=False).returncode == 0
    publish(results, output="again")
    assert (results / "again" / "SHA256SUMS").read_bytes() == (results / "out" / "SHA256SUMS").read_bytes()


def test_files_and_row_groups_have_a_bounded_size(results, monkeypatch):
    monkeypatch.setattr(vectors_module, "GROUP_BYTES", 32)  # two rows of four float32
    monkeypatch.setattr(vectors_module, "FILE_BYTES", 64)
    publish(results)
    files = sorted((results / "out" / "data" / "shot24" / "mine").iterdir())
    assert [path.name for path in files] == ["00000.parquet", "00001.parquet"]
    groups = [pq.ParquetFile(path).metadata for path in files]
    assert [[m.row_group(n).num_rows for n in range(m.num_row_groups)] for m in groups] == [[2, 2], [2]]
    assert pq.read_table(files[1]).column("vector").to_pylist()[-1] == [108.0, 109.0, 110.0, 111.0]


def another_embedding(layout, header):
    attributes = {"trailer": "b", "fingerprint": "other", "F": 4, "backbone": "mine"}
    write_embedding(layout.embedding("shot24", "mine", "b"), vectors_of("b"), CLIPS, attributes)


def other_clips(layout, header):
    write_spans(layout.clips("shot24", "b"), CLIPS, kind=Clip, header=header, schema=CLIPS_SCHEMA)


def other_shots(layout, header):
    write_spans(layout.shots("b"), [Shot(0, 54)], kind=Shot, header=header, schema=SHOTS_SCHEMA)


def another_receipt(layout, header):
    write_receipt(layout.receipt("b"), Receipt("b", OK, "b.mp4", "1" * 64, "other"))


@pytest.mark.parametrize(
    ("replace", "name"),
    [
        (another_embedding, "mine/b.h5"),
        (other_clips, "shot24/b.csv"),
        (other_shots, "shots/b.csv"),
        (another_receipt, "download/b.json"),
    ],
)
def test_a_product_that_another_run_replaced_is_refused(results, capsys, replace, name):
    replace(Layout(results / "results"), {"trailer": "b", "frames": 54, "fingerprint": "other"})
    assert publish(results) == 1
    problem = f"{name}: its fingerprint is other, but its ledger says f: another run replaced it"
    assert problem in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"weights_sha256": "2" * 64}, "weights_sha256 is '2222"),
        ({"weights": "other weights"}, "weights is 'other weights', but it is 'none' in the embedding of a"),
        ({"transform": "resize"}, "transform is 'resize', but it is None in the embedding of a"),
        ({"trailer": "a"}, "mine/b.h5: belongs to a"),
    ],
)
def test_vectors_of_different_weights_are_not_published_together(results, capsys, change, problem):
    attributes = {"trailer": "b", "fingerprint": "f", "F": 4, "backbone": "mine", "weights": "none"} | change
    path = Layout(results / "results").embedding("shot24", "mine", "b")
    write_embedding(path, vectors_of("b"), CLIPS, attributes)
    assert publish(results) == 1
    assert problem in capsys.readouterr().err


def test_a_video_of_another_manifests_link_is_not_published(results, capsys):
    manifest = results / "manifest.csv"
    manifest.write_text(manifest.read_text().replace("https://site/b,", "https://site/another,"))
    assert publish(results) == 1
    said = capsys.readouterr().err
    assert "download/b.json: is from https://site/b, which is not a link of b in the manifest" in said
    assert said.rstrip().endswith("Rerun snakemake with this manifest.")


@pytest.mark.parametrize(("stated", "told"), [("CC0", "licence: CC0"), ("", "licence: not stated")])
def test_a_python_file_that_results_name_as_a_backbone_is_not_run_for_its_licence(results, monkeypatch, stated, told):
    monkeypatch.chdir(results)
    layout, name = Layout(results / "results"), "net.py:net"
    (results / "net.py").write_text("import pathlib; pathlib.Path('spied').touch()")
    shutil.copytree(results / "results/ledger/embed/shot24/mine", layout.ledger("embed", "x", "shot24", name).parent)
    for trailer in "ab":
        attributes = {"trailer": trailer, "fingerprint": "f", "F": 4, "backbone": name, "licence": stated}
        write_embedding(layout.embedding("shot24", name, trailer), vectors_of(trailer), CLIPS, attributes)
    assert publish(results, "--pairs", f"shot24/{name}") == 0
    assert not (results / "spied").exists()
    assert told in (results / "out" / "README.md").read_text()


@pytest.mark.parametrize("versions", ["[}", "5", 5, "[1]"])
def test_versions_that_cannot_be_read_are_not_stated(results, versions):
    for trailer in "ab":
        attributes = {"trailer": trailer, "fingerprint": "f", "F": 4, "backbone": "mine", "weights": "none"}
        path = Layout(results / "results").embedding("shot24", "mine", trailer)
        write_embedding(path, vectors_of(trailer), CLIPS, attributes | {"versions": versions})
    assert publish(results) == 0
    assert "Computed with versions of packages that are not stated." in (results / "out" / "README.md").read_text()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--pairs", "shot24"], "--pairs: 'shot24' is not CLIPS/BACKBONE"),
        (["--pairs", "seq24/mine"], "has no embedding by mine on seq24"),
    ],
)
def test_a_product_that_cannot_be_published_is_named(results, capsys, words, problem):
    assert publish(results, *words) == 1
    assert problem in capsys.readouterr().err


def test_an_existing_folder_is_not_overwritten(results, capsys):
    (results / "out").mkdir()
    (results / "out" / "mine.txt").write_text("mine")
    assert publish(results) == 1
    assert "out: already exists" in capsys.readouterr().err
    assert [path.name for path in (results / "out").iterdir()] == ["mine.txt"]


def test_croissant_is_valid_and_reads_the_rows(results, caplog):
    mlc = pytest.importorskip("mlcroissant")
    publish(results, "--licence", "CC-BY-4.0")
    found = mlc.Dataset(jsonld=str(results / "out" / "croissant.json"))
    assert not found.metadata.issues.errors
    assert not found.metadata.issues.warnings
    assert "not standard" not in caplog.text  # the @context is that of Croissant 1.0
    record = next(iter(found.records("shot24-mine")))
    assert record["shot24-mine/trailer"] == b"a"
    assert list(record["shot24-mine/vector"]) == [0, 1, 2, 3]
    metadata = json.loads((results / "out" / "croissant.json").read_text())
    assert metadata["datePublished"] == "2026-01-02"


def with_pandas(files):
    return len(pytest.importorskip("pandas").read_parquet(files.parent))


def with_polars(files):
    return pytest.importorskip("polars").read_parquet(files).height


def with_duckdb(files):
    return pytest.importorskip("duckdb").sql(f"SELECT count(*) FROM '{files}'").fetchall()[0][0]


def with_datasets(files):
    datasets = pytest.importorskip("datasets")
    return sum(1 for _ in datasets.load_dataset("parquet", data_files=str(files), split="train", streaming=True))


@pytest.mark.parametrize("read", [with_pandas, with_polars, with_duckdb, with_datasets])
def test_pandas_polars_duckdb_and_datasets_open_it(results, read, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    publish(results)
    assert read(results / "out" / "data" / "shot24" / "mine" / "*.parquet") == 6


def test_the_card_of_trailers_without_genres_and_splits_has_no_empty_tables(results):
    assert publish(results, output="with") == 0
    assert "| drama | 1 |" in (results / "with" / "README.md").read_text()
    lines = (results / "manifest.csv").read_text().splitlines()
    plain = [",".join([*line.split(",")[:3], "", "", "", ""]) for line in lines[1:]]
    (results / "manifest.csv").write_text("\n".join([lines[0], *plain]) + "\n")
    assert publish(results, output="without") == 0
    card = (results / "without" / "README.md").read_text()
    assert "The trailers have no genres." in card
    assert "They are not divided into training, validation and test trailers." in card
    assert "| genre |" not in card
    assert "| split |" not in card


def test_a_timeline_has_every_shot_at_its_frame_and_gaps_between_shots():
    cut = timeline("a", [Shot(0, 30), Shot(33, 54)], 60)
    (track,) = cut["tracks"]["children"]
    assert [item["OTIO_SCHEMA"] for item in track["children"]] == ["Clip.2", "Gap.1", "Clip.2", "Gap.1"]
    ranges = [item["source_range"] for item in track["children"]]
    assert [(each["start_time"]["value"], each["duration"]["value"]) for each in ranges] == [
        (0, 30), (0, 3), (33, 21), (0, 6),
    ]  # fmt: skip
    assert {each[name]["rate"] for each in ranges for name in ("start_time", "duration")} == {24}


def test_timelines_are_published_on_request(results):
    assert publish(results) == 0
    assert not (results / "out" / "timelines").exists()
    assert publish(results, "--timelines", output="cut") == 0
    assert sorted(path.name for path in (results / "cut" / "timelines").iterdir()) == ["a.otio", "b.otio"]
    assert "timelines/a.otio" in (results / "cut" / "SHA256SUMS").read_text()
    assert "timelines/{trailer}.otio" in (results / "cut" / "README.md").read_text()


def test_opentimelineio_reads_a_timeline_with_its_frames_and_rate(results):
    otio = pytest.importorskip("opentimelineio", reason="opentimelineio is not installed")
    assert publish(results, "--timelines") == 0
    cut = otio.adapters.read_from_file(str(results / "out" / "timelines" / "a.otio"))
    assert (cut.name, cut.duration()) == ("a", otio.opentime.RationalTime(54, 24))
    first, second = cut.find_clips()
    assert (first.name, second.name) == ("shot 0", "shot 1")
    assert second.range_in_parent() == otio.opentime.range_from_start_end_time(
        otio.opentime.RationalTime(30, 24), otio.opentime.RationalTime(54, 24)
    )
    assert second.media_reference.target_url == "a.mp4"
    assert second.available_range().duration == otio.opentime.RationalTime(54, 24)
