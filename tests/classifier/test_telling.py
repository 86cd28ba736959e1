"""Which clips tell a genre."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trailers.classifier.networks import make_network
from trailers.classifier.recipe import Recipe
from trailers.classifier.snippets import Examples
from trailers.classifier.telling import telling
from trailers.classifier.training import predict

CPU = torch.device("cpu")


def recipe(aggregation="average", short_snippets="zeros"):
    return Recipe(
        aggregation=aggregation, fusion="late", seed=0, epochs=1, batch_trailers=4, learning_rate=0.1, snippet_clips=4,
        optimiser="adam", weight_decay=0, plateau_epochs=1, plateau_factor=0.1, stop_epochs=0, batch_norm=False,
        short_snippets=short_snippets,
        validation_loss="snippets",
        no_positives="sklearn",
    )  # fmt: skip


@pytest.fixture
def network():
    """Averages clips; the logit of the only genre is four times the first feature."""
    made = make_network([2], 1, aggregation="average", fusion="late", batch_norm=False)
    with torch.no_grad():
        made.networks[0].classify.weight.copy_(torch.tensor([[4.0, 0.0]]))
        made.networks[0].classify.bias.zero_()
    return made


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_the_clip_without_which_the_probability_falls_tells(network):
    clips = np.array([[0, 5], [1, 5], [0, 5], [0, 5]], np.float32)
    probabilities, raised = telling(network, [clips], recipe(), CPU)
    # The mean of the first feature is 1/4; without clip 1 it is 0, without another one 1/3.
    assert probabilities == pytest.approx([sigmoid(1)])
    assert raised[:, 0] == pytest.approx(
        [sigmoid(1) - sigmoid(4 / 3), sigmoid(1) - 0.5, *[sigmoid(1) - sigmoid(4 / 3)] * 2]
    )


def test_a_clip_of_one_snippet_of_two_counts_half(network):
    clips = np.zeros((8, 2), np.float32)
    clips[5, 0] = 1
    probabilities, raised = telling(network, [clips], recipe(), CPU)
    assert probabilities == pytest.approx([(0.5 + sigmoid(1)) / 2])
    assert raised[5, 0] == pytest.approx((sigmoid(1) - 0.5) / 2)
    assert raised[:4, 0] == pytest.approx([0, 0, 0, 0])


def test_a_single_clip_has_nothing_to_be_compared_with(network):
    assert telling(network, [np.ones((1, 2), np.float32)], recipe(), CPU)[1].tolist() == [[0.0]]


@pytest.mark.parametrize("aggregation", ["transformer", "gru", "conv", "average", "ctt"])
@pytest.mark.parametrize("short_snippets", ["zeros", "masked"])
def test_the_probabilities_are_those_of_the_test(aggregation, short_snippets):
    torch.manual_seed(0)
    network = make_network([3, 2], 10, aggregation=aggregation, fusion="late", batch_norm=True)
    random = np.random.default_rng(0)
    vectors = tuple(random.normal(size=(10, features)).astype(np.float32) for features in (3, 2))
    one = Examples(vectors, (np.array([0]),) * 2, np.array([10]), np.zeros((1, 10), np.float32))
    how = recipe(aggregation, short_snippets)
    expected = predict(network, one, how, CPU)[0]
    assert telling(network, vectors, how, CPU)[0] == pytest.approx(expected, abs=1e-6)
