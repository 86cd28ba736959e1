"""The contribution of each clip to a genre, and the genre probabilities over time."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from trailers.classifier import contribution
from trailers.classifier.contribution import explain, genres_over_time
from trailers.classifier.networks import make_network
from trailers.classifier.recipe import Recipe
from trailers.classifier.snippets import Examples
from trailers.classifier.synthetic import make_signal, plant
from trailers.classifier.training import Training, predict, train

CPU = torch.device("cpu")


pytestmark = pytest.mark.usefixtures("one_thread")


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


def test_the_clip_without_which_the_probability_falls_contributes(network):
    clips = np.array([[0, 5], [1, 5], [0, 5], [0, 5]], np.float32)
    explanation = explain(network, [clips], recipe(), CPU)
    # The mean of the first feature is 1/4; without clip 1 it is 0, without another one 1/3.
    assert explanation.probabilities == pytest.approx([sigmoid(1)])
    assert explanation.contributions[:, 0] == pytest.approx(
        [sigmoid(1) - sigmoid(4 / 3), sigmoid(1) - 0.5, *[sigmoid(1) - sigmoid(4 / 3)] * 2]
    )
    assert explanation.logit_contributions[:, 0] == pytest.approx([-1 / 3, 1, -1 / 3, -1 / 3])


def test_a_clip_in_one_of_two_snippets_counts_half_in_probability_and_fully_in_logit(network):
    clips = np.zeros((8, 2), np.float32)
    clips[5, 0] = 1
    explanation = explain(network, [clips], recipe(), CPU)
    assert explanation.probabilities == pytest.approx([(0.5 + sigmoid(1)) / 2])
    assert explanation.snippets[:, 0] == pytest.approx([0.5, sigmoid(1)])
    assert (explanation.starts.tolist(), explanation.ends.tolist()) == ([0, 4], [4, 8])
    assert explanation.contributions[5, 0] == pytest.approx((sigmoid(1) - 0.5) / 2)
    assert explanation.logit_contributions[5, 0] == pytest.approx(1)
    assert explanation.contributions[:4, 0] == pytest.approx([0, 0, 0, 0])


def test_contributions_are_float32_of_each_clip_and_genre(network):
    explanation = explain(network, [np.ones((7, 2), np.float32)], recipe(), CPU)
    assert (explanation.contributions.shape, explanation.contributions.dtype) == ((7, 1), np.float32)
    assert (explanation.logit_contributions.shape, explanation.logit_contributions.dtype) == ((7, 1), np.float32)


def test_a_single_clip_contributes_0(network):
    explanation = explain(network, [np.ones((1, 2), np.float32)], recipe(), CPU)
    assert explanation.contributions.tolist() == [[0.0]]
    assert explanation.logit_contributions.tolist() == [[0.0]]


@pytest.mark.parametrize("counts", [[], [0], [3, 4]])
def test_trailers_without_clips_or_with_different_clips_by_backbone_are_refused(network, counts):
    with pytest.raises(ValueError, match="the same number of clips in each backbone, at least 1"):
        explain(network, [np.ones((count, 2), np.float32) for count in counts], recipe(), CPU)


def test_small_batches_give_the_same_contributions(network, monkeypatch):
    clips = np.random.default_rng(0).normal(size=(11, 2)).astype(np.float32)
    whole = explain(network, [clips], recipe(), CPU)
    monkeypatch.setattr(contribution, "BATCH_NUMBERS", 17)
    assert explain(network, [clips], recipe(), CPU).contributions == pytest.approx(whole.contributions, abs=1e-7)


def test_over_time_the_snippet_moves_by_a_step_and_ends_with_the_last_clip(network):
    clips = np.zeros((7, 2), np.float32)
    clips[6, 0] = 1
    course = genres_over_time(network, [clips], recipe(), CPU, step_clips=2)
    assert (course.starts.tolist(), course.ends.tolist()) == ([0, 2, 3], [4, 6, 7])
    assert course.probabilities[:, 0] == pytest.approx([0.5, 0.5, sigmoid(1)])


def test_over_time_a_trailer_shorter_than_a_snippet_is_one_snippet(network):
    course = genres_over_time(network, [np.zeros((3, 2), np.float32)], recipe(), CPU, step_clips=1)
    assert (course.starts.tolist(), course.ends.tolist()) == ([0], [3])


@pytest.mark.parametrize("short_snippets", ["zeros", "masked"])
def test_steps_of_a_snippet_are_the_snippets_of_the_test(network, short_snippets):
    clips = np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32)
    settings = recipe(short_snippets=short_snippets)
    course = genres_over_time(network, [clips], settings, CPU, step_clips=4)
    assert course.probabilities == pytest.approx(explain(network, [clips], settings, CPU).snippets)


@pytest.mark.parametrize("aggregation", ["transformer", "gru", "conv", "average", "ctt"])
@pytest.mark.parametrize("short_snippets", ["zeros", "masked"])
def test_the_probabilities_are_those_of_the_test(aggregation, short_snippets):
    torch.manual_seed(0)
    network = make_network([3, 2], 10, aggregation=aggregation, fusion="late", batch_norm=True)
    random = np.random.default_rng(0)
    vectors = tuple(random.normal(size=(10, features)).astype(np.float32) for features in (3, 2))
    one = Examples(vectors, (np.array([0]),) * 2, np.array([10]), np.zeros((1, 10), np.float32))
    settings = recipe(aggregation, short_snippets)
    expected = predict(network, one, settings, CPU)[0]
    assert explain(network, vectors, settings, CPU).probabilities == pytest.approx(expected, abs=1e-6)


CLIPS, FEATURES, GENRES = 10, 8, 2


def planted_examples(signals, trailers, seed):
    """Trailers with both genres or neither, with the vectors of one backbone per signal."""
    labels = np.random.default_rng(seed).random((trailers, GENRES)) < 0.4
    tables = []
    for number, signal in enumerate(signals):
        random = np.random.default_rng([seed, number])
        tables.append(np.concatenate([plant(own, CLIPS, signal, random) for own in labels]))
    firsts = (np.arange(trailers) * CLIPS,) * len(tables)
    return Examples(tuple(tables), firsts, np.full(trailers, CLIPS), labels.astype(np.float32))


@pytest.mark.parametrize(
    ("aggregation", "fusion", "backbones", "epochs"),
    [
        *((aggregation, "late", 1, 5) for aggregation in ("gru", "conv", "ctt")),
        ("average", "late", 1, 25), ("transformer", "late", 2, 3), ("conv", "early", 2, 5),
    ],
)  # fmt: skip
def test_a_trained_network_names_the_clip_that_was_planted(aggregation, fusion, backbones, epochs):
    """Trained on trailers with the signal in one or two clips, explained on one with the signal in one clip."""
    signals = [
        make_signal("clip", genres=GENRES, features=FEATURES, strength=6, share=0.15, seed=seed)
        for seed in range(backbones)
    ]
    settings = dataclasses.replace(
        recipe(aggregation), fusion=fusion, epochs=epochs, batch_trailers=16, learning_rate=0.005, snippet_clips=CLIPS,
        batch_norm=True,
    )  # fmt: skip
    training = Training(settings, [FEATURES] * backbones, GENRES, CPU)
    training.network.load_state_dict(
        train(training, planted_examples(signals, 300, 1), planted_examples(signals, 60, 2)).state
    )
    for planted, genre in ((3, 0), (17, 1), (9, 1)):
        vectors = [np.random.default_rng(planted).normal(size=(20, FEATURES)).astype(np.float32) for _ in signals]
        for table, signal in zip(vectors, signals, strict=True):
            table[planted] += np.float32(signal.strength) * signal.directions[0, genre]
        explanation = explain(training.network, vectors, settings, CPU)
        for found in (explanation.contributions, explanation.logit_contributions):
            assert found[:, genre].argmax() == planted
            assert found[planted, genre] > found[planted, 1 - genre]
