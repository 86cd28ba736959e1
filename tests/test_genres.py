"""The list of genres: its rules, its origin, and a whole run with other genres."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from classify_lab import classify, make_pack
from trailers.__main__ import main
from trailers.classifier.recipe import Recipe
from trailers.config import read_config
from trailers.domain import GENRES, Trailer
from trailers.errors import ConfigError, ManifestError, StoreError
from trailers.genres import changed_genres_flag, check_same, checked_genres, configured_genres
from trailers.plan.studies import make_plan, plan_here
from trailers.project import PROJECT
from trailers.reporting.report.predictions import read_predictions
from trailers.stages.classify.learning import training_fingerprint
from trailers.stages.classify.study import Study
from trailers.store.cells import parse_genres
from trailers.store.experiment import read_weights
from trailers.store.manifest import read_manifest, write_manifest

OWN = ("documentary", "film-noir", "comedy")
RECIPE = Recipe(
    aggregation="average", fusion="late", seed=0, epochs=3, batch_trailers=32, learning_rate=0.003, snippet_clips=30,
    optimiser="adam", weight_decay=0.0, plateau_epochs=20, plateau_factor=0.1, stop_epochs=0, batch_norm=False,
    short_snippets="masked", validation_loss="trailers", no_positives="left_out",
)  # fmt: skip


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "expected 2 to 50 genres, got 0"),
        (["drama"], "expected 2 to 50 genres, got 1"),
        ([f"g{n}" for n in range(1000)], "expected 2 to 50 genres, got 1,000"),
        (["drama", "Drama "], "'drama' is listed twice"),
        (["drama", "caf\u00e9", "cafe\u0301"], "'caf\u00e9' is listed twice"),
        (["drama", ""], "'' has 0 letters"),
        (["drama", "x" * 1000], f"'{'x' * 40}...' has 1,000 letters"),
        *(
            (["drama", name], "cannot be used in manifests")
            for name in ("a;b", "a,b", "a/b", "a|b", "a\nb", "[a", 'a"b')
        ),
        *(
            (["drama", name], "cannot be used in manifests")
            for name in ("-x", "=1+2", "'a", "kids'", "<b>", "a\\b", "$x$")
        ),
        (["drama", "trailer"], "the name of another column"),
        (["drama", "is_drama"], "the name of another column"),
        (["drama", 3], "must be a list of names in quotes"),
        ("drama", "must be a list of names in quotes"),
        ({"drama": 1}, "must be a list of names in quotes"),
        (None, "must be a list of names in quotes"),
    ],
)
def test_an_invalid_list_is_refused_in_one_sentence(names, words):
    with pytest.raises(ConfigError, match=r"config\.yaml, genres") as caught:
        checked_genres(names)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "name", ["Film-Noir", "com\u00e9die", "\u0928\u093e\u091f\u0915", "action & adventure", "18+", "children's"]
)
def test_a_genre_may_be_in_any_language_and_case_does_not_matter(name):
    assert checked_genres(["drama", name])[1] == name.lower()


def test_the_default_is_the_papers_ten():
    assert configured_genres() == plan_here().users.genres == GENRES


def test_the_working_folder_overrides_the_project_and_the_command_line_overrides_both(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text("genres: [Documentary, film-noir, comedy]\n")
    assert configured_genres() == OWN
    plan = make_plan(read_config({"genres": ["a", "b"]}), PROJECT)
    assert (plan.users.genres, plan.paper.genres) == (("a", "b"), ("a", "b"))
    assert (plan.demo.genres, plan.replication.genres) == (GENRES, GENRES)


@pytest.mark.parametrize(
    ("value", "words"),
    [("[drama]", "2 to 50"), ("[drama, 7]", "genres.1: 7 must be text"), ("x", "'x' is not a list")],
)
def test_planning_refuses_a_bad_list(tmp_path, monkeypatch, value, words):
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(f"genres: {value}\n")
    with pytest.raises(ConfigError, match=words):
        plan_here()


def test_the_default_list_does_not_change_flags_or_fingerprints(tmp_path, monkeypatch):
    # The fingerprint of a training without packs and trailers, from before the list existed.
    study = Study((), 0, {"train": [Trailer("a", (), genres=("drama",))]}, [])
    assert training_fingerprint(study, RECIPE) == "5432db04a4be03ee"
    assert changed_genres_flag(GENRES) == ""
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text("genres: [documentary, comedy]\n")
    assert changed_genres_flag(("documentary", "comedy")) == "--genres documentary comedy"
    assert changed_genres_flag(GENRES).startswith(
        "--genres action adventure"
    )  # of the demo, together with another list


def test_another_list_or_order_changes_the_fingerprint_of_a_training():
    trailers = {"train": [Trailer("a", (), genres=("drama",))]}
    lists = (GENRES, GENRES[::-1], ("drama", "western"), ("drama", "opera"))
    assert len({training_fingerprint(Study((), 0, trailers, [], genres), RECIPE) for genres in lists}) == 4


def test_cells_are_read_in_the_order_of_the_list():
    assert parse_genres("Comedy; FILM-NOIR", OWN) == ("film-noir", "comedy")
    assert parse_genres("comedie; Come\u0301die", None) == ("comedie", "com\u00e9die")
    assert parse_genres("scifi", ("drama", "sci-fi")) == ("sci-fi",)
    assert parse_genres("scifi", ("drama", "scifi")) == ("scifi",)


def test_a_manifest_of_other_genres_is_one_sentence_with_the_remedy(tmp_path):
    write_manifest(tmp_path / "m.csv", [Trailer("a", ("a.mp4",), genres=("comdey",))])
    with pytest.raises(ManifestError) as caught:
        read_manifest(tmp_path / "m.csv", genres=OWN)
    assert str(caught.value) == (
        f"{tmp_path}/m.csv: row 2, column genres: 'comdey' is not one of documentary, film-noir, comedy. Did you mean "
        "comedy? Correct or remove it, or list it in config.yaml, genres; separate genres with ';'."
    )
    assert read_manifest(tmp_path / "m.csv", genres=None)[0].genres == ("comdey",)  # for stages that do not use genres


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (("documentary", "comedy"), "it lacks film-noir. Rerun snakemake to train it again"),
        ((*OWN, "western"), "it knows western."),
        (OWN[::-1], "it has them in another order."),
        (GENRES, "it knows action, knows adventure, knows crime and 8 more."),
    ],
)
def test_an_experiment_of_other_genres_is_one_sentence(found, words):
    with pytest.raises(StoreError, match="results/x: was trained on different genres than") as caught:
        check_same(found, OWN, "results/x")
    assert words in str(caught.value)


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Sixty trailers of three genres, two of which are not in the paper."""
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(f"genres: [{', '.join(OWN)}]\n")
    subsets = [0, 0, 0, 0, 0, 0, 0, 1, 2, 2]
    trailers = []
    for n in range(60):
        genres = tuple(OWN[number] for number in sorted({n % 3, n % 2}))
        trailers.append(Trailer(f"t{n:03d}", (f"t{n}.mp4",), f"No. {n}", genres, (subsets[n % 10],) * 3))
    write_manifest(tmp_path / "manifest.csv", trailers)
    make_pack(tmp_path / "pack.h5", trailers, genres=OWN)
    return tmp_path


