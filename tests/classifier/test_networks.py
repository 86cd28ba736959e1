"""The networks: their sizes, and the equality of the fast and the plain implementation."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from trailers.classifier.networks import AGGREGATIONS, ClipNorm, Transformer, make_network, parameters
from trailers.errors import ConfigError


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("aggregation", "features", "expected"),
    [
        ("transformer", 512, 331_530),
        ("transformer", 768, 364_810),
        ("transformer", 1024, 398_090),
        ("transformer", 2048, 531_210),
        ("gru", 768, 308_021),
        ("conv", 768, 297_866),
        ("average", 768, 1_536 + 7_690),
        ("ctt", 2048, 5 * 2048 * 256 + 256 + 2_570),
    ],
)
def test_networks_have_the_published_number_of_parameters(aggregation, features, expected):
    network = make_network([features], 10, aggregation=aggregation, fusion="late", batch_norm=True)
    assert parameters(network) == expected


def test_batch_norm_has_two_parameters_per_feature():
    with_norm, without = (
        make_network([768], 10, aggregation="transformer", fusion="late", batch_norm=norm) for norm in (True, False)
    )
    assert parameters(with_norm) - parameters(without) == 2 * 768


class PlainTransformer(nn.Module):
    """The description of the paper, step by step, with separate products for queries, keys and values."""

    def __init__(self, features, genres):
        super().__init__()
        self.norm = nn.BatchNorm1d(features)
        self.reduce = nn.Linear(features, 128)
        self.queries, self.keys, self.values, self.attended = (nn.Linear(128, 128, bias=False) for _ in range(4))
        self.attention_norm, self.feed_forward_norm = nn.LayerNorm(128), nn.LayerNorm(128)
        self.widen, self.narrow = nn.Linear(128, 768), nn.Linear(768, 128)
        self.classify = nn.Linear(128, genres)

    def forward(self, x):
        x = self.reduce(self.norm(x.transpose(1, 2)).transpose(1, 2))
        heads = []
        for head in range(4):
            part = slice(32 * head, 32 * head + 32)
            queries, keys, values = (layer(x)[..., part] for layer in (self.queries, self.keys, self.values))
            heads.append((queries @ keys.transpose(1, 2) / 32**0.5).softmax(dim=2) @ values)
        x = self.attention_norm(x + self.attended(torch.cat(heads, dim=2)))
        x = self.feed_forward_norm(x + self.narrow(F.relu(self.widen(x))))
        return self.classify(x.mean(dim=1))

    def load(self, network):
        state = dict(network.state_dict())
        parts = state.pop("queries_keys_values.weight").split(128)
        state |= {f"{name}.weight": part for name, part in zip(("queries", "keys", "values"), parts, strict=True)}
        self.load_state_dict(state)


@pytest.fixture
def pair(monkeypatch):
    """Our transformer and the plain one with the same weights, without dropout."""
    monkeypatch.setattr("trailers.classifier.networks.DROPOUT", 0.0)
    ours, plain = Transformer(48, 10, batch_norm=True), PlainTransformer(48, 10)
    with torch.no_grad():
        ours.norm.weight.uniform_(0.5, 2)
        ours.norm.bias.normal_()
    plain.load(ours)
    return ours, plain


def test_the_transformer_equals_the_plain_one_in_training(pair):
    ours, plain = pair
    x = 3 * torch.randn(8, 30, 48) + 2
    weights = torch.randn(8, 10)
    found, expected = ours(x), plain(x)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    own = dict(ours.named_parameters())
    for name, parameter in plain.named_parameters():
        if name.split(".")[0] in ("queries", "keys", "values"):
            continue
        torch.testing.assert_close(own[name].grad, parameter.grad, rtol=1e-3, atol=1e-4, msg=name)
    together = torch.cat([getattr(plain, name).weight.grad for name in ("queries", "keys", "values")])
    torch.testing.assert_close(ours.queries_keys_values.weight.grad, together, rtol=1e-3, atol=1e-4)


def test_the_transformer_equals_the_plain_one_in_testing(pair):
    ours, plain = pair
    for _ in range(3):
        x = 3 * torch.randn(8, 30, 48) + 2
        ours(x), plain(x)
    torch.testing.assert_close(ours.norm.running_mean, plain.norm.running_mean)
    torch.testing.assert_close(ours.norm.running_var, plain.norm.running_var)
    ours.eval(), plain.eval()
    x = torch.randn(2, 30, 48)
    torch.testing.assert_close(ours(x), plain(x), rtol=1e-4, atol=1e-5)


def test_clip_norm_equals_torchs_batch_norm_over_all_clips():
    ours, theirs = ClipNorm(5), nn.BatchNorm1d(5)
    x = 4 * torch.randn(3, 7, 5) - 1
    torch.testing.assert_close(ours(x), theirs(x.reshape(21, 5)).reshape(3, 7, 5))
    torch.testing.assert_close(ours.running_var, theirs.running_var)


def test_batch_norm_works_with_a_single_clip():
    assert torch.isfinite(ClipNorm(5)(torch.randn(1, 1, 5))).all()


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_masked_padding_does_not_change_the_result(aggregation):
    """A snippet of 4 clips filled up to 9 gives the same as the 4 clips alone."""
    network = make_network([6], 10, aggregation=aggregation, fusion="late", batch_norm=True).eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, ClipNorm):
                module.running_mean.normal_()
                module.bias.normal_()
    clips = torch.randn(1, 4, 6)
    filled = torch.cat([clips, torch.zeros(1, 5, 6)], dim=1)
    torch.testing.assert_close(network([filled], torch.tensor([4])), network([clips]), rtol=1e-4, atol=1e-5)


def test_masked_padding_is_not_part_of_the_statistics_of_batch_norm():
    norm = ClipNorm(3)
    x = torch.randn(2, 4, 3) + 5
    x[1, 2:] = 0
    norm(x, torch.tensor([4, 2]))
    expected = torch.cat([x[0], x[1, :2]]).mean(dim=0)
    torch.testing.assert_close(norm.running_mean, 0.1 * expected)


@pytest.mark.parametrize("aggregation", ["transformer", "conv", "average"])
def test_padding_that_is_not_masked_counts_as_clips(aggregation):
    network = make_network([6], 10, aggregation=aggregation, fusion="late", batch_norm=True).eval()
    clips = torch.randn(1, 4, 6)
    filled = torch.cat([clips, torch.zeros(1, 5, 6)], dim=1)
    assert (network([filled]) - network([clips])).abs().max() > 1e-4


@pytest.mark.parametrize(
    ("aggregation", "matters"), [("transformer", False), ("average", False), ("gru", True), ("conv", True)]
)
def test_the_order_of_clips_matters_where_it_should(aggregation, matters):
    network = make_network([6], 10, aggregation=aggregation, fusion="late", batch_norm=True).eval()
    x = torch.randn(2, 9, 6)
    difference = (network([x]) - network([x.flip(1)])).abs().max()
    assert (difference > 1e-4) == matters


def test_late_fusion_is_the_mean_of_the_logits():
    network = make_network([6, 4, 2], 10, aggregation="average", fusion="late", batch_norm=True).eval()
    inputs = [torch.randn(3, 5, features) for features in (6, 4, 2)]
    alone = [part(x) for part, x in zip(network.networks, inputs, strict=True)]
    torch.testing.assert_close(network(inputs), (alone[0] + alone[1] + alone[2]) / 3)


def test_early_fusion_concatenates_the_vectors_and_normalises_each_backbone():
    network = make_network([6, 4], 10, aggregation="transformer", fusion="early", batch_norm=True)
    first, second = 5 * torch.randn(3, 5, 6) + 7, 0.1 * torch.randn(3, 5, 4)
    network([first, second])
    mean = network.network.norm.running_mean / 0.1
    torch.testing.assert_close(mean, torch.cat([first.mean(dim=(0, 1)), second.mean(dim=(0, 1))]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("aggregation", "fusion", "words"),
    [
        ("lstm", "late", "aggregation 'lstm' does not exist"),
        ("gru", "middle", "fusion must be one of early, late, got 'middle'"),
    ],
)
def test_an_unknown_network_is_refused(aggregation, fusion, words):
    with pytest.raises(ConfigError, match=words):
        make_network([6], 10, aggregation=aggregation, fusion=fusion, batch_norm=True)
