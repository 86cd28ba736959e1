"""A trained experiment predicts further trailers."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
import torch

from trailers.classifier.recipe import Recipe
from trailers.classifier.restored import read_experiment
from trailers.classifier.snippets import Examples
from trailers.classifier.training import network_for, predict
from trailers.domain import GENRES
from trailers.errors import ConfigError, StoreError
from trailers.store.experiment import save_state

RECIPE = Recipe(
    aggregation="gru", fusion="late", seed=0, epochs=1, batch_trailers=2, learning_rate=0.1, snippet_clips=4,
    optimiser="adam", weight_decay=0.0, plateau_epochs=1, plateau_factor=0.1, stop_epochs=0, batch_norm=True,
    short_snippets="zeros", validation_loss="snippets", no_positives="sklearn",
)  # fmt: skip
PACKS = [{"backbone": "resnet50", "F": 3, "weights": "V2"}, {"backbone": "swin3d_t", "F": 2, "weights": "V1"}]
ATTRIBUTES = [{"weights": "V2"}, {"weights": "V1"}]


@pytest.fixture
def weights(tmp_path):
    """The weights.pt of an experiment with two backbones, as the classify stage writes it."""
    values = {
        "schema": "classify-weights/2", "fingerprint": "0123456789abcdef", "experiment": "e", "split": 0,
        "clips": "shot24", "backbones": ["resnet50", "swin3d_t"], "features": [3, 2], "packs": PACKS,
        "genres": list(GENRES), "recipe": dataclasses.asdict(RECIPE), "curves": [(1, 0.1, 0.7, 0.6)], "best_epoch": 1,
        "state": network_for(RECIPE, [3, 2], 10).state_dict(),
    }  # fmt: skip
    save_state(tmp_path / "weights.pt", values)
    return tmp_path / "weights.pt"


@pytest.fixture
def vectors():
    random = np.random.default_rng(0)
    return tuple(random.normal(size=(10, features)).astype(np.float32) for features in (3, 2))


def test_restored_weights_give_the_predictions_of_the_test(weights, vectors):
    experiment = read_experiment(weights)
    assert experiment.trained.backbones == ("resnet50", "swin3d_t")
    one = Examples(vectors, (np.array([0]),) * 2, np.array([10]), np.zeros((1, 10), np.float32))
    expected = predict(network_for(RECIPE, [3, 2], 10), one, RECIPE, torch.device("cpu"))[0]
    explanation = experiment.explain(vectors)
    assert explanation.probabilities == pytest.approx(expected, abs=1e-6)
    assert explanation.snippets.mean(axis=0) == pytest.approx(expected, abs=1e-6)
    assert explanation.contributions.shape == (10, 10)
    assert experiment.over_time(vectors).starts.tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_the_number_of_threads_changes_no_bit_and_is_restored(weights, vectors):
    experiment, before = read_experiment(weights), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        first = experiment.explain(vectors)
        torch.set_num_threads(2)
        second = experiment.explain(vectors)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert first.contributions.tobytes() == second.contributions.tobytes()


@pytest.mark.parametrize(
    ("shapes", "attributes", "words"),
    [
        ([(4, 3), (4, 2)], ATTRIBUTES, None),
        ([(4, 5), (4, 2)], ATTRIBUTES, "resnet50: gives vectors with 5 features, but the experiment was trained with"),
        ([(4, 3), (4, 2)], [{"weights": "V2"}, {}], "swin3d_t: weights is 'None', but the experiment"),
        ([(4, 3), (6, 2)], ATTRIBUTES, "the vectors come from different clips: 4 of resnet50, 6 of swin3d_t"),
    ],
)  # fmt: skip
def test_vectors_of_another_kind_are_refused(weights, shapes, attributes, words):
    tables = [np.zeros(shape, np.float32) for shape in shapes]
    if words is None:
        read_experiment(weights).check(tables, attributes)
    else:
        with pytest.raises(ConfigError, match=re.escape(words)):
            read_experiment(weights).check(tables, attributes)


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(StoreError, match=r"weights\.pt: is not a trained experiment"):
        read_experiment(tmp_path / "weights.pt")
