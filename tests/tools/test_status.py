"""status: counts, rates and sizes from names, times and ledgers alone."""

from __future__ import annotations

import argparse
import os
import shutil
from collections import namedtuple

import pytest

from trailers.__main__ import main
from trailers.errors import ConfigError
from trailers.plan.studies import plan_here
from trailers.store.layout import Layout
from trailers.store.ledger import LedgerRow, write_ledger
from trailers.tools import status
from trailers.tools.status import lines, text

NOW = 1_700_000_000.0
PAIRS = [("shot24", "timm:tiny"), ("seq32", "timm:tiny")]
TRAILERS = [f"t{number}" for number in range(10)]
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def layout(tmp_path):
    """Ten trailers in two shards; normalise has finished the first, and has made two of the five in the second."""
    layout = Layout(tmp_path / "results")
    for shard, names in (("s0000a", TRAILERS[:5]), ("s0001b", TRAILERS[5:])):
        rows = [LedgerRow(name, "ok") for name in names]
        if shard.startswith("s0000"):
            rows[4] = LedgerRow("t4", "dead", error="download: removed: by its owner", facts={"reason": "removed"})
        write_ledger(layout.ledger("download", shard), rows)
    rows = [LedgerRow(name, "ok") for name in TRAILERS[:3]]
    rows += [
        LedgerRow("t3", "failed", error="normalise: /disk/t3.mp4: stopped: x", facts={"reason": "ffmpeg stopped"}),
        LedgerRow("t4", "skipped"),
    ]
    write_ledger(layout.ledger("normalise", "s0000a"), rows)
    layout.video("t0").parent.mkdir()
    # One product per minute, the last one half a minute ago.
    for minutes, name in ((4.5, "t0"), (3.5, "t1"), (2.5, "t2"), (1.5, "t5"), (0.5, "t6")):
        for path, size in ((layout.video(name), 900), (layout.frames(name), 100)):
            path.write_bytes(bytes(size))
            os.utime(path, (NOW - 60 * minutes, NOW - 60 * minutes))
    (layout.video("t7").parent / ".tmp-123-00ff00ff-t7.frames.h5").write_bytes(bytes(500))
    return layout


def line_of(layout, *key):
    return lines.measure(layout, key, TRAILERS, NOW)[0]


def test_trailers_are_counted_by_status_and_the_rest_waits(layout):
    line = line_of(layout, "normalise")
    assert line.counts == {"ok": 3, "failed": 1, "skipped": 1}
    assert (line.waiting, line.made) == (5, 2)


def test_temporary_files_count_as_disk_space_and_not_as_products(layout):
    line = line_of(layout, "normalise")
    assert line.made == 2
    assert line.size == 5 * 1000 + 500


def test_rate_and_time_left_follow_from_the_times_of_the_products(layout):
    line = line_of(layout, "normalise")
    # Four products since the first, which is 4.5 minutes old; three trailers are still to come.
    assert line.per_minute == pytest.approx(4 / 4.5)
    assert line.left_s == pytest.approx(3 * 4.5 * 60 / 4)


def test_only_the_last_ten_minutes_count_for_the_rate():
    old = [NOW - 5000.0 - second for second in range(1000)]
    assert lines.rate([*old, NOW - 500, NOW - 100], NOW) == pytest.approx(2 / 10)
    assert lines.rate(old, NOW) == 0
    assert lines.rate([NOW - 1], NOW) == 0


def test_without_new_products_the_time_left_is_unknown(layout):
    line = line_of(layout, "shots")
    assert line.left_s is None
    assert text.duration(line.left_s) == "?"


def test_the_expected_disk_space_extrapolates_from_finished_trailers(layout):
    line = line_of(layout, "normalise")
    # 5 products have 5,500 bytes. 3 of 4 decided trailers are ok, so 3.75 products are expected of the 5 that wait;
    # with the 3 that are ok and the 1 that failed these are 7.75.
    assert line.expected_size == round(5500 * 7.75 / 5)


def test_a_trailer_in_two_ledgers_has_the_row_of_the_newer_one(layout):
    write_ledger(layout.ledger("normalise", "s0000c"), [LedgerRow("t3", "ok")])
    older = layout.ledger("normalise", "s0000a")
    os.utime(older, (1, 1))
    assert line_of(layout, "normalise").counts == {"ok": 4, "skipped": 1}


