"""A job computes on the configured device, a GPU that torch can use, or it stops and states the cause."""

from __future__ import annotations

import logging
import os

import pytest
import torch

from trailers.errors import ConfigError, SystemicError
from trailers.machine import device as device_module
from trailers.machine import nvidia
from trailers.machine.device import capabilities_text, choose_device, driver_is_too_old, reduced_precisions, runs_on
from trailers.machine.gpu import STRICT

WHEEL = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"]


@pytest.fixture
def set_aside(monkeypatch):
    """The causes for which devices were set aside, and whether lasting."""
    causes = []
    monkeypatch.setattr(device_module, "set_aside", lambda cause, lasting=False: causes.append((cause, lasting)))
    return causes


@pytest.fixture
def card(monkeypatch, set_aside):
    """A function that simulates a machine with a card of the given capability."""

    def make(capability=(8, 0), *, exact=True, count=1, driver="580.65.06"):
        monkeypatch.delenv("TRAILERS_GPU", raising=False)
        monkeypatch.setattr(torch.version, "cuda", "13.0")
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda number=0: capability)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda number=0: "Some Card")
        monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: WHEEL)
        monkeypatch.setattr(device_module, "is_exact_float32", exact if callable(exact) else lambda device: exact)
        monkeypatch.setattr(device_module, "driver_version", lambda: driver)

    return make


def fails(words):
    def compute(device):
        raise RuntimeError(words)

    return compute


def choose(wanted):
    return choose_device(wanted, setting="shots.device")


@pytest.mark.parametrize("wanted", ["auto", "cuda", "cuda:0"])
def test_a_card_that_computes_is_used(card, wanted):
    card()
    assert choose(wanted) == ("cuda" if wanted == "auto" else wanted)
    assert choose("cpu") == "cpu"


def test_without_a_gpu_auto_means_cpu(card, caplog):
    card(count=0, driver="")
    assert choose("auto") == "cpu"
    assert caplog.messages == []


@pytest.mark.parametrize("wanted", ["tpu", "", "gpu", "cuda:", "cuda:x", "cuda:-1", "CPU", "mps"])
def test_an_unknown_device_is_refused(wanted):
    with pytest.raises(ConfigError, match=rf"^shots.device: '{wanted}' is not a device. Use auto, cpu or cuda"):
        choose(wanted)


def test_a_gpu_number_that_does_not_exist_is_refused(card):
    card()
    with pytest.raises(ConfigError, match=r"shots.device: 'cuda:1' is requested, but torch finds 1 GPUs"):
        choose("cuda:1")


# Machine, words of the problem, and whether its card is set aside: None: no; False: for a while; True: lasting.
TROUBLES = {
    "torch finds no GPU": ({"count": 0}, "torch finds no GPU: .*", None),
    "an old driver": ({"count": 0, "driver": "535.104.05"},
                      "driver 535.104.05 is too old for torch's CUDA 13.0, which needs 580 or newer", None),
    "an old card": ({"capability": (7, 0)}, "Some Card has compute capability 7.0, but torch .* was built for "
                    "7.5, 8.0, 8.6, 9.0, 10.0 and 12.0", True),
    "a lost card": ({"exact": fails("CUDA error: unspecified launch failure\nmore")},
                    "CUDA error: unspecified launch failure", False),
    "a card in use": ({"exact": fails("CUDA error: CUDA-capable device(s) is/are busy or unavailable")}, "busy",
                      False),
    "a card that rounds": ({"exact": False}, "rounds float32", False),
}  # fmt: skip


@pytest.mark.parametrize(("machine", "words", "aside"), TROUBLES.values(), ids=TROUBLES.keys())
@pytest.mark.parametrize("wanted", ["auto", "cuda"])
def test_a_leased_gpu_that_torch_cannot_use_stops_the_job(card, monkeypatch, set_aside, machine, words, aside, wanted):
    card(**machine)
    monkeypatch.setenv("TRAILERS_GPU", "GPU-aaaa0000")
    with pytest.raises(SystemicError, match=rf"^shots.device: torch cannot use GPU GPU-aaaa0000.*: .*{words}") as found:
        choose(wanted)
    assert "cpu" in found.value.remedy
    assert [lasting for _, lasting in set_aside] == ([] if aside is None else [aside])
    assert choose("cpu") == "cpu"


