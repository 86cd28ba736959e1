"""A batch computed in parts gives the same as the whole batch, with any number of threads."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from trailers.classifier.dropout import kept
from trailers.classifier.moments import moments_of, side_by_side, together
from trailers.classifier.networks import AGGREGATIONS
from trailers.classifier.parts import PART_TRAILERS, Learner
from trailers.classifier.recipe import Recipe
from trailers.classifier.snippets import Examples, gather, training_snippets
from trailers.classifier.training import Training, train

CPU = torch.device("cpu")
RECIPE = Recipe(
    aggregation="transformer", fusion="late", seed=3, epochs=2, batch_trailers=40, learning_rate=0.01,
    snippet_clips=6, optimiser="adamw_amsgrad", weight_decay=0.01, plateau_epochs=10, plateau_factor=0.1,
    stop_epochs=20, batch_norm=True, short_snippets="masked", validation_loss="snippets", no_positives="sklearn",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def examples(count=90, seed=0, features=(5, 3)):
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 15, count)
    tables = tuple(random.normal(2, 3, size=(lengths.sum(), f)).astype(np.float32) for f in features)
    labels = (random.random((count, 2)) < 0.5).astype(np.float32)
    return Examples(tables, (np.cumsum(lengths) - lengths,) * len(features), lengths, labels)


def trained(settings, threads, *, between=None):
    """Train two epochs with ``threads`` threads; with ``between``, the second epoch with that number."""
    torch.set_num_threads(threads)
    training = Training(settings, (5, 3), 2, CPU)
    if between is not None:
        training.run_epoch(examples(), examples(20, 1))
        state = training.state()
        torch.set_num_threads(between)
        training = Training(settings, (5, 3), 2, CPU)
        training.restore(state)
    return train(training, examples(), examples(20, 1))


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize(("fusion", "short_snippets"), [("late", "masked"), ("early", "zeros")])
def test_a_training_does_not_depend_on_the_number_of_threads(aggregation, fusion, short_snippets):
    # Batches of 40, 40 and 10: two full parts and a short one, twice; then one short part.
    settings = dataclasses.replace(RECIPE, aggregation=aggregation, fusion=fusion, short_snippets=short_snippets)
    expected = trained(settings, 1)
    for found in (trained(settings, 2), trained(settings, 5), trained(settings, 3, between=1)):
        assert found.curves == expected.curves
        assert all(torch.equal(found.state[key], expected.state[key]) for key in expected.state)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("fusion", ["late", "early"])
@pytest.mark.parametrize("short_snippets", ["masked", "zeros"])
def test_the_gradients_of_a_batch_are_those_of_the_whole_batch(aggregation, fusion, short_snippets, monkeypatch):
    for name in ("DROPOUT", "CTT_DROPOUT"):
        monkeypatch.setattr(f"trailers.classifier.networks.{name}", 0.0)
    settings = dataclasses.replace(RECIPE, aggregation=aggregation, fusion=fusion, short_snippets=short_snippets)
    trailers = examples(40)
    snippets = training_snippets(trailers.lengths, clips=6, random=np.random.default_rng(1))
    assert len(snippets) > 2 * PART_TRAILERS

    whole = Training(settings, (5, 3), 2, CPU).network.train()
    counts = torch.from_numpy(snippets.counts) if short_snippets == "masked" else None
    batch = [torch.from_numpy(table) for table in gather(trailers, snippets, clips=6)]
    wanted = torch.from_numpy(trailers.labels[snippets.trailers])
    expected = F.binary_cross_entropy_with_logits(whole(batch, counts), wanted)
    expected.backward()

    training = Training(settings, (5, 3), 2, CPU)
    training.optimiser.step = lambda: None
    loss = Learner(training.network, training.optimiser, settings, CPU, trailers, snippets, (0, 1)).learn()
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    for (name, one), two in zip(whole.named_parameters(), training.network.parameters(), strict=True):
        torch.testing.assert_close(two.grad, one.grad, rtol=1e-4, atol=1e-6, msg=name)
    for (name, one), two in zip(whole.named_buffers(), training.network.buffers(), strict=True):
        torch.testing.assert_close(two, one, rtol=1e-5, atol=1e-6, msg=name)


def test_after_an_epoch_batch_norm_uses_whole_batches_again():
    training = Training(RECIPE, (5, 3), 2, CPU)
    training.learn(examples(), np.random.default_rng(0))
    assert [network.norm.moments for network in training.network.networks] == [None, None]


def test_moments_of_parts_are_those_of_all_clips():
    x = 1000 + torch.randn(7, 4, 3)
    counts = torch.tensor([4, 1, 2, 4, 3, 4, 1])
    found = together([moments_of(x[:3], counts[:3]), moments_of(x[3:4]), moments_of(x[4:], counts[4:])])
    rows = torch.cat([clips[:count] for clips, count in zip(x, counts, strict=True)]).double()
    assert found.clips == 19
    torch.testing.assert_close(found.mean.double(), rows.mean(dim=0), rtol=1e-6, atol=0)
    torch.testing.assert_close(found.variance.double(), rows.var(dim=0, unbiased=False), rtol=1e-3, atol=0)
    torch.testing.assert_close(found.unbiased.double(), rows.var(dim=0), rtol=1e-3, atol=0)


def test_moments_of_several_backbones_are_those_of_concatenated_vectors():
    x, y = torch.randn(2, 4, 3), torch.randn(2, 4, 2)
    found, expected = side_by_side([moments_of(x), moments_of(y)]), moments_of(torch.cat([x, y], dim=2))
    torch.testing.assert_close(found.mean, expected.mean)
    torch.testing.assert_close(found.squares, expected.squares)


def test_dropout_zeroes_its_share_and_rescales_the_rest():
    random = np.random.default_rng(0)
    first, second = kept((1001, 101), 0.25, random), kept((1001, 101), 0.25, random)
    assert first.unique().tolist() == pytest.approx([0, 4 / 3])
    assert (first == 0).float().mean() == pytest.approx(0.25, abs=0.005)
    # Independent draws: the second also drops a quarter of the features that the first dropped.
    assert (second[first == 0] == 0).float().mean() == pytest.approx(0.25, abs=0.01)
    assert (first[:, 1:][first[:, :-1] == 0] == 0).float().mean() == pytest.approx(0.25, abs=0.01)
    assert torch.equal(kept((1001, 101), 0.25, np.random.default_rng(0)), first)


def test_epochs_batches_and_parts_drop_different_features(monkeypatch):
    drawn = []

    def note(shape, dropped, random):
        drawn.append(kept(shape, dropped, random))
        return drawn[-1]

    monkeypatch.setattr("trailers.classifier.networks.kept", note)
    torch.set_num_threads(1)
    training = Training(dataclasses.replace(RECIPE, aggregation="ctt", batch_trailers=32), (5, 3), 2, CPU)
    for _ in range(2):
        training.run_epoch(examples(64), examples(20, 1))
    # Two epochs of two batches of two parts, each through two networks.
    assert len(drawn) == 16
    assert len({tuple(mask.flatten().tolist()) for mask in drawn}) == 16