def test_trailers_that_left_the_manifest_are_not_counted(layout):
    line, rows = lines.measure(layout, ("normalise",), ["t0", "t9"], NOW)
    assert line.counts == {"ok": 1}
    assert (line.waiting, line.made) == (1, 0)
    assert list(rows) == ["t0"]


def test_a_damaged_ledger_counts_as_missing(layout):
    layout.ledger("normalise", "s0000a").write_text("rubbish")
    assert line_of(layout, "normalise").waiting == 10


def test_every_requested_pair_has_a_line_and_earlier_products_too(layout):
    write_ledger(layout.ledger("embed", "s0000a", "shot24", "resnet50"), [LedgerRow("t0", "ok")])
    assert status.keys(layout, PAIRS) == [
        ("download",), ("normalise",), ("shots",), ("clips", "shot24"), ("clips", "seq32"),
        ("embed", "shot24", "timm-tiny"), ("embed", "seq32", "timm-tiny"), ("embed", "shot24", "resnet50"),
    ]  # fmt: skip


def test_the_table_is_aligned_and_complete(layout):
    assert list(text.table([line_of(layout, "normalise")])) == [
        "           ok  dead  failed  skipped  waiting  made  per minute   left  on disk  at the end",
        "normalise   3     0       1        1        5     2         0.9  3 min   5.5 kB      8.5 kB",
    ]


def test_status_shows_stages_and_disk_and_failures(layout, monkeypatch):
    (layout.root / "classify" / "main" / "split0").mkdir(parents=True)
    (layout.root / "classify" / "main" / "split1").mkdir()
    (layout.root / "classify" / "main" / "split0" / "metrics.json").touch()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, 2_000_000_000))
    shown = list(status.describe(layout, TRAILERS, PAIRS, NOW))
    assert shown[0] == "10 trailers"
    assert "classify main: 1 of 2 started splits done" in shown
    assert "disk: 5.5 kB used, about 8.5 kB at the end, 2.0 GB free" in shown
    assert shown[-2:] == ["      1 dead in download: removed", "      1 failed in normalise: ffmpeg stopped"]


def test_a_disk_that_will_become_full_is_reported(layout, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, 1000))
    assert any("does not fit" in line for line in status.describe(layout, TRAILERS, PAIRS, NOW))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "-"), (100, "2 min"), (3599, "1 h 00 min"), (7500, "2 h 05 min"), (3 * 86400, "3.0 d"), (None, "?")],
)
def test_durations_are_in_words(seconds, words):
    assert text.duration(seconds) == words


def test_without_a_manifest_trailers_are_taken_from_the_ledgers(layout, tmp_path):
    assert status.known_trailers(layout, tmp_path / "none.csv") == TRAILERS
    (tmp_path / "one.csv").write_text("trailer,url\nt7,7.mp4\n")
    assert status.known_trailers(layout, tmp_path / "one.csv") == ["t7"]


def test_nothing_is_written(layout, tmp_path, capsys):
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    status.run(
        argparse.Namespace(results=layout.root, manifest=tmp_path / "none.csv", every_s=None, list=None, csv=False)
    )
    assert capsys.readouterr().out.startswith("10 trailers\n")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        status.run(argparse.Namespace(results=tmp_path / "none", manifest=None, every_s=None, list=None, csv=False))


def test_posters_are_counted_for_trailers_that_have_one(layout, tmp_path):
    write_ledger(
        layout.ledger("posters", "s0000a"), [LedgerRow("t0", "ok"), LedgerRow("t1", "skipped"), LedgerRow("t2", "dead")]
    )
    write_ledger(layout.ledger("posters", "s0000a", "resnet50"), [LedgerRow("t0", "ok"), LedgerRow("t1", "skipped")])
    layout.poster("resnet50", "t0").parent.mkdir(parents=True)
    layout.poster("resnet50", "t0").write_bytes(bytes(2_000_000))
    (tmp_path / "m.csv").write_text("trailer,url,poster\nt0,0.mp4,a.jpg\nt1,1.mp4,\nt2,2.mp4,b.jpg\nt5,5.mp4,c.jpg\n")
    posters = status.known_posters(tmp_path / "m.csv")
    shown = [line.split() for line in status.describe(layout, TRAILERS, PAIRS, NOW, posters)]
    # ok, dead, failed, skipped, waiting
    assert next(line for line in shown if line[0] == "posters")[1:6] == ["1", "1", "0", "0", "1"]
    embedded = next(line for line in shown if line[:2] == ["posters", "resnet50"])
    assert embedded[2:7] == ["1", "0", "0", "0", "2"]
    assert embedded[-4:-2] == ["2.0", "MB"]


