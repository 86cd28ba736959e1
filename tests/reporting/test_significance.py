"""Intervals and paired differences of experiments, from draws of their test trailers."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from trailers.reporting.significance import difference, draws_of, intervals

GENRES = ("action", "drama")


def predicted(folder, names, *, seed):
    """Writes predictions.csv of an experiment slightly better than chance; returns the path of its metrics."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    with (folder / "predictions.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["trailer", "subset", *GENRES, *(f"is_{genre}" for genre in GENRES)])
        for name in names:
            labels = [int(name[1:]) % 2, int(name[1:]) % 3 == 0]
            scores = [label * 0.2 + random.random() * 0.8 for label in labels]
            table.writerow([name, "test", *scores, *map(int, labels)])
    return folder / "metrics.json"


def metrics(split, value=50.0):
    values = dict.fromkeys(("micro", "macro", "weighted", "sample"), value)
    return {"split": split, "settings": {"no_positives": "sklearn"}, "metrics": {"trapezoid": values}}


NAMES = [f"t{number}" for number in range(80)]


def test_trailers_that_test_sets_share_do_not_make_the_interval_narrower(tmp_path):
    """Two test sets of the same trailers with the same predictions contain no more information than one."""
    draws = {
        split: draws_of(predicted(tmp_path / f"s{split}", NAMES, seed=1), metrics(split), draws=300) for split in (0, 1)
    }
    assert intervals(draws)["micro"] == pytest.approx(intervals({0: draws[0]})["micro"])


def test_test_sets_without_common_trailers_make_it_narrower(tmp_path):
    draws = {
        split: draws_of(predicted(tmp_path / f"s{split}", names, seed=1), metrics(split), draws=300)
        for split, names in enumerate((NAMES, [f"t{number}" for number in range(80, 160)]))
    }
    low, high = intervals(draws)["micro"]
    alone_low, alone_high = intervals({0: draws[0]})["micro"]
    assert high - low < 0.85 * (alone_high - alone_low)


def test_an_experiment_does_not_differ_from_itself(tmp_path):
    own = {0: draws_of(predicted(tmp_path / "s", NAMES, seed=1), metrics(0), draws=50)}
    assert difference({0: metrics(0)}, {0: metrics(0)}, own, own)["micro"] == {
        "mean": [0.0, None],
        "interval": [0.0, 0.0],
    }


def test_experiments_on_other_test_trailers_have_no_paired_interval(tmp_path):
    ours = {0: draws_of(predicted(tmp_path / "a", NAMES, seed=1), metrics(0), draws=50)}
    other = {0: draws_of(predicted(tmp_path / "b", NAMES[:-1], seed=2), metrics(0), draws=50)}
    found = difference({0: metrics(0, 60.0)}, {0: metrics(0, 58.0)}, ours, other)
    assert found["micro"] == {"mean": [2.0, None], "interval": None}