@pytest.mark.parametrize(("machine", "words", "aside"), TROUBLES.values(), ids=TROUBLES.keys())
def test_without_a_lease_auto_falls_back_to_the_cpu_with_a_message_and_cuda_is_refused(
    card, caplog, machine, words, aside
):
    caplog.set_level(logging.WARNING)
    card(**machine)
    assert choose("auto") == "cpu"
    (message,) = caplog.messages
    assert message.startswith("shots.device: computing on the CPU, because torch cannot use the GPU: ")
    with pytest.raises(ConfigError, match=rf"^shots.device: 'cuda' is requested, but .*{words}"):
        choose("cuda")


def test_a_torch_built_without_cuda_is_reported(card, monkeypatch):
    card()
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(ConfigError, match="was built without CUDA"):
        choose("cuda")


@pytest.mark.parametrize(
    ("capability", "runs"),
    [((7, 0), False), ((6, 1), False), ((7, 5), True), ((8, 0), True), ((8, 7), True), ((8, 9), True), ((9, 0), True),
     ((10, 0), True), ((10, 3), True), ((11, 0), False), ((12, 0), True), ((12, 1), True), ((13, 0), False)],
)  # fmt: skip
def test_cards_run_code_of_their_own_generation(capability, runs):
    assert runs_on(WHEEL, capability) is runs


@pytest.mark.parametrize(
    ("architectures", "capability", "runs"),
    [(["sm_90a"], (9, 0), True), (["sm_80", "compute_80"], (9, 0), True), (["compute_90"], (8, 0), False),
     (["sm_86"], (8, 0), False), ([], (8, 0), False), (["nonsense"], (8, 0), False)],
)  # fmt: skip
def test_code_that_is_not_compiled_yet_runs_on_all_later_cards(architectures, capability, runs):
    assert runs_on(architectures, capability) is runs


def test_architectures_in_words():
    assert capabilities_text(["sm_75"]) == "7.5"
    assert capabilities_text(["sm_75", "sm_90a", "sm_120"]) == "7.5, 9.0 and 12.0"


@pytest.mark.parametrize(
    ("driver", "cuda", "old"),
    [("535.104.05", "13.0", True), ("580.65.06", "13.0", False), ("590.1", "13.2", False),
     ("535.104.05", "12.8", False),
     ("470.82.01", "12.1", True), ("470.82.01", "11.8", False), ("300.1", "14.0", False), ("300.1", None, False)],
)  # fmt: skip
def test_a_driver_runs_a_cuda_that_is_not_too_new_for_it(driver, cuda, old):
    assert bool(driver_is_too_old(driver, cuda)) is old


@pytest.mark.parametrize(("fast", "found"), [(True, ("bfloat16",)), (False, ())])
def test_a_cpu_uses_bfloat16_if_it_is_faster_than_float32(monkeypatch, fast, found):
    monkeypatch.setattr(device_module, "has_bfloat16", lambda: fast)
    assert reduced_precisions("cpu") == found


@pytest.mark.parametrize(("emulated", "found"), [(False, ("bfloat16", "float16")), (True, ("float16",))])
def test_a_card_that_only_emulates_bfloat16_computes_float16(monkeypatch, emulated, found):
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation or not emulated
    )
    assert reduced_precisions("cuda") == reduced_precisions("cuda:1") == found


def test_the_documented_drivers_and_cards_are_those_of_the_pinned_torch():
    architectures = torch.cuda.get_arch_list()
    if not architectures:
        pytest.skip("this torch was built without CUDA")
    assert architectures == WHEEL
    assert device_module.OLDEST_DRIVER[int(torch.version.cuda.partition(".")[0])] == 580
    assert nvidia.DRIVER.name == "nvidia"


def test_without_variables_about_float32_the_environment_stays_unchanged(monkeypatch):
    for name in STRICT:
        monkeypatch.delenv(name, raising=False)
    choose_device("cpu", setting="shots.device")
    assert not any(name in os.environ for name in STRICT)
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")
    choose_device("cpu", setting="shots.device")
    assert os.environ["NVIDIA_TF32_OVERRIDE"] == "0"
    assert "ONEDNN_DEFAULT_FPMATH_MODE" not in os.environ
