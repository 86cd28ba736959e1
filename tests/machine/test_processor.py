"""The processor's maker, and whether its bfloat16 is fast."""

from __future__ import annotations

import pytest
import torch

from trailers.machine import processor
from trailers.machine.processor import has_bfloat16, is_intel


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Xeon\n", True),
        ("processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: EPYC beside GenuineIntel\n", False),
        ("processor\t: 0\nCPU implementer\t: 0x41\n", False),
        (None, True),
    ],
)
def test_the_makers_name_decides(tmp_path, text, expected):
    if text is not None:
        (tmp_path / "cpuinfo").write_text(text)
    assert is_intel(tmp_path / "cpuinfo") == expected


@pytest.mark.parametrize(
    ("able", "intel", "supported", "fast"),
    [
        ({"avx512_bf16": True}, False, True, True),
        ({"avx512_bf16": True}, True, True, False),
        ({"avx512_bf16": True, "amx_bf16": True}, True, True, True),
        ({"amx_bf16": True}, False, True, True),
        ({"bf16": True}, False, True, True),
        ({"sve_bf16": True}, False, True, True),
        ({"avx512_bf16": True}, False, False, False),
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False}, False, True, False),
    ],
)
def test_bfloat16_is_fast_where_the_maker_has_units_for_it(monkeypatch, able, intel, supported, fast):
    monkeypatch.setattr(processor, "is_intel", lambda: intel)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: supported)
    assert has_bfloat16() == fast
