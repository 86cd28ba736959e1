"""Failures of a GPU become one sentence, and float32 stays exact in any environment."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
import torch

from trailers.errors import SystemicError
from trailers.machine import gpu
from trailers.machine.gpu import exact_float32, gpu_failures

# Messages of torch 2 and NVIDIA's libraries.
FAILED = [
    torch.AcceleratorError(
        "CUDA error: an illegal memory access was encountered\nSearch for `cudaErrorIllegalAddress'"
    ),
    torch.AcceleratorError("CUDA error: unspecified launch failure"),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm( handle, opa, opb, m, n, k)`"),
    RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"),
    RuntimeError("cublasLt ran into an error!"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_MAPPING_ERROR\nYou can try to repro this exception ..."),
    RuntimeError("cuDNN Frontend error: [cudnn_frontend] Error: No valid execution plans built."),
    RuntimeError("GET was unable to find an engine to execute this computation"),
    RuntimeError("FIND was unable to find an engine to execute this computation"),
    RuntimeError("CUDA driver error: device kernel image is invalid"),
    RuntimeError("CUDA error: no kernel image is available for execution on the device"),
    RuntimeError("CUDA error: device-side assert triggered"),
    RuntimeError("cusolver error: CUSOLVER_STATUS_INTERNAL_ERROR, when calling `cusolverDnCreate(handle)`"),
    RuntimeError("nvrtc: error: failed to open libnvrtc-builtins.so.13.0."),
    RuntimeError("NVML_SUCCESS == DriverAPI::get()->nvmlInit_v2_() INTERNAL ASSERT FAILED"),
    RuntimeError("No CUDA GPUs are available"),
    RuntimeError("The NVIDIA driver on your system is too old (found version 12020)."),
    RuntimeError("CUDA unknown error - this may be due to an incorrectly set up environment"),
    AssertionError("Torch not compiled with CUDA enabled"),
    torch.cuda.DeferredCudaCallError("CUDA call failed lazily at initialization with error: device >= 0"),
]
FULL = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 8 GiB."),
    torch.AcceleratorError("CUDA error: out of memory"),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
]
OWN_MISTAKES = [
    RuntimeError("mat1 and mat2 shapes cannot be multiplied (4x3 and 5x6)"),
    RuntimeError("Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!"),
    RuntimeError("Input type (torch.cuda.HalfTensor) and weight type (torch.HalfTensor) should be the same"),
    AssertionError("three frames are wanted"),
    ValueError("CUDA is mentioned"),
]


def words_of(problem):
    return str(problem).splitlines()[0]


@pytest.fixture
def set_aside(monkeypatch):
    """The causes for which devices were set aside."""
    causes = []
    monkeypatch.setattr(gpu, "set_aside", lambda cause: causes.append(cause))
    return causes


@pytest.mark.parametrize("problem", FAILED, ids=words_of)
def test_every_kind_of_failure_is_one_sentence(problem, set_aside):
    with pytest.raises(SystemicError) as found, gpu_failures("resnet50"):
        raise problem
    assert found.value.where == "resnet50"
    assert found.value.what == f"the GPU failed: {words_of(problem).removesuffix('.')}"
    assert "nvidia-smi" in found.value.remedy


@pytest.mark.parametrize("problem", FULL, ids=words_of)
def test_every_message_for_a_full_memory_leads_to_smaller_batches(problem, set_aside):
    with pytest.raises(torch.OutOfMemoryError), gpu_failures("resnet50"):
        raise problem
    words = r"^resnet50: the memory of the GPU is full"
    with pytest.raises(SystemicError, match=words), gpu_failures("resnet50", halving=False):
        raise problem
    assert set_aside == []


@pytest.mark.parametrize("problem", OWN_MISTAKES, ids=words_of)
def test_a_programming_error_keeps_its_traceback(problem):
    with pytest.raises(type(problem)) as found, gpu_failures("resnet50"):
        raise problem
    assert found.value is problem


@pytest.mark.parametrize(
    ("problem", "aside"),
    [(FAILED[0], True), (FAILED[2], True), (FAILED[16], True), (FAILED[5], False), (FAILED[8], False)],
    ids=str,
)
def test_a_gpu_that_failed_is_set_aside_and_one_that_lacks_a_kernel_is_not(problem, aside, set_aside):
    with pytest.raises(SystemicError), gpu_failures("shots"):
        raise problem
    assert set_aside == ([words_of(problem)] if aside else [])


def flags():
    backends = torch.backends
    return {
        "products": torch.get_float32_matmul_precision(),
        "products on a GPU": backends.cuda.matmul.fp32_precision,
        "convolutions on a GPU": backends.cudnn.conv.fp32_precision,
        "recurrent on a GPU": backends.cudnn.rnn.fp32_precision,
        "products here": backends.mkldnn.matmul.fp32_precision,
        "allowed": (backends.cudnn.allow_tf32, backends.cuda.matmul.allow_tf32),
        "cudnn": (backends.cudnn.enabled, backends.cudnn.benchmark, backends.cudnn.deterministic),
    }


EXACT = {
    "products": "highest",
    "products on a GPU": "ieee",
    "convolutions on a GPU": "ieee",
    "recurrent on a GPU": "ieee",
    "products here": "ieee",
    "allowed": (False, False),
    "cudnn": (True, False, True),
}


@pytest.fixture
def clean_flags():
    before = gpu.Flags.now()
    yield
    before.set()


@pytest.mark.usefixtures("clean_flags")
@pytest.mark.parametrize(
    "meddle",
    [
        "pass",
        "torch.set_float32_matmul_precision('medium')",
        "torch.backends.cuda.matmul.allow_tf32 = True",
        "torch.backends.cuda.matmul.fp32_precision = 'tf32'",
        "torch.backends.cudnn.conv.fp32_precision = 'ieee'",
        "torch.backends.cudnn.rnn.fp32_precision = 'ieee'; torch.set_float32_matmul_precision('high')",
        "torch.backends.mkldnn.matmul.fp32_precision = 'bf16'",
        "torch.backends.cudnn.allow_tf32 = False; torch.backends.cudnn.benchmark = True",
        "torch.backends.cudnn.enabled = False; torch.backends.cudnn.deterministic = False",
    ],
)
def test_float32_is_exact_with_all_flags_of_a_user_and_the_flags_are_restored(meddle):
    exec(meddle)

    def readable():
        precisions = gpu.Flags.now().precisions
        return precisions, (torch.backends.cudnn.enabled, torch.backends.cudnn.benchmark)

    before = readable()
    with exact_float32():
        assert flags() == EXACT
        with exact_float32():
            assert flags() == EXACT
        assert flags() == EXACT
    assert readable() == before


@pytest.mark.usefixtures("clean_flags")
def test_flags_stay_until_the_last_thread_has_finished():
    torch.set_float32_matmul_precision("medium")
    inside, leave = threading.Event(), threading.Event()

    def work():
        with exact_float32():
            inside.set()
            leave.wait(10)

    other = threading.Thread(target=work)
    with exact_float32():
        other.start()
        inside.wait(10)
    assert flags() == EXACT
    leave.set()
    other.join()
    assert torch.get_float32_matmul_precision() == "medium"


def test_the_environment_does_not_change_float32():
    code = (
        "from trailers.machine.device import choose_device\n"
        "import os, torch\nfrom trailers.machine.gpu import exact_float32\nfrom test_gpu import flags, EXACT\n"
        "assert torch.backends.cuda.matmul.allow_tf32\n"
        "choose_device('cpu', setting='x')\n"
        "with exact_float32():\n    assert flags() == EXACT, flags()\n"
        "print(os.environ['NVIDIA_TF32_OVERRIDE'], os.environ['ONEDNN_DEFAULT_FPMATH_MODE'])"
    )
    meddling = {
        "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "1", "NVIDIA_TF32_OVERRIDE": "1", "ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **meddling, "PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), *sys.path])},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "0 STRICT\n", done.stderr


def test_rounded_float32_products_are_detected(monkeypatch):
    assert gpu.is_exact_float32("cpu")
    for name in ("conv2d", "linear"):
        real = getattr(torch.nn.functional, name)
        monkeypatch.setattr(torch.nn.functional, name, lambda *given, real=real: real(*given).bfloat16().float())
    assert not gpu.is_exact_float32("cpu")
