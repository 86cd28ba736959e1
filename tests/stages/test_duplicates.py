"""Copies among the trailers of a manifest: how they are listed, excluded and read, and what is refused."""

import numpy as np
import pytest

from trailers.__main__ import main
from trailers.errors import StoreError
from trailers.stages import duplicates
from trailers.store.duplicates import Duplicate, Excluded, flags_by_trailer, grouped, read_rows, write_rows
from trailers.store.layout import Layout
from trailers.store.ledger import DEAD, OK, LedgerRow, write_ledger
from trailers.store.quality import FlagRow, QualityFile, write_quality
from trailers.tools.exclude import copies

VIEWS = ("whole", "cut5", "cut10", "cut20", "sides")
FLAGS = {"a": [], "b": [], "c": [FlagRow("black", "black for 3.2 s", ((0, 77),))], "d": []}


def prints(seed, count=12):
    return np.random.default_rng(seed).integers(0, 256, (count, 16), dtype=np.uint8)


@pytest.fixture
def layout(tmp_path):
    """Trailers a to e: b and d are copies of a, c is not a copy and has a black part, e is dead."""
    layout = Layout(tmp_path / "results")
    rows = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2), ("d", 1)):
        found = {view: prints(seed) for view in VIEWS}
        whole = QualityFile(name, f"f{name}", 500, {}, {"shots": 9}, tuple(FLAGS[name]), np.arange(12) * 24, found)
        write_quality(layout.quality(name), whole)
        facts = {"flags": {row.flag: row.reason for row in FLAGS[name]}}
        rows.append(LedgerRow(name, OK, f"quality/{name}.json", f"f{name}", facts))
    rows.append(LedgerRow("e", DEAD, error="download: gone"))
    write_ledger(layout.ledger("quality", "some"), rows)
    splits = {"a": "0,0,", "b": "2,0,1", "c": "1,1,1", "d": "0,0,", "e": "0,0,0"}
    table = "".join(f"{name},{name}.mp4,{codes}\n" for name, codes in splits.items())
    (tmp_path / "manifest.csv").write_text(f"trailer,url,split0,split1,split2\n{table}")
    return layout


def run(layout, command, *words):
    manifest, ledger = layout.root.parent / "manifest.csv", layout.ledger("quality", "some")
    return main([command, "--manifest", str(manifest), "--ledgers", str(ledger), *words])


def find(layout):
    assert run(layout, "duplicates", "--output", str(layout.duplicates()), "--results", str(layout.root)) == 0
    return read_rows(layout.duplicates(), Duplicate)


def exclude(layout, *flags):
    words = ["--duplicates", str(layout.duplicates()), "--output", str(layout.excluded()), "--flags", *flags]
    assert run(layout, "exclude", *words) == 0
    return read_rows(layout.excluded(), Excluded)


def test_copies_are_listed_with_their_group_and_subsets(layout):
    assert find(layout) == [
        Duplicate("b", "a", "a", 1.0, 12, 0, 1.0, "train/test", "", ""),
        Duplicate("d", "a", "a", 1.0, 12, 0, 1.0, "", "", ""),
        Duplicate("d", "b", "a", 1.0, 12, 0, 1.0, "train/test", "", ""),
    ]
    assert grouped(find(layout)) == {"a": "a", "b": "a", "d": "a"}


def test_the_same_trailers_give_the_same_bytes(layout):
    find(layout)
    first = layout.duplicates().read_bytes()
    find(layout)
    assert layout.duplicates().read_bytes() == first


def test_a_file_that_another_run_replaced_is_refused(layout, capsys):
    rows = [LedgerRow("a", OK, "quality/a.json", "another")]
    write_ledger(layout.ledger("quality", "some"), rows)
    assert run(layout, "duplicates", "--output", "x.csv", "--results", str(layout.root)) == 1
    assert "another run replaced it" in capsys.readouterr().err
    assert layout.attempts("quality", "some").read_text() == "1\n"


def test_all_copies_except_the_first_are_excluded(layout):
    find(layout)
    assert exclude(layout, "duplicate") == [
        Excluded("b", "duplicate", "copy of a"), Excluded("d", "duplicate", "copy of a"),
    ]  # fmt: skip


def test_a_flag_excludes_its_trailers_with_its_reason(layout):
    find(layout)
    assert exclude(layout, "black", "dark") == [Excluded("c", "black", "black for 3.2 s")]


def test_the_copy_that_is_kept_is_not_excluded_by_another_flag():
    rows = [Duplicate("b", "a", "a", 1.0, 9, 0, 1.0), Duplicate("c", "a", "a", 1.0, 9, 0, 1.0)]
    assert [row.trailer for row in copies("abc", rows, {"a"})] == ["a", "c"]
    assert [row.trailer for row in copies("bc", rows, set())] == ["c"]


def test_an_unknown_flag_is_refused(layout, capsys):
    with pytest.raises(SystemExit):
        exclude(layout, "ugly")
    assert "invalid choice: 'ugly'" in capsys.readouterr().err


def test_flags_are_gathered_by_trailer():
    rows = [Excluded("a", "black", "x"), Excluded("b", "dark", "x"), Excluded("a", "dark", "x")]
    assert flags_by_trailer(rows) == {"a": ("black", "dark"), "b": ("dark",)}


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda text: text[:-4], "is truncated"),
        (lambda text: text.replace("duplicates/1", "duplicates/9"), "line 1 does not say"),
        (lambda text: text.replace("copy_of", "copy"), "expected columns"),
        (lambda text: text.replace("b,a,a,1.0", "b,../a,a,1.0"), "line 3 is damaged: '../a' is not a trailer id"),
        (lambda text: text.replace("b,a,a,1.0", "b,a,a,many"), "line 3 is damaged"),
        (lambda text: text.replace("b,a,a,1.0", "b,a,a,7.0"), "line 3 is damaged"),
        (lambda text: text.replace(",train/test,,", ","), "line 3 is damaged"),
        (lambda text: "", "line 1 does not say"),
    ],
)
def test_a_damaged_list_is_refused_and_found_by_verify(layout, harm, words):
    find(layout)
    layout.duplicates().write_text(harm(layout.duplicates().read_text()))
    with pytest.raises(StoreError, match=words):
        read_rows(layout.duplicates(), Duplicate)
    assert duplicates.products(layout) == [layout.duplicates()]
    (problem,) = duplicates.problems(layout.duplicates())
    assert problem.remove == (layout.duplicates(),)


def test_an_empty_list_is_valid(tmp_path):
    write_rows(tmp_path / "excluded.csv", [], Excluded, {"flags": "black"})
    assert read_rows(tmp_path / "excluded.csv", Excluded) == []
    assert list(duplicates.problems(tmp_path / "excluded.csv")) == []


def test_the_message_for_a_missing_list_names_the_command_that_makes_it(tmp_path):
    with pytest.raises(StoreError, match="Run `snakemake quality` first"):
        read_rows(tmp_path / "duplicates.csv", Duplicate)
