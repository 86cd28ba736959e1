"""The benchmarks and their harness: turns, ratios, usage, the table and the file."""

import argparse
import functools
import json
import os
import sys
import time
import types
import urllib.error
import urllib.request
from collections import Counter

import numpy as np
import pytest

import pages_lab
from trailers.bench import __main__ as bench
from trailers.bench import harness, load, pages, publish, scale, website
from trailers.errors import ConfigError
from trailers.store.layout import Layout
from trailers.store.ledger import DEAD, OK, SKIPPED, LedgerRow, write_ledger


def test_ways_run_in_turns_and_every_second_round_in_reverse_order():
    seen = []
    harness.alternate({"a": lambda: seen.append("a"), "b": lambda: seen.append("b")}, rounds=3, warm_up=False)
    assert "".join(seen) == "abbaab"


def test_the_warm_up_is_not_measured():
    calls = []
    timings = harness.alternate({"a": lambda: calls.append(1)}, rounds=2)
    assert len(calls) == 3
    assert len(timings["a"].wall_s) == len(timings["a"].cpu_s) == 2


def test_results_are_kept_on_request():
    assert harness.alternate({"a": lambda: 7}, rounds=2, keep=True)["a"].results == [7, 7]
    assert harness.alternate({"a": lambda: 7}, rounds=2)["a"].results == []


def test_a_ratio_is_the_median_of_the_ratios_of_the_rounds():
    # The ratios of the rounds are 2, 3 and 10; the ratio of the medians would be 20 / 4 = 5.
    assert harness.ratio([2.0, 30.0, 20.0], [1.0, 10.0, 2.0]) == 3.0


def test_zero_rounds_are_refused():
    with pytest.raises(ValueError, match="at least one round"):
        harness.alternate({"a": lambda: None}, rounds=0)


def test_process_usage_measures_time_and_memory_of_a_child():
    hungry = "import time; x = bytearray(200 * 1024 * 1024)\nwhile time.process_time() < 0.3: pass"
    large = bytearray(400 * 1024 * 1024)  # memory of this process must not count
    usage = harness.process_usage([sys.executable, "-c", hungry])
    assert len(large) > 0
    assert 200 < usage.peak_mb < 300
    assert usage.cpu_s >= 0.3
    assert usage.wall_s >= 0.3


def test_process_usage_quotes_the_end_of_the_error_output():
    with pytest.raises(RuntimeError, match=r"code 3: alas"):
        harness.process_usage([sys.executable, "-c", "import sys; print('alas', file=sys.stderr); sys.exit(3)"])


def test_the_table_is_aligned_and_missing_figures_are_empty():
    figures = {"package": {"frames/s": 60.123, "MB": 1234.5}, "ours": {"frames/s": 170, "precision": "bfloat16"}}
    assert harness.table(figures).splitlines() == [
        "         frames/s     MB  precision",
        "package      60.1  1,234",
        "ours          170          bfloat16",
    ]


def test_a_row_without_common_figures_starts_a_new_table():
    figures = {"ours": {"frames/s": 2}, "film": {"MB": 300}, "longer film": {"MB": 310, "hours": 2}}
    assert harness.table(figures).splitlines() == [
        "      frames/s",
        "ours         2",
        "",
        "              MB  hours",
        "film         300",
        "longer film  310      2",
    ]


def test_a_way_apart_runs_in_one_separate_process():
    way = harness.Apart(functools.partial, os.getpid)
    timings = harness.alternate({"apart": way}, rounds=2, keep=True)
    assert way.process.is_alive()
    way.close()
    assert timings["apart"].results == [way.process.pid] * 2
    assert way.process.pid != os.getpid()
    assert way.process.exitcode == 0


def test_a_way_apart_measures_its_own_process():
    way = harness.Apart(functools.partial, sum, range(20_000_000))
    timing = harness.alternate({"apart": way}, rounds=1)["apart"]
    way.close()
    assert timing.cpu_s[0] > 0.05
    assert timing.wall_s[0] > 0.05


def test_a_way_apart_that_fails_is_reported():
    way = harness.Apart(functools.partial, int, "ten")
    with pytest.raises(RuntimeError, match="stopped with code 1"):
        way()


def test_the_matrix_rate_is_positive():
    assert harness.matrix_rate(seconds=0.01, sizes=(128, 256)) > 1e8


