"""Who made this machine's processor, and so which of its instructions are fast."""

from __future__ import annotations

from pathlib import Path


def is_intel(processor: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether Intel made the processor, according to the text that Linux writes to ``processor``.

    True on other systems, where torch's defaults for Intel's processors are the safe choice.
    """
    try:
        lines = processor.read_text(errors="replace").splitlines()
    except OSError:
        return True
    return any(line.split() == ["vendor_id", ":", "GenuineIntel"] for line in lines)


def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 faster than float32. Imports torch.

    Without AMX, which a virtual machine may hide, Intel's bfloat16 instructions are slower than its float32 ones:
    convolutions take 1.4 to 1.7 times as long. AMD's and ARM's are faster.
    """
    import torch

    able = torch.cpu.get_capabilities()
    fast = ("amx_bf16",) if is_intel() else ("amx_bf16", "avx512_bf16", "bf16", "sve_bf16")
    return any(able.get(name) for name in fast) and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
