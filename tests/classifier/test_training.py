"""Batches, epochs, the schedule, and resuming from a checkpoint."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from trailers.classifier.recipe import Recipe
from trailers.classifier.snippets import Examples, test_snippets
from trailers.classifier.training import (
    Training,
    batches,
    network_for,
    predict,
    seeded,
    train,
    validation_loss_of,
)
from trailers.errors import ConfigError, SystemicError

CPU = torch.device("cpu")
test_snippets.__test__ = False  # pytest would run it as a test


pytestmark = pytest.mark.usefixtures("one_thread")


def recipe(**changes):
    usual = {
        "aggregation": "average", "fusion": "late", "seed": 0, "epochs": 4, "batch_trailers": 3, "learning_rate": 0.01,
        "snippet_clips": 4, "optimiser": "adamw_amsgrad", "weight_decay": 0.01, "plateau_epochs": 10,
        "plateau_factor": 0.1, "stop_epochs": 20, "batch_norm": True, "short_snippets": "zeros",
        "validation_loss": "snippets", "no_positives": "sklearn",
    }  # fmt: skip
    return Recipe(**{**usual, **changes})


def examples(count=7, seed=0, features=(3,)):
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 11, count)
    tables = tuple(random.normal(size=(lengths.sum(), f)).astype(np.float32) for f in features)
    labels = (random.random((count, 2)) < 0.5).astype(np.float32)
    return Examples(tables, (np.cumsum([0, *lengths[:-1]]),) * len(features), lengths, labels)


def test_batches_are_the_snippets_in_their_order_with_the_last_batch_short():
    table = np.arange(20, dtype=np.float32)[:, None]
    trailers = Examples((table,), (np.array([0, 10]),), np.array([10, 10]), np.zeros((2, 2), np.float32))
    snippets = test_snippets(trailers.lengths, clips=4)
    found = [
        (first, batch[0][..., 0].tolist(), counts)
        for first, batch, counts in batches(trailers, snippets, recipe(), 4, CPU)
    ]
    assert found == [
        (0, [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 0], [10, 11, 12, 13]], None),
        (4, [[14, 15, 16, 17], [18, 19, 0, 0]], None),
    ]


def test_the_number_of_clips_is_returned_if_short_snippets_are_masked():
    trailers = examples()
    snippets = test_snippets(trailers.lengths, clips=4)
    found = [counts for _, _, counts in batches(trailers, snippets, recipe(short_snippets="masked"), 100, CPU)]
    assert found[0].tolist() == snippets.counts.tolist()


def test_a_trailers_probability_is_the_plain_mean_over_its_snippets():
    trailers = examples(features=(3, 2))
    network = network_for(recipe(), (3, 2), 2).eval()
    found = predict(network, trailers, recipe(), CPU)
    for number, length in enumerate(trailers.lengths):
        snippets = []
        for start in range(0, length, 4):
            clips = [np.zeros((1, 4, f), np.float32) for f in (3, 2)]
            for table, first, clip in zip(trailers.vectors, trailers.firsts, clips, strict=True):
                part = table[first[number] + start : first[number] + min(start + 4, length)]
                clip[0, : len(part)] = part
            snippets.append(torch.sigmoid(network([torch.from_numpy(clip) for clip in clips]))[0].detach().numpy())
        assert found[number] == pytest.approx(np.mean(snippets, axis=0), abs=1e-6)


def test_probabilities_do_not_depend_on_the_number_of_threads():
    random = np.random.default_rng(1)
    lengths = np.array([400, 3, 150, 61])  # 101, 1, 38 and 16 snippets: five batches of 32 or fewer
    table = random.normal(size=(lengths.sum(), 96)).astype(np.float32)
    firsts = np.cumsum(lengths) - lengths
    trailers = Examples((table,), (firsts,), lengths, np.zeros((4, 2), np.float32))
    network = network_for(recipe(), (96,), 2)
    before = torch.get_num_threads()
    found = []
    for threads in (1, 2, 7):
        torch.set_num_threads(threads)
        found.append(predict(network, trailers, recipe(), CPU).tobytes())
        assert torch.get_num_threads() == threads
    torch.set_num_threads(before)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("aggregation", ["transformer", "gru", "conv", "average", "ctt"])
@pytest.mark.parametrize("stopped", [1, 3])
def test_a_training_resumed_after_any_epoch_gives_the_same_result(aggregation, stopped, tmp_path):
    settings = recipe(aggregation=aggregation, plateau_epochs=0)
    whole = train(Training(settings, (3,), 2, CPU), examples(), examples(4, 1))
    first = Training(settings, (3,), 2, CPU)
    for _ in range(stopped):
        first.run_epoch(examples(), examples(4, 1))
    torch.save(first.state(), tmp_path / "state.pt")
    second = Training(settings, (3,), 2, CPU)
    second.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    torch.rand(100)  # other random numbers drawn in between change nothing
    found = train(second, examples(), examples(4, 1))
    assert found.curves == whole.curves
    assert found.best_epoch == whole.best_epoch
    assert all(torch.equal(found.state[key], whole.state[key]) for key in whole.state)


def test_training_does_not_change_the_callers_random_state():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(Training(recipe(epochs=1), (3,), 2, CPU), examples(), examples(4, 1))
    assert torch.equal(torch.rand(3), expected)


def test_every_epoch_draws_different_snippets():
    drawn = []
    for epoch in (1, 2, 1):
        with seeded(0, epoch, CPU):
            drawn.append(torch.rand(1).item())
    assert drawn[0] == drawn[2] != drawn[1]


class Scripted(Training):
    """A training whose validation losses are given."""

    def __init__(self, settings, losses, monkeypatch):
        super().__init__(settings, (3,), 2, CPU)
        given = iter(losses)
        monkeypatch.setattr("trailers.classifier.training.validation_loss_of", lambda *_: next(given))


def test_the_best_epoch_is_the_first_of_the_lowest_validation_loss(monkeypatch):
    training = Scripted(recipe(epochs=5), [0.5, 0.3, 0.4, 0.3, 0.6], monkeypatch)
    states = []
    outcome = train(
        training,
        examples(),
        examples(4, 1),
        keep=lambda t: states.append(t.network.state_dict()["networks.0.norm.running_mean"].clone()),
    )
    assert outcome.best_epoch == 2
    assert torch.equal(outcome.state["networks.0.norm.running_mean"], states[1])


def test_training_stops_after_stop_epochs_without_improvement(monkeypatch):
    training = Scripted(recipe(epochs=100, stop_epochs=3), [0.5, 0.4, 0.41, 0.42, 0.43, 0.1], monkeypatch)
    assert len(train(training, examples(), examples(4, 1)).curves) == 5


def test_with_stop_epochs_0_training_does_not_stop_early(monkeypatch):
    training = Scripted(recipe(epochs=9, stop_epochs=0), [0.1] + [0.2] * 8, monkeypatch)
    assert len(train(training, examples(), examples(4, 1)).curves) == 9


def test_the_learning_rate_falls_on_a_plateau(monkeypatch):
    training = Scripted(recipe(epochs=6, plateau_epochs=2), [0.5] * 6, monkeypatch)
    outcome = train(training, examples(), examples(4, 1))
    # Epoch 1 is the best. After two more epochs of patience, the fourth reduces the rate of the fifth.
    assert [row.learning_rate for row in outcome.curves] == pytest.approx([0.01] * 4 + [0.001] * 2)


def test_a_loss_that_is_nan_stops_the_training_with_a_remedy(monkeypatch):
    training = Scripted(recipe(), [float("nan")], monkeypatch)
    with pytest.raises(SystemicError, match=r"nan \(validation\) in epoch 1\. Lower classify\.learning_rate"):
        training.run_epoch(examples(), examples(4, 1))


@pytest.mark.parametrize(
    ("optimiser", "kind", "amsgrad"),
    [("adam", "Adam", False), ("adamw", "AdamW", False), ("adamw_amsgrad", "AdamW", True)],
)
def test_the_optimiser_is_the_configured_one(optimiser, kind, amsgrad):
    made = Training(recipe(optimiser=optimiser, weight_decay=0.03), (3,), 2, CPU).optimiser
    assert type(made).__name__ == kind
    assert made.defaults["amsgrad"] == amsgrad
    assert made.defaults["weight_decay"] == 0.03
    assert made.defaults["fused"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": -1}, "classify.seed must be at least 0, got -1"),
        ({"snippet_clips": 0}, "classify.snippet_clips must be at least 1, got 0"),
        ({"plateau_factor": 1.0}, r"classify.plateau_factor must be between 0 and 1, got 1\.0"),
        ({"learning_rate": float("inf")}, "classify.learning_rate must be above 0, got inf"),
        ({"short_snippets": "repeat"}, "classify.short_snippets must be one of zeros, masked, got 'repeat'"),
    ],
)
def test_impossible_recipes_are_refused(changes, words):
    with pytest.raises(ConfigError, match=words):
        dataclasses.replace(recipe(), **changes)


def linear():
    """A network whose only logit is the mean of the clips of a snippet, and trailers to predict."""
    lengths = np.array([5, 2, 4])
    vectors = np.linspace(-2, 2, 11, dtype=np.float32)[:, None]
    labels = np.array([[1], [0], [1]], np.float32)
    network = torch.nn.Module()
    network.forward = lambda batch, counts: batch[0].mean(dim=1)
    return network, Examples((vectors,), (np.array([0, 5, 7]),), lengths, labels)


@pytest.mark.parametrize(
    ("validation_loss", "batch_trailers", "groups"),
    [
        # Snippets of four clips: trailer 0 has two, the others one each. Every batch has the same weight.
        ("snippets", 2, [[0, 1, 2], [3]]),
        ("snippets", 3, [[0, 1, 2, 3]]),
        ("trailers", 2, None),
    ],
)
def test_the_validation_loss_uses_snippets_as_the_authors_do_or_trailers(validation_loss, batch_trailers, groups):
    network, trailers = linear()
    # Means of the clips; the second snippet of trailer 0 and that of trailer 1 are filled with zeros.
    means = [(-2 - 1.6 - 1.2 - 0.8) / 4, -0.4 / 4, (0.0 + 0.4) / 4, (0.8 + 1.2 + 1.6 + 2.0) / 4]
    p = 1 / (1 + np.exp(-np.array(means)))
    if groups is None:
        expected = -np.mean([np.log((p[0] + p[1]) / 2), np.log(1 - p[2]), np.log(p[3])])
    else:
        losses = np.array([-np.log(p[0]), -np.log(p[1]), -np.log(1 - p[2]), -np.log(p[3])])
        expected = np.mean([losses[group].mean() for group in groups])
    settings = recipe(validation_loss=validation_loss, batch_trailers=batch_trailers, snippet_clips=4)
    assert validation_loss_of(network, trailers, settings, CPU) == pytest.approx(expected, abs=1e-7)