ENDS = {
    "removed": LedgerRow("t0", "dead", error="download: removed: by a, who owns t0", facts={"reason": "removed"}),
    "again": LedgerRow("t1", "dead", error="download: removed: by b, who owns t1", facts={"reason": "removed"}),
    "earlier": LedgerRow("t2", "dead", error="download: /a/b.mp4: is empty"),
}


def test_reasons_are_counted_by_their_type_and_not_by_their_sentences(tmp_path):
    layout = Layout(tmp_path)
    write_ledger(layout.ledger("download", "s0"), list(ENDS.values()))
    shown = list(status.describe(layout, ["t0", "t1", "t2", "t3"], [], NOW))
    assert shown[-2:] == ["      2 dead in download: removed", "      1 dead in download: no reason recorded"]


def test_the_trailers_of_a_status_are_listed_as_csv(layout, tmp_path, capsys):
    words = ["status", "--results", str(layout.root), "--manifest", str(tmp_path / "none.csv"), "--csv", "--list"]
    assert main([*words, "dead"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "trailer,stage,status,reason,sentence",
        "t4,download,dead,removed,removed: by its owner",
    ]
    assert main([*words, "failed"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["t3,normalise,failed,ffmpeg stopped,/disk/t3.mp4: stopped: x"]
    assert main([*words, "waiting"]) == 0
    assert capsys.readouterr().out.splitlines()[1:3] == ["t5,normalise,waiting,,", "t6,normalise,waiting,,"]


def test_the_reason_of_a_listed_trailer_is_shown_once(layout, tmp_path, capsys):
    words = ["status", "--results", str(layout.root), "--manifest", str(tmp_path / "none.csv"), "--list"]
    assert main([*words, "dead"]) == main([*words, "failed"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "t4: download: dead: removed: by its owner",
        "t3: normalise: failed: ffmpeg stopped: /disk/t3.mp4: stopped: x",
    ]


def test_csv_without_a_status_is_refused(layout, capsys):
    assert main(["status", "--results", str(layout.root), "--csv"]) == 1
    assert "--csv: needs --list" in capsys.readouterr().err


def test_warnings_and_missed_quality_are_counted(tmp_path):
    layout = Layout(tmp_path)
    rows = [LedgerRow(name, "ok", facts={"quality": ["incomplete"]}) for name in ("t0", "t1")]
    write_ledger(layout.ledger("download", "s0"), rows)
    warned = LedgerRow("t0", "ok", facts={"warnings": "the file was cut off; 5 frames are missing"})
    write_ledger(layout.ledger("normalise", "s0"), [warned, LedgerRow("t1", "ok")])
    shown = list(status.describe(layout, ["t0", "t1"], [], NOW))
    assert shown[-2:] == [
        "      2 with a warning of download: incomplete",
        "      1 with a warning of normalise: see each trailer",
    ]


@pytest.mark.parametrize("dead", [1, 3, 4])
def test_status_fails_and_says_so_if_no_trailer_passed_a_stage(tmp_path, capsys, dead):
    layout, names = Layout(tmp_path / "results"), ["t0", "t1", "t2", "t3"]
    gone = {"status": "dead", "error": "download: removed: x", "facts": {"reason": "removed"}}
    write_ledger(
        layout.ledger("download", "s0"),
        [LedgerRow(name, **gone) if n < dead else LedgerRow(name, "ok") for n, name in enumerate(names)],
    )
    words = ["status", "--results", str(layout.root), "--manifest", str(tmp_path / "none.csv")]
    assert main(words) == (dead == 4)
    is_reported = "error: none of 4 trailers is ok in download (4 dead: removed)." in capsys.readouterr().err
    assert is_reported == (dead == 4)


def test_if_all_trailers_failed_the_command_that_lists_them_is_printed(tmp_path, capsys):
    layout = Layout(tmp_path / "results")
    row = LedgerRow("t0", "failed", error="download: site: x", facts={"reason": "site"})
    write_ledger(layout.ledger("download", "s0"), [row])
    assert main(["status", "--results", str(layout.root), "--manifest", str(tmp_path / "none.csv")]) == 1
    assert "`--list failed` name them" in capsys.readouterr().err
    main(["status", "--results", str(layout.root), "--manifest", str(tmp_path / "none.csv"), "--list", "failed"])
    assert "t0" in capsys.readouterr().out


def test_failures_that_many_trailers_share_are_reported_first(tmp_path):
    layout, names = Layout(tmp_path), [f"t{number}" for number in range(6)]
    facts = {"reason": "client", "sentence": "please sign in"}
    write_ledger(layout.ledger("download", "s0"), [LedgerRow(name, "failed", facts=facts) for name in names])
    shown = list(status.describe(layout, names, [], NOW))
    assert [line for line in shown if line.startswith("check this first")] == [
        "check this first: download: 6 of 6 trailers are failed for the same reason, 6 of them in a row: client: "
        '"please sign in". The trailers are probably not the cause.'
    ]


def test_status_shows_the_message_of_a_failed_job(layout):
    note = layout.root / "failures" / "shots" / "s0000a"
    note.parent.mkdir(parents=True)
    note.write_text("the GPU is gone\n")
    assert "a job failed: shots/s0000a: the GPU is gone" in list(status.describe(layout, TRAILERS, PAIRS, NOW))


def test_failures_of_shards_that_no_longer_exist_are_left_out(layout):
    for shard, why in (("s0000-0123abcd", "old"), ("s0001-4567abcd", "new")):
        note = layout.root / "failures" / "shots" / shard
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(f"{why}\n")
    seen = status.look(layout, TRAILERS, PAIRS, NOW)
    lines = list(status.shown(layout, seen, lambda shard: shard == "s0001-4567abcd"))
    assert [line for line in lines if "job failed" in line] == ["a job failed: shots/s0001-4567abcd: new"]


def test_the_command_leaves_out_failures_of_shards_that_the_manifest_no_longer_gives(
    layout, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    manifest = tmp_path / "manifest.csv"

    def fail(why):
        (shard,) = plan_here().users.shards
        note = layout.root / "failures" / "shots" / shard
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(f"{why}\n")

    manifest.write_text("trailer,url\nt0,t0.mp4\n")
    fail("of another manifest")
    manifest.write_text("trailer,url\nt0,t0.mp4\nt1,t1.mp4\n")
    fail("of this one")
    main(["status", "--results", str(layout.root)])
    lines = [line for line in capsys.readouterr().out.splitlines() if "job failed" in line]
    assert [line.rpartition(": ")[2] for line in lines] == ["of this one"]


def test_without_a_manifest_no_failure_is_left_out(layout, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    note = layout.root / "failures" / "shots" / "s0000-0123abcd"
    note.parent.mkdir(parents=True)
    note.write_text("the GPU is gone\n")
    main(["status", "--results", str(layout.root)])
    assert "a job failed: shots/s0000-0123abcd: the GPU is gone" in capsys.readouterr().out


def test_the_time_left_of_a_run_is_that_of_its_slowest_stage(layout):
    line = line_of(layout, "normalise")
    # Three trailers are waiting and not made: 3.4 min at 0.9 per minute. shots has made nothing yet.
    assert text.time_left([line]) == "about 3 min"
    assert text.time_left([line, line_of(layout, "shots")]).startswith("at least 3 min, plus the time for shots")
    assert text.time_left([]) == "nothing is waiting"


def test_products_without_a_ledger_are_said_to_be_made_and_not_yet_listed(layout):
    for trailer in TRAILERS[5:]:
        for path in (layout.video(trailer), layout.frames(trailer)):
            path.write_bytes(b"x")
            os.utime(path, (NOW, NOW))
    assert text.time_left([line_of(layout, "normalise")]).startswith("all products exist, but some ledgers do not")


def test_without_a_manifest_only_the_search_and_the_next_command_are_shown(tmp_path):
    layout = Layout(tmp_path)
    nothing = list(status.shown(layout, status.look(layout, [], PAIRS, NOW)))
    assert nothing[0].startswith("no manifest and no titles yet. `trailers manifest` writes")
    write_ledger(layout.ledger("search", "t0"), [LedgerRow("m0", "ok"), LedgerRow("m1", "dead", error="x")])
    begun = list(status.shown(layout, status.look(layout, [], PAIRS, NOW, None, ["m0", "m1", "m2"])))
    assert begun[0] == "no manifest yet; 3 titles. `snakemake search` searches for their trailers."
    through = status.look(layout, [], PAIRS, NOW, None, ["m0", "m1"])
    lines = list(status.shown(layout, through))
    assert lines[0].startswith("no manifest yet; 2 titles, searched for. `trailers manifest --titles titles.csv`")
    assert [line.split()[0] for line in lines[1:4]] == ["ok", "search", "left:"]
    assert [row[:3] for row in status.listed(through.rows, through.counted, "dead")] == [("m1", "search", "dead")]
