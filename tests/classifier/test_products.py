"""Products by oneDNN if it multiplies in float32."""

from __future__ import annotations

import pytest
import torch

from trailers.classifier import products
from trailers.classifier.products import fastest_products, is_exact


@pytest.mark.parametrize("intel", [True, False])
def test_products_are_those_of_float32_and_the_switch_is_restored(monkeypatch, intel):
    monkeypatch.setattr(products, "is_intel", lambda: intel)
    before = torch.backends.mkldnn.matmul.fp32_precision
    torch.manual_seed(0)
    left, right = torch.randn(960, 768), torch.randn(768, 128)
    with fastest_products():
        found = left @ right
    expected = left.double() @ right.double()
    # Float32 sums of 768 products err by about 1e-4 here, bfloat16 products by about 0.1.
    assert (found - expected).abs().max() < 1e-3
    assert torch.backends.mkldnn.matmul.fp32_precision == before


def test_rounded_products_are_detected_and_not_used(monkeypatch):
    monkeypatch.setattr(products, "is_intel", lambda: False)
    assert is_exact()
    real = torch.Tensor.__matmul__
    monkeypatch.setattr(torch.Tensor, "__matmul__", lambda a, b: real(a.bfloat16(), b.bfloat16()).float())
    assert not is_exact()
    with fastest_products() as chosen:
        assert not chosen
        assert torch.backends.mkldnn.matmul.fp32_precision != "bf16"


def test_the_switch_is_restored_after_an_error():
    before = torch.backends.mkldnn.matmul.fp32_precision
    with pytest.raises(KeyError), fastest_products():
        raise KeyError
    assert torch.backends.mkldnn.matmul.fp32_precision == before


def test_an_intel_processor_uses_mkl(monkeypatch):
    monkeypatch.setattr(products, "is_intel", lambda: True)
    with fastest_products() as chosen:
        assert not chosen