def test_a_data_set_of_other_genres_is_trained_tested_reported_and_split(study):
    metrics = classify(study, epochs=30)
    assert metrics["metrics"]["step"]["micro"] > 95
    assert list(metrics["genres"]) == list(OWN)
    assert read_weights(study / "out" / "weights.pt").genres == OWN
    header = (study / "out" / "predictions.csv").read_text().splitlines()[0]
    assert header == "trailer,subset,documentary,film-noir,comedy,is_documentary,is_film-noir,is_comedy"
    words = ["--manifest", "manifest.csv", "--metrics", "out/metrics.json", "--output", "report.html"]
    assert main(["report", *words]) == 0
    report = (study / "report.html").read_text()
    assert "<td>film-noir</td>" in report
    assert "<td>action</td>" not in report
    assert main(["splits", "--manifest", "manifest.csv", "--output", "again.csv"]) == 0
    assert main(["figures", "--manifest", "manifest.csv", "--output", "figures"]) == 0
    numbers = json.loads((study / "figures" / "figures.json").read_text())
    assert list(numbers["genres"]["whole set"]["positives"]) == list(OWN)
    assert len(numbers["labels"]["together"]) == 3


def test_a_report_of_an_experiment_on_other_genres_is_refused(study, capsys):
    classify(study, epochs=1)
    Path("config.yaml").write_text(f"genres: [{', '.join(OWN)}, western]\n")
    words = ["--manifest", "manifest.csv", "--metrics", "out/metrics.json", "--output", "report.html"]
    assert main(["report", *words]) == 1
    assert "was trained on different genres than config.yaml lists: it lacks western" in capsys.readouterr().err
    with pytest.raises(StoreError, match="in another order"):
        read_predictions([study / "out" / "metrics.json"], OWN[::-1])


def test_labels_of_a_dataset_are_those_of_the_list(study):
    from trailers.data import Trailers

    assert Trailers("pack.h5", manifest="manifest.csv")[0]["labels"].tolist() == [1, 0, 0]
    assert Trailers("pack.h5", manifest="manifest.csv", genres=["Comedy", "documentary"])[0]["labels"].tolist() == [
        0,
        1,
    ]
    Path("config.yaml").write_text("genres: [comedy, western]\n")
    with pytest.raises(ManifestError, match="'documentary' is not one of comedy, western"):
        Trailers("pack.h5", manifest="manifest.csv")


def test_synthetic_packs_and_links_use_the_list(study):
    words = [
        "--packs",
        "shot24/tiny:4",
        "--trailers",
        "30",
        "--output",
        "synthetic",
        "--shortest",
        "2",
        "--longest",
        "4",
    ]
    assert main(["synthetic", *words]) == 0
    made = read_manifest(study / "synthetic" / "manifest.csv", genres=OWN)
    assert {genre for trailer in made for genre in trailer.genres} == set(OWN)
    Path("links.csv").write_text("url,genres\nhttps://youtu.be/dQw4w9WgXcQ,Film-Noir\n")
    assert main(["manifest", "--links", "links.csv", "--output", "linked.csv"]) == 0
    assert read_manifest(study / "linked.csv", genres=OWN)[0].genres == ("film-noir",)
