import pytest

from trailers.errors import StoreError
from trailers.store.ledger import OK, LedgerRow, check_fingerprint, read_ledger, write_ledger

ROWS = [
    LedgerRow("a1", "ok", "shots/a1.csv", "0123456789abcdef", {"frames": 2931, "b": 1.5}),
    LedgerRow("b2", "dead", error="download: removed: the words\nof the\tsite"),
    LedgerRow("c3", "skipped", error="é"),
]


def test_a_ledger_reads_as_it_was_written(tmp_path):
    write_ledger(tmp_path / "l.tsv", ROWS)
    rows = read_ledger(tmp_path / "l.tsv")
    assert list(rows) == ["a1", "b2", "c3"]
    assert rows["a1"] == ROWS[0]
    assert rows["b2"].error == "download: removed: the words of the site"


def test_a_ledger_is_plain_text_with_one_line_per_trailer(tmp_path):
    write_ledger(tmp_path / "l.tsv", ROWS[:1])
    assert (tmp_path / "l.tsv").read_text() == (
        "trailer\tstatus\tpath\tfingerprint\tfacts\terror\n"
        'a1\tok\tshots/a1.csv\t0123456789abcdef\t{"b": 1.5, "frames": 2931}\t\n'
    )


def test_a_status_is_one_of_four():
    with pytest.raises(ValueError, match="ok, dead, failed, skipped"):
        LedgerRow("a", "done")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "line 1"),
        ("a,b\n", "line 1"),
        ("trailer\tstatus\tpath\tfingerprint\tfacts\terror\na\tok\n", "line 2 is damaged"),
    ],
)
def test_a_damaged_ledger_is_named_with_its_remedy(tmp_path, text, complaint):
    (tmp_path / "l.tsv").write_text(text)
    with pytest.raises(StoreError, match=rf"l\.tsv: .*{complaint}.*Remove it"):
        read_ledger(tmp_path / "l.tsv")


def test_a_ledger_cut_off_anywhere_is_refused(tmp_path):
    path = tmp_path / "s0000-7e18f737.tsv"  # of a and b
    write_ledger(path, [LedgerRow("a", "ok"), LedgerRow("b", "dead", error="download: removed: the words of the site")])
    whole = path.read_bytes()
    assert list(read_ledger(path)) == ["a", "b"]
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(StoreError, match="Remove it and rerun snakemake"):
            read_ledger(path)


@pytest.mark.parametrize(("listed", "stored", "is_refused"), [("a", "a", False), ("", "a", False), ("a", "b", True)])
def test_a_product_is_compared_with_what_the_ledger_says(tmp_path, listed, stored, is_refused):
    row = LedgerRow("t", OK, fingerprint=listed)
    if not is_refused:
        check_fingerprint(row, stored, tmp_path / "t.csv")
        return
    with pytest.raises(StoreError, match=r"t\.csv: its fingerprint is b, but its ledger says a: another run replaced"):
        check_fingerprint(row, stored, tmp_path / "t.csv")
