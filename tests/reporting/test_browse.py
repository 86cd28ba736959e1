"""The list of all trailers, and the data of each page that depends on other trailers."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

import pages_lab as lab
from trailers.domain import GENRES, Trailer
from trailers.errors import ConfigError
from trailers.pages.rendering import as_script, read_script
from trailers.reporting.browse import LIST, TRAILER
from trailers.reporting.browse.near import nearest
from trailers.reporting.browse.predicted import Experiment, shown_experiment, worst_error
from trailers.stages import registry
from trailers.store.layout import Layout
from trailers.tools.verify.claims import read_claims
from trailers.tools.verify.folder import other_files

TITLES = {"one": "The First", "two": "</script><script>alert('two')</script>", "gone": 'Lost \u2028 "Film"'}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browse")
    lab.make_results(folder, TITLES, dead=["gone"])
    return folder


def listing(folder):
    return read_script(folder / "results" / "pages" / "index.js", LIST)


def test_the_list_has_every_trailer_of_the_manifest_with_its_outcome(finished):
    found = listing(finished)
    columns = found["columns"]
    assert columns["trailer"] == ["one", "two", "gone"]
    assert columns["title"] == list(TITLES.values())
    assert [found["statuses"][number] for number in columns["status"]] == ["ok", "ok", "dead"]
    assert [found["reasons"][n] if n >= 0 else "" for n in columns["reason"]] == ["", "", "removed"]
    assert columns["page"] == [1, 1, 0]
    assert (columns["shots"], columns["clips"], columns["frames"]) == ([3, 3, -1], [5, 5, -1], [96, 96, -1])
    assert columns["splits"] == ["0--", "1--", "2--"]
    assert found["told"] == {"2": "download: removed: “<b>gone</b>”"}


def test_genres_and_flags_are_sums_of_powers_of_two(finished):
    found = listing(finished)
    action, comedy, drama = (1 << GENRES.index(genre) for genre in ("action", "comedy", "drama"))
    assert found["columns"]["genres"] == [action, comedy + drama, action]
    assert found["flags"] == ["too short", "normalise warning"]
    assert found["columns"]["flags"] == [3, 3, 0]


def test_text_in_titles_cannot_end_the_script_that_contains_it(finished):
    for path in (finished / "results" / "pages").rglob("*.js"):
        if path.parent.name != "assets":
            text = path.read_text()
            assert "<" not in text
            assert "\u2028" not in text
            assert text.startswith("globalThis.trailer")


def test_values_of_a_data_script_can_be_read_back_and_other_files_give_none(tmp_path):
    path = tmp_path / "a.js"
    path.write_text(as_script(TRAILER, {"title": "</script>&\u2029"}))
    assert read_script(path, TRAILER) == {"title": "</script>&\u2029"}
    assert read_script(path, LIST) == {}
    assert read_script(tmp_path / "none.js", TRAILER) == {}


def test_a_page_knows_title_genres_neighbours_and_the_link(finished):
    found = read_script(finished / "results" / "pages" / "data" / "two.js", TRAILER)
    assert (found["title"], found["genres"], found["splits"]) == (
        TITLES["two"],
        ["comedy", "drama"],
        ["validation", None, None],
    )
    assert found["previous"] == {"trailer": "one", "title": "The First", "href": "one.html"}
    assert found["next"] is None
    assert found["index"] == "index.html"
    download = next(stage for stage in found["stages"] if stage["name"] == "download")
    assert (download["told"], download["link"]) == (["3.0 MB, 4.0 s."], "https://example.org/two?a=1&b=<2>")
    assert [other["trailer"] for other in found["near"]] == ["one"]


def test_a_second_run_writes_no_data_file(finished):
    folder = finished / "results" / "pages" / "data"
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    lab.run_browse(finished)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_list_outside_the_pages_is_refused(finished, tmp_path):
    with pytest.raises(ConfigError, match="the folder of the pages"):
        lab.run_browse(finished, "--output", str(tmp_path / "index.html"))


def test_the_list_links_the_run_report_if_it_exists_or_the_run_will_make_it(tmp_path):
    layout = lab.make_results(tmp_path, TITLES, dead=["gone"])
    words = ["--report", str(layout.report())]
    for follows, path_exists, link in (
        ([], False, ""),
        (["--report-follows"], False, 'href="../report/index.html"'),
        ([], True, 'href="../report/index.html"'),
    ):
        if path_exists:
            layout.report().parent.mkdir()
            layout.report().write_text("<html>")
        lab.run_browse(tmp_path, *words, *follows)
        html = layout.page_index().read_text()
        assert ("Run report" in html, link in html) == (bool(link), True)


def test_the_nearest_have_the_largest_cosine_and_equal_ones_keep_their_order():
    means = np.array([[1, 0], [0, 2], [3, 0.3], [5, 0], [0, 0]], np.float32)
    found = nearest(["a", "b", "c", "d", "e"], means, shown=3)
    assert found["a"] == [("d", 1.0), ("c", pytest.approx(0.995, abs=1e-3)), ("b", 0.0)]
    assert [name for name, _ in found["e"]] == ["a", "b", "c"]


def test_blocks_do_not_change_which_trailers_are_nearest(monkeypatch):
    means = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    names = [f"t{n}" for n in range(40)]
    whole = nearest(names, means)
    monkeypatch.setattr("trailers.reporting.browse.near.BLOCK", 7)
    assert nearest(names, means) == whole


def test_predictions_of_a_trailer_come_from_a_network_that_was_not_trained_on_it(tmp_path):
    experiment = Experiment("e", {0: tmp_path, 1: tmp_path, 2: tmp_path})
    cases = {
        (0, 1, 2): (2, "test"),
        (0, 1, 0): (1, "validation"),
        (0, 0, 0): (0, "train"),
        (None,) * 3: (0, "not in a subset"),
    }
    for splits, expected in cases.items():
        assert experiment.split_for(Trailer("t", (), genres=("action",), splits=splits)) == expected
    assert experiment.split_for(Trailer("t", (), splits=(2, 2, 2))) == (0, "not in a subset")


class Network:
    """A stand-in for a trained network: predicts the same for every trailer, and counts its calls."""

    def __init__(self):
        self.trained = SimpleNamespace(clips="shot24", backbones=("flat",), fingerprint="trained", genres=GENRES)
        self.calls = 0

    def check(self, vectors, attributes):
        assert [table.shape for table in vectors] == [(5, 6)]
        assert attributes[0]["fingerprint"] == "vectors"

    def explain(self, vectors):
        self.calls += 1
        genres = len(GENRES)
        return SimpleNamespace(
            probabilities=np.full(genres, 0.25), starts=np.array([0, 3]), ends=np.array([3, 5]),
            snippets=np.array([np.full(genres, 0.2), np.full(genres, 0.3)]),
            logit_contributions=np.arange(5 * genres).reshape(5, genres) / 100,
        )  # fmt: skip


def test_predictions_of_an_experiment_are_computed_once_and_again_only_after_a_change(finished, tmp_path):
    layout, network = Layout(finished / "results"), Network()
    experiment = Experiment("e", {1: tmp_path})
    experiment.__dict__["networks"] = {1: network}
    trailer = Trailer("one", (), genres=("action",), splits=(0, 2, None))
    found = shown_experiment(experiment, trailer, layout, {})
    assert (found["name"], found["split"], found["subset"], found["clips"]) == ("e", 1, "test", "shot24")
    assert [snippet[:2] for snippet in found["snippets"]] == [[0, 54], [54, 96]]
    assert found["snippets"][1][2] == [300] * len(GENRES)
    assert found["contributions"][4][:2] == [400, 410]
    assert shown_experiment(experiment, trailer, layout, found) == found
    assert network.calls == 1
    network.trained.fingerprint = "trained again"
    assert shown_experiment(experiment, trailer, layout, found)["key"] != found["key"]
    assert network.calls == 2


def test_verify_checks_the_list_of_all_trailers(finished):
    pages = registry.find(("pages",)).on_disk(Layout(finished / "results"), ())
    assert {path.name for path in pages.shared()} == {"index.html", "index.js"}
    layout = Layout(finished / "results")
    claims, _ = read_claims(layout)
    assert other_files(layout, claims, [("pages",)]) == []


def test_the_worst_genre_is_the_one_farthest_from_the_truth():
    probabilities = [0.0] * len(GENRES)
    probabilities[GENRES.index("drama")] = 0.75
    assert worst_error(probabilities, ["drama"]) == (0.25, GENRES.index("drama"))
    assert worst_error(probabilities, ["drama", "action"]) == (1.0, GENRES.index("action"))


def test_data_of_a_list_of_12000_trailers_is_at_most_3_megabytes():
    from trailers.reporting.browse.listing import make_listing
    from trailers.store.ledger import OK, LedgerRow

    trailers = [
        Trailer(f"tt{n:07d}", (), f"The Title of Film {n}", ("action", "drama"), (0, 1, 2)) for n in range(12_000)
    ]
    rows = {
        key: {
            row.trailer: LedgerRow(row.trailer, OK, facts={"frames": 3000, "shots": 90, "clips": 160})
            for row in trailers
        }
        for key in (("download",), ("normalise",), ("shots",), ("clips", "shot24"), ("pages",))
    }
    text = as_script(LIST, make_listing(trailers, rows, []))
    assert len(text.encode()) < 3e6
    assert json.loads(text.split("= ", 1)[1].rstrip(";\n"))["columns"]["page"] == [1] * 12_000
