"""Devices are identified by UUID, and CUDA_VISIBLE_DEVICES selects the same devices as for CUDA."""

from __future__ import annotations

import time

import pytest

import gpu_lab
from trailers.errors import ConfigError, SystemicError
from trailers.machine import nvidia
from trailers.machine.nvidia import Gpu, parse_listing, parse_visible, resolve, visible_devices

A, B, C, D = gpu_lab.FOUR
DIVIDED = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-aaaa0000)
  MIG 3g.20gb     Device  0: (UUID: MIG-1111-22)
  MIG 3g.20gb     Device  1: (UUID: MIG-3333-44)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-bbbb1111)
  MIG 1g.5gb      Device  0: (UUID: MIG-GPU-bbbb1111/7/0)
GPU 2: NVIDIA A100-SXM4-40GB (UUID: GPU-cccc2222)
"""


@pytest.fixture
def four(tmp_path, monkeypatch):
    """A machine with four cards."""
    gpu_lab.fake_nvidia_smi(tmp_path / "smi", gpu_lab.listing())
    monkeypatch.setenv("PATH", gpu_lab.environment(tmp_path, smi=tmp_path / "smi")["PATH"])
    return tmp_path / "smi"


def test_cards_and_their_parts_are_listed_by_uuid():
    assert parse_listing(DIVIDED) == [
        Gpu(0, "GPU-aaaa0000", "NVIDIA A100-SXM4-40GB", ("MIG-1111-22", "MIG-3333-44")),
        Gpu(1, "GPU-bbbb1111", "NVIDIA A100-SXM4-40GB", ("MIG-GPU-bbbb1111/7/0",)),
        Gpu(2, "GPU-cccc2222", "NVIDIA A100-SXM4-40GB"),
    ]


# Value of the variable -> devices that torch finds on a machine with four cards.
VISIBLE = [
    ("0,1", [A, B]),
    ("3,1", [D, B]),
    ("0,-1,1", [A]),
    ("0,7,1", [A]),
    ("1gpu2,2ampere", [B, C]),
    ("+1", [B]),
    (" 2 , 3 ", [C, D]),
    ("0,,1", [A]),
    ("0,GPU-bbbb1111", [A]),
    ("GPU-bbbb1111,0", [B]),
    ("GPU-bbbb1111", [B]),
    ("GPU-cc,GPU-aa", [C, A]),
    ("GPU-dddd3333,GPU-none,GPU-aaaa0000", [D]),
    ("", []),
    ("-1", []),
    ("-1,0", []),
    ("NoDevFiles", []),
    ("none", []),
]


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize(("visible", "names"), VISIBLE)
def test_visible_devices_are_those_that_cuda_shows(visible, names):
    assert visible_devices({"CUDA_VISIBLE_DEVICES": visible}) == names


@pytest.mark.parametrize("visible", [visible for visible, _ in VISIBLE] + ["0,0", "1,2,1", "GPU-a,GPU-a"])
def test_names_are_read_as_torch_reads_them(monkeypatch, visible):
    import torch

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert parse_visible(visible) == [str(name) for name in torch.cuda._parse_visible_devices()]


@pytest.mark.usefixtures("four")
def test_without_the_variable_every_card_is_visible():
    assert visible_devices({}) == [A, B, C, D]


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize("visible", ["0,0", "GPU-aa,GPU-aa", "GPU-aa,GPU-aaaa0000", "7", "GPU-none"])
def test_a_variable_that_names_devices_but_selects_none_is_refused(visible):
    with pytest.raises(ConfigError, match=rf"CUDA_VISIBLE_DEVICES: '{visible}' .*(none|repeats)"):
        visible_devices({"CUDA_VISIBLE_DEVICES": visible})


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        (None, ["MIG-1111-22", "MIG-3333-44", "MIG-GPU-bbbb1111/7/0", C]),
        ("0", ["MIG-1111-22", "MIG-3333-44"]),
        ("GPU-aaaa", ["MIG-1111-22", "MIG-3333-44"]),
        ("MIG-3333-44", ["MIG-3333-44"]),
        ("MIG-GPU-bbbb1111/7/0,MIG-1111-22", ["MIG-GPU-bbbb1111/7/0", "MIG-1111-22"]),
        ("2,1", [C, "MIG-GPU-bbbb1111/7/0"]),
    ],
)
def test_the_parts_of_a_divided_gpu_are_leased_separately(four, visible, names):
    (four / "listed").write_text(DIVIDED)
    assert visible_devices({} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}) == names


MIXED = "GPU 0: Quadro K620 (UUID: GPU-small)\nGPU 1: NVIDIA A100 (UUID: GPU-large)\n"


@pytest.mark.parametrize(("order", "name"), [("", "GPU-large"), ("PCI_BUS_ID", "GPU-small")])
def test_a_device_number_is_that_of_cuda_and_not_that_of_nvidia_smi(four, monkeypatch, order, name):
    (four / "listed").write_text(MIXED)
    monkeypatch.setattr(nvidia, "CUDA_ORDER", "print('GPU-large'); print('GPU-small')")
    assert visible_devices({"CUDA_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": order}) == [name]


def test_if_cuda_does_not_answer_the_order_is_that_of_the_bus(four, monkeypatch):
    (four / "listed").write_text(MIXED)
    monkeypatch.setattr(nvidia, "CUDA_ORDER", "raise SystemExit(1)")
    assert visible_devices({"CUDA_VISIBLE_DEVICES": "1"}) == ["GPU-large"]


def test_without_a_driver_no_gpu_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", gpu_lab.environment(tmp_path)["PATH"])
    monkeypatch.setattr(nvidia, "DRIVER", tmp_path)
    assert nvidia.list_gpus() is None
    assert visible_devices({}) == []
    assert visible_devices({"CUDA_VISIBLE_DEVICES": "0,-1,1"}) == ["0"]
    assert nvidia.driver_version() == ""
    assert nvidia.computing() == {}


def test_without_nvidia_smi_the_files_of_the_kernel_are_read(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", gpu_lab.environment(tmp_path)["PATH"])
    monkeypatch.setattr(nvidia, "DRIVER", tmp_path)
    for bus, uuid in (("0000:3b:00.0", "GPU-b"), ("0000:18:00.0", "GPU-a"), ("0000:5e:00.0", "GPU-????????")):
        (tmp_path / "gpus" / bus).mkdir(parents=True)
        (tmp_path / "gpus" / bus / "information").write_text(f"Model: \t\t NVIDIA A100\nGPU UUID: \t {uuid}\n")
    assert visible_devices({}) == ["GPU-a", "GPU-b"]
    assert visible_devices({"CUDA_VISIBLE_DEVICES": "1"}) == ["GPU-b"]


def test_the_drivers_version_is_read_without_a_program(tmp_path, monkeypatch):
    monkeypatch.setattr(nvidia, "DRIVER", tmp_path)
    (tmp_path / "version").write_text(
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (dvs@x)  Sun Jul 27 2025\n"
        "GCC version:  gcc version 13.3.0\n"
    )
    assert nvidia.driver_version() == "580.65.06"


@pytest.mark.parametrize(
    ("listed", "code", "complaint", "words"),
    [
        ("", 9, "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", "fails with code 9"),
        ("", 15, "Unable to determine the device handle for GPU 0000:3B:00.0: GPU is lost.", "GPU is lost"),
        ("No devices found.\n", 0, "", "lists no GPU"),
    ],
)
def test_a_failing_nvidia_smi_is_reported(four, listed, code, complaint, words):
    gpu_lab.fake_nvidia_smi(four, listed, code=code, complaint=complaint)
    for environment in ({}, {"CUDA_VISIBLE_DEVICES": "0"}):
        with pytest.raises(SystemicError, match=rf"nvidia-smi: .*{words}.*snakemake --resources gpu=0"):
            visible_devices(environment)


def test_the_other_cards_are_used_if_one_is_lost(four):
    gpu_lab.fake_nvidia_smi(four, gpu_lab.listing([A, B]), code=15, complaint="GPU 0000:5E:00.0: GPU is lost")
    assert visible_devices({}) == [A, B]


def test_an_nvidia_smi_that_hangs_is_given_up(four, monkeypatch):
    gpu_lab.fake_nvidia_smi(four, gpu_lab.listing(), s=60)
    monkeypatch.setattr(nvidia, "TIMEOUT_S", 0.2)
    started = time.monotonic()
    with pytest.raises(SystemicError, match="nvidia-smi: did not answer"):
        visible_devices({})
    assert time.monotonic() - started < 30


@pytest.mark.parametrize(
    ("printed", "found"),
    [
        (f"{A}, 812\n{A}, 813\n{C}, 9\n", {A: [812, 813], C: [9]}),
        ("No running processes found\n", {}),
        (gpu_lab.listing(), {}),
        ("MIG-1111-22, 5, python, 300 MiB\n[N/A], 6\n", {"MIG-1111-22": [5]}),
    ],
)
def test_devices_in_use_are_reported_by_uuid(four, printed, found):
    (four / "computing").write_text(printed)
    assert nvidia.computing() == found


def test_a_name_of_no_card_hides_the_names_after_it():
    cards = [Gpu(0, A, "x"), Gpu(1, B, "x")]
    assert resolve(["1", "5", "0"], cards, cards) == [B]
    assert resolve(["GPU-"], cards, cards) == []
