import pytest

from trailers.domain import Clip, Shot
from trailers.errors import StoreError
from trailers.store.spans import SHOTS_SCHEMA, read_header, read_spans, write_spans

HEADER = {"trailer": "tt1", "frames": 54, "fingerprint": "0123456789abcdef"}


def write(path, spans=(Shot(0, 30), Shot(31, 54))):
    write_spans(path, spans, kind=Shot, header=HEADER, schema=SHOTS_SCHEMA)


def test_spans_are_a_csv_that_names_its_schema_and_fingerprint(tmp_path):
    write(tmp_path / "tt1.csv")
    assert (tmp_path / "tt1.csv").read_text() == (
        "# shots/1 trailer=tt1 frames=54 fingerprint=0123456789abcdef\nstart,end\n0,30\n31,54\n# 2 rows\n"
    )


def test_spans_read_as_they_were_written(tmp_path):
    write(tmp_path / "tt1.csv")
    spans, header = read_spans(tmp_path / "tt1.csv", kind=Shot, schema=SHOTS_SCHEMA)
    assert spans == [Shot(0, 30), Shot(31, 54)]
    assert header == {"trailer": "tt1", "frames": "54", "fingerprint": "0123456789abcdef"}
    assert read_header(tmp_path / "tt1.csv", schema=SHOTS_SCHEMA) == header


def test_a_file_cut_anywhere_is_noticed(tmp_path):
    path = tmp_path / "tt1.csv"
    write(path)
    whole = path.read_bytes()
    for size in range(len(whole) - 1):  # the last byte is a newline, which carries nothing
        path.write_bytes(whole[:size])
        with pytest.raises(StoreError, match=r"tt1\.csv: .*rerun the shots stage"):
            read_spans(path, kind=Shot, schema=SHOTS_SCHEMA)


def test_other_columns_are_named(tmp_path):
    write(tmp_path / "tt1.csv")
    with pytest.raises(StoreError, match="expected columns shot, start, end, padding, frame but found start,end"):
        read_spans(tmp_path / "tt1.csv", kind=Clip, schema=SHOTS_SCHEMA)


def test_another_schema_is_refused(tmp_path):
    write(tmp_path / "tt1.csv")
    with pytest.raises(StoreError, match="does not say '# shots/2'"):
        read_header(tmp_path / "tt1.csv", schema="shots/2")