def test_the_command_prints_a_table_and_writes_the_file(tmp_path, monkeypatch, capsys):
    found = {"figures": {"ours": {"frames/s": 2.0}}, "ratios": {"ours_to_none": 1.5}}
    module = types.SimpleNamespace(__doc__="A bench.", add_flags=lambda parser: None, run=lambda arguments: found)
    monkeypatch.setitem(sys.modules, "trailers.bench.shots", module)
    assert bench.main(["shots", "--json", str(tmp_path / "shots.json")]) == 0
    assert "ours_to_none 1.5" in capsys.readouterr().out
    written = json.loads((tmp_path / "shots.json").read_text())
    assert set(written) == {"bench", "machine", "commit", "figures", "ratios"}
    assert written["bench"] == "shots"
    assert written["ratios"] == {"ours_to_none": 1.5}
    assert written["machine"]["cores"] >= 1


def test_an_unknown_bench_is_refused(capsys):
    with pytest.raises(SystemExit):
        bench.main(["guess"])
    assert "guess" in capsys.readouterr().err


def test_multiply_adds_are_those_of_the_published_network():
    from trailers.bench.shots import multiply_adds
    from trailers.detector.network import load_weights

    # For each block, four branches per layer: (2F x 9C + F x 2F x 3) x pixels, and the linear layers.
    first = 4 * 1296 * (32 * 27 + 16 * 96 + 32 * 576 + 16 * 96)
    second = 4 * 312 * (64 * 576 + 32 * 192 + 64 * 1152 + 32 * 192)
    third = 4 * 72 * (128 * 1152 + 64 * 384 + 128 * 2304 + 64 * 384)
    linear = 448 * 128 + 2 * 101 * 128 + 1024 * 4864 + 2 * 1024
    assert first + second + third + linear == 415_933_696
    assert multiply_adds(load_weights()) == 415_933_696


@pytest.mark.slow
def test_the_shots_bench_compares_all_ways(tmp_path):
    from trailers.bench.shots import compare

    frames = np.random.default_rng(1).integers(0, 256, (60, 27, 48, 3), dtype=np.uint8)
    found = compare([frames], tmp_path, rounds=1, batches=[])
    assert list(found["ratios"]) == ["default_to_package", "float32_to_package", "default_to_peak"]
    assert all(value > 0 for value in found["ratios"].values())
    exact = found["figures"]["exact"]
    assert exact["float32_error"] < 1e-5
    assert exact["float32_lists_of_shots_that_differ"] == 0
    assert exact["default_lists_of_shots_that_differ"] == 0


@pytest.mark.parametrize(
    ("trailers", "counts"),
    [
        (12_000, {"here": 11_650, "dead": 300, "busy-1": 25, "busy-2": 25}),
        (1000, {"here": 971, "dead": 25, "busy-1": 2, "busy-2": 2}),
        (12, {"here": 10, "dead": 1, "busy-2": 1}),
    ],
)
def test_of_12_000_links_300_are_dead_and_50_busy(trailers, counts):
    assert Counter(website.fates([str(n) for n in range(trailers)]).values()) == counts


