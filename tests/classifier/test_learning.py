"""The networks learn known signals; an oracle gives the best possible score."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch

from trailers.classifier.metrics import scores_of
from trailers.classifier.recipe import Recipe
from trailers.classifier.snippets import Examples
from trailers.classifier.synthetic import make_signal, odds, plant
from trailers.classifier.training import Training, predict, train

CPU = torch.device("cpu")
CLIPS, FEATURES = 10, 8
SIGNALS = {"clip": (1.5, 0.4), "order": (2.0, 0.5), "pairs": (4.0, 0.2)}  # strength, share


pytestmark = pytest.mark.usefixtures("one_thread")


def recipe(aggregation, epochs):
    return Recipe(
        aggregation=aggregation, fusion="late", seed=0, epochs=epochs, batch_trailers=32, learning_rate=0.003,
        snippet_clips=CLIPS, optimiser="adamw_amsgrad", weight_decay=0.01, plateau_epochs=10, plateau_factor=0.1,
        stop_epochs=0, batch_norm=True, short_snippets="zeros", validation_loss="snippets", no_positives="sklearn",
    )  # fmt: skip


def has_genre(trailers, seed):
    return np.random.default_rng(seed).random((trailers, 1)) < 0.4


def examples(signals, trailers, seed):
    """Trailers of ten clips with one genre or none, with the vectors of one backbone per signal."""
    labels = has_genre(trailers, seed)
    firsts = np.arange(trailers) * CLIPS
    tables = []
    for number, signal in enumerate(signals):
        random = np.random.default_rng([seed, number])
        tables.append(np.concatenate([plant(own, CLIPS, signal, random) for own in labels]))
    lengths = np.full(trailers, CLIPS)
    return Examples(tuple(tables), (firsts,) * len(tables), lengths, labels.astype(np.float32))


def average_precision(labels, scores):
    return scores_of(labels, scores, ("it",))["metrics"]["step"]["micro"]


@functools.cache
def signal(kind, seed=0):
    strength, share = SIGNALS[kind]
    return make_signal(kind, genres=1, features=FEATURES, strength=strength, share=share, seed=seed)


@functools.cache
def oracle(kind):
    test = examples([signal(kind)], 600, seed=3)
    known = np.array([odds(clips, signal(kind)) for clips in test.vectors[0].reshape(600, CLIPS, FEATURES)])
    return average_precision(test.labels, known)


def learned(signals, aggregation, epochs=15):
    train_set, validation, test = (examples(signals, n, seed) for n, seed in ((1000, 1), (300, 2), (600, 3)))
    training = Training(recipe(aggregation, epochs), train_set.features, 1, CPU)
    training.network.load_state_dict(train(training, train_set, validation).state)
    return average_precision(test.labels, predict(training.network, test, training.recipe, CPU))


@pytest.mark.parametrize(
    ("aggregation", "margin"),
    # The average sees less, because its ReLU removes features that a genre makes smaller.
    [("transformer", 4), ("gru", 4), ("conv", 4), ("average", 6), ("ctt", 4)],
)
def test_a_signal_in_single_clips_is_learned_by_every_network(aggregation, margin):
    assert 80 < oracle("clip") < 99
    assert learned([signal("clip")], aggregation, epochs=8) > oracle("clip") - margin


@pytest.mark.parametrize(("aggregation", "margin"), [("gru", 4), ("conv", 10)])
def test_the_order_of_clips_is_learned_by_networks_that_look_at_neighbours(aggregation, margin):
    assert oracle("order") > 98
    assert learned([signal("order")], aggregation) > oracle("order") - margin


@pytest.mark.parametrize("aggregation", ["average", "transformer"])
def test_the_order_of_clips_is_not_learned_by_networks_that_do_not_look_at_neighbours(aggregation):
    """Without positions the transformer and the average ignore the order. A constant prediction scores about 40."""
    assert learned([signal("order")], aggregation, epochs=6) < 50


@pytest.mark.slow
@pytest.mark.parametrize("aggregation", ["transformer", "gru"])
def test_co_occurrence_is_learned_by_networks_that_compare_clips(aggregation):
    assert oracle("pairs") > 90
    assert learned([signal("pairs")], aggregation) > oracle("pairs") - 6


@pytest.mark.parametrize("aggregation", ["average", "conv"])
def test_co_occurrence_is_not_learned_from_the_mean_and_half_learned_by_filters(aggregation):
    assert learned([signal("pairs")], aggregation) < oracle("pairs") - 15


def test_late_fusion_improves_with_backbones_that_see_different_signals():
    alone = [learned([signal("clip", seed)], "conv", epochs=8) for seed in (0, 1)]
    assert learned([signal("clip", 0), signal("clip", 1)], "conv", epochs=8) > max(alone) + 2


@pytest.mark.parametrize("kind", SIGNALS)
def test_the_mean_vector_reveals_only_signals_in_single_clips(kind):
    """Of the other signals, clips with and without the genre have the same mean."""
    table = examples([signal(kind)], 2000, seed=5)
    along = table.vectors[0].reshape(2000, CLIPS, FEATURES).mean(axis=1) @ signal(kind).directions.sum(axis=(0, 1))
    labels = table.labels[:, 0] > 0
    difference = along[labels].mean() - along[~labels].mean()
    assert (abs(difference) < 0.1) == (kind != "clip")


def test_the_oracle_is_right_about_probabilities():
    """Half of the trailers to which it gives even odds have the genre."""
    test = examples([signal("pairs")], 6000, seed=9)
    known = np.array([odds(c, signal("pairs"))[0] for c in test.vectors[0].reshape(6000, CLIPS, FEATURES)])
    undecided = np.abs(known + np.log(0.4 / 0.6)) < 0.5
    assert undecided.sum() > 100
    assert abs(test.labels[undecided].mean() - 0.5) < 0.1


def test_impossible_settings_of_a_signal_are_refused():
    with pytest.raises(ValueError, match="a signal must be one of clip, order, pairs, got 'colour'"):
        make_signal("colour", genres=1, features=4, strength=1, share=0.1, seed=0)
    with pytest.raises(ValueError, match=r"for pairs up to 0\.5, got 0\.6"):
        make_signal("pairs", genres=1, features=4, strength=1, share=0.6, seed=0)