def status_of(link: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(link) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as problem:
        with problem:
            return problem.code, b""


def test_the_web_site_answers_as_its_links_name():
    with website.serve([b"video"]) as address:
        assert [status_of(f"{address}/here/a.mp4") for _ in range(2)] == [(200, b"video")] * 2
        assert [status_of(f"{address}/dead/b.mp4")[0] for _ in range(3)] == [404, 404, 404]
        assert [status_of(f"{address}/busy-2/c.mp4")[0] for _ in range(4)] == [503, 503, 200, 200]
        assert [status_of(f"{address}/busy-2/d.mp4")[0] for _ in range(3)] == [503, 503, 200]


def test_the_web_sites_videos_differ():
    videos = website.make_videos()
    assert len(videos) == len(set(videos)) == 5


def test_ids_are_those_of_a_labels_file(tmp_path):
    (tmp_path / "mtgc.csv").write_text("mid,action\ntt0035423,0\ntt0113026,1\n")
    assert scale.read_ids(tmp_path / "mtgc.csv", 2) == ["tt0035423", "tt0113026"]
    with pytest.raises(ConfigError, match="has 2 ids, but 3 are requested"):
        scale.read_ids(tmp_path / "mtgc.csv", 3)


def test_a_scale_too_small_for_its_links_is_refused():
    with pytest.raises(ConfigError, match="2 are too few"):
        scale.run(argparse.Namespace(trailers=[2, 12], real=12, ids=None, cores=2))


def finished_scale(folder, *, last="t1.h5"):
    """The folder after a run of the scale bench over one available and one dead trailer."""
    products = {"download": "t1.mp4", "normalise": "t1.mp4", "shots": "t1.csv", "clips": "t1.csv", "embed": last}
    for stage, name in products.items():
        lost = DEAD if stage == "download" else SKIPPED
        rows = [LedgerRow("t1", OK, f"{stage}/{name}"), LedgerRow("t2", lost, error="download: not found")]
        write_ledger(folder / "results" / "ledger" / stage / "some.tsv", rows)
        (folder / "results" / stage).mkdir()
        (folder / "results" / stage / products[stage].removeprefix("no-")).touch()


def test_the_scale_bench_accepts_outcomes_that_the_links_name(tmp_path):
    finished_scale(tmp_path)
    scale.check(tmp_path, {"t1": "here", "t2": "dead"})


@pytest.mark.parametrize(
    ("fate", "last", "words"),
    [
        ({"t1": "here", "t2": "here"}, "t1.h5", "download: t2 is dead, should be ok"),
        ({"t1": "dead", "t2": "dead"}, "t1.h5", "download: t1 is ok, should be dead"),
        ({"t1": "here"}, "t1.h5", "download: 2 trailers in ledgers, 1 in the manifest"),
        ({"t1": "busy-2", "t2": "dead"}, "no-t1.h5", "embed: t1 is ok, but embed/no-t1.h5 does not exist"),
    ],
)
def test_the_scale_bench_refuses_any_other_outcome(tmp_path, fate, last, words):
    finished_scale(tmp_path, last=last)
    with pytest.raises(RuntimeError, match=words):
        scale.check(tmp_path, fate)


def test_the_pages_bench_measures_every_trailer_and_the_list(tmp_path):
    layout = Layout(tmp_path)
    pages_lab.make_trailer(layout, "one", 1)
    found = pages.run(argparse.Namespace(results=tmp_path, clips=["shot24"], trailers=60, rounds=1))
    assert set(found["figures"]) == {"one", "list of 60"}
    assert (found["figures"]["one"]["shots"], found["figures"]["one"]["pictures"]) == (3, 16)
    assert 1 < found["ratios"]["largest_kb"] < 400
    assert 0 < found["ratios"]["list_mb"] < 0.02


def test_the_pages_bench_needs_shots(tmp_path):
    with pytest.raises(ConfigError, match="contains no shots"):
        pages.run(argparse.Namespace(results=tmp_path, clips=["shot24"], trailers=60, rounds=1))


@pytest.mark.slow
def test_the_scale_bench_processes_every_trailer_with_real_work():
    found = scale.run(argparse.Namespace(trailers=[12], real=12, ids=None, cores=2))
    real, standing_in = found["figures"]["12, real work"], found["figures"]["12, stand-in work"]
    # One link is busy for both attempts of the first run.
    assert real["runs"] == standing_in["runs"] == 2
    assert real["mbytes"] > 1 > standing_in["mbytes"]
    assert 0 < real["work_s"] < real["run_s"]
    for stage in ("normalise", "shots"):
        assert found["figures"][f"12, {stage}"]["stage_files"] == 2 * 11
    assert found["figures"]["12, embed"]["stage_files"] == 11
    assert "exponent" not in found["ratios"]


@pytest.mark.slow
def test_the_gpu_bench_runs_to_its_end_without_a_gpu(tmp_path, capsys):
    words = [
        "gpu",
        "--device",
        "cpu",
        "--small",
        "--backbones",
        "efficientnet_lite0",
        "--json",
        str(tmp_path / "gpu.json"),
    ]
    assert bench.main(words) == 0
    written = json.loads((tmp_path / "gpu.json").read_text())
    assert written["failed"] == []
    assert list(written["trials"]) == ["leases", "flags", "detector", "efficientnet_lite0", "memory", "workers"]
    assert written["trials"]["leases"]["words"] == "5 jobs used 4 of 4 devices in turn"
    assert written["figures"]["efficientnet_lite0"]["clips"] == 4
    assert written["figures"]["efficientnet_lite0"]["clips_s"] > 0
    assert written["figures"]["detector"]["frames_s_wanted"] == 20_000
    assert "passed workers" in capsys.readouterr().out


def test_a_bench_that_finds_a_fault_fails(monkeypatch, capsys):
    found = {"figures": {"ours": {"x": 1}}, "ratios": {}, "failed": ["leases"]}
    module = types.SimpleNamespace(__doc__="A bench.", add_flags=lambda parser: None, run=lambda arguments: found)
    monkeypatch.setitem(sys.modules, "trailers.bench.shots", module)
    assert bench.main(["shots"]) == 1
    assert capsys.readouterr().err == "failed: leases\n"


def test_figures_are_judged_by_their_limits():
    from trailers.bench.gpu import judge

    figures = {"swin3d_t": {"clips_s": 300.0, "gpu_busy_share": 0.7}, "resnet50": {"to_limit": 0.9}, "detector": {}}
    judge(figures)
    assert figures["swin3d_t"]["clips_s_reached"] is True
    assert figures["swin3d_t"]["gpu_busy_share_reached"] is False
    assert figures["resnet50"] == {"to_limit": 0.9, "to_limit_wanted": 0.9, "to_limit_reached": True}
    assert figures["detector"] == {}


def test_the_time_of_running_decoding_workers_counts():
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(1) as pool:
        before = harness.cpu_seconds()
        pool.submit(burn, 0.3).result()
        assert harness.cpu_seconds() - before >= 0.25


def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_the_bench_of_reading_vectors_compares_each_way_with_h5py(tmp_path):
    options = {"trailers": 2, "features": 4, "sample": 16, "workers": [0], "rounds": 1}
    found = load.run(argparse.Namespace(folder=tmp_path, **options))
    assert sorted(found["figures"]) == ["files, 0 workers", "pack, 0 workers", "plain, 0 workers"]
    assert sorted(found["ratios"]) == ["files_to_plain_0", "pack_to_plain_0"]
    assert all(row["clips_per_second"] > 0 for row in found["figures"].values())


@pytest.mark.slow
def test_the_bench_of_publish_measures_rate_and_memory(tmp_path):
    pytest.importorskip("pyarrow", reason="Parquet needs pyarrow (the extra `publish`)")
    found = publish.run(argparse.Namespace(folder=tmp_path, trailers=4, features=4, rounds=1))
    assert found["figures"]["publish, all"]["trailers"] == 4
    assert found["figures"]["publish, a quarter"]["trailers"] == 1
    assert found["ratios"]["peak_all_to_quarter"] > 0


def test_the_review_bench_starts_and_presses_keys_in_a_short_and_a_long_file():
    from trailers.bench import review

    found = review.run(argparse.Namespace(titles=1005, presses=8))
    assert list(found["figures"]) == ["start on 1,005 titles", "first decisions", "last decisions"]
    assert [found["figures"][name]["presses"] for name in ("first decisions", "last decisions")] == [8, 8]
    assert found["ratios"]["decisions_per_s"] > 0


def test_the_titles_bench_chooses_from_tables_that_it_makes():
    from trailers.bench import titles

    found = titles.run(argparse.Namespace(rows=30_000))
    assert 0 < found["figures"]["30,000 rows"]["titles"] < 100
    assert 0 < found["ratios"]["peak_mb"] < 500
    assert found["failed"] == []


def test_the_flags_bench_finds_the_copies_that_it_makes():
    from trailers.bench import flags

    found = flags.run(argparse.Namespace(videos=[], apart=False, trailers=60, copies=10))
    assert found["figures"]["60 trailers"]["recall"] == found["figures"]["60 trailers"]["precision"] == 1.0
    assert list(found["ratios"]) == ["pairs_s", "synthetic_recall"]


def test_every_fault_of_the_flags_bench_raises_existing_flags():
    from trailers.bench import flags
    from trailers.quality.flags import FLAGS

    raised = {flag for wanted, _ in flags.FAULTS.values() for flag in wanted}
    assert raised == set(FLAGS) - {"few_shots"}


@pytest.mark.slow
def test_every_fault_and_copy_of_the_flags_bench_can_be_made_of_a_video(tmp_path):
    from trailers.bench import flags
    from trailers.video import encode_frames, probe

    source = tmp_path / "source.mp4"
    random = np.random.default_rng(0)
    frames = [random.integers(0, 255, (90, 160, 3), np.uint8) for _ in range(144)]
    encode_frames(source, frames, width_px=160, height_px=90, fps=24, fingerprint="x")
    changes = {**{fault: words for fault, (_, words) in flags.FAULTS.items()}, **flags.COPIES}
    for number, words in enumerate(changes.values()):
        made = probe(flags.changed(source, words, tmp_path / f"{number}.mp4"))
        assert made.width > 0
    assert float(probe(tmp_path / f"{list(changes).index('trimmed')}.mp4").duration_s) == pytest.approx(0.8, abs=0.1)
