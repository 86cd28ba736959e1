"""Lists the NVIDIA GPUs of this host that its driver reports and that CUDA_VISIBLE_DEVICES makes visible.

A GPU is identified by its UUID, and so is an instance of a divided GPU (MIG). Numbers are ambiguous: nvidia-smi counts
in the order of the bus, CUDA starts with the fastest.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trailers.errors import ConfigError, SystemicError

VISIBLE = "CUDA_VISIBLE_DEVICES"
TIMEOUT_S = 30.0  # nvidia-smi can hang if the driver has lost a GPU
DRIVER = Path("/proc/driver/nvidia")
WITHOUT = "To work without a GPU, run `snakemake --resources gpu=0`."

# Prints the UUIDs in the order of CUDA, because only CUDA knows which card is the fastest.
CUDA_ORDER = """
import ctypes, os, uuid
os.environ.pop("CUDA_VISIBLE_DEVICES", None)
cuda = ctypes.CDLL("libcuda.so.1")
count, device, name = ctypes.c_int(), ctypes.c_int(), (ctypes.c_ubyte * 16)()
if cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count)):
    raise SystemExit(1)
for number in range(count.value):
    if cuda.cuDeviceGet(ctypes.byref(device), number) or cuda.cuDeviceGetUuid(name, device):
        raise SystemExit(1)
    print("GPU-" + str(uuid.UUID(bytes=bytes(name))))
"""


@dataclass(frozen=True)
class Gpu:
    """One card. ``index`` is its number in nvidia-smi; ``instances`` are the UUIDs of the parts of a divided card."""

    index: int
    uuid: str
    name: str
    instances: tuple[str, ...] = ()

    @property
    def leasable(self) -> tuple[str, ...]:
        """UUIDs of the devices that jobs can lease."""
        return self.instances or (self.uuid,)


@dataclass(frozen=True)
class Answer:
    """The output of a program and its exit code, which is None if it did not end in time."""

    code: int | None
    out: str
    err: str

    @property
    def words(self) -> str:
        """Its error message in one line."""
        return " ".join((self.err.strip() or self.out.strip()).split())[:300] or "no output"


def ask(command: Sequence[str]) -> Answer:
    """Run ``command`` for up to ``TIMEOUT_S``, then kill it; a process that cannot be killed is left running."""
    # Files and not pipes, because a grandchild or a process that hangs in the driver would keep a pipe open.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True)
        code: int | None = None
        try:
            code = process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return Answer(code, *texts)


def ask_nvidia_smi(*words: str) -> Answer:
    """The output of nvidia-smi.

    Raises:
        SystemicError: it cannot be run, or does not end in time.
    """
    try:
        answer = ask(["nvidia-smi", *words])
    except OSError as problem:
        raise SystemicError(f"cannot be run: {problem.strerror}", where="nvidia-smi", remedy=WITHOUT) from None
    if answer.code is None:
        raise SystemicError(
            f"did not answer within {TIMEOUT_S:.0f} s, so a GPU or its driver hangs",
            where="nvidia-smi",
            remedy=f"Check the kernel's log (dmesg, Xid); the machine may need a restart. {WITHOUT}",
        )
    return answer


def list_gpus() -> list[Gpu] | None:
    """The cards of this host; None without a driver.

    Raises:
        SystemicError: the driver is installed, but lists no card.
    """
    if shutil.which("nvidia-smi") is None:
        return gpus_of_the_kernel()
    answer = ask_nvidia_smi("-L")
    found = parse_listing(answer.out)
    if not found:
        words = "lists no GPU" if answer.code == 0 else f"fails with code {answer.code}: {answer.words}"
        raise SystemicError(
            words,
            where="nvidia-smi",
            remedy=f"Check the driver and the kernel's log (dmesg, Xid), or restart the machine. {WITHOUT}",
        )
    return found


def parse_listing(text: str) -> list[Gpu]:
    """The cards in the output of ``nvidia-smi -L``."""
    found: list[Gpu] = []
    for line in text.splitlines():
        card = re.match(r"GPU (\d+): (.*?)\s*\(UUID: (GPU-[\w-]+)\)", line)
        part = re.match(r"\s+MIG .*\(UUID: (MIG-[\w/-]+)\)", line)
        if card:
            found.append(Gpu(int(card[1]), card[3], card[2]))
        elif part and found:
            last = found.pop()
            found.append(Gpu(last.index, last.uuid, last.name, (*last.instances, part[1])))
    return found


def gpus_of_the_kernel() -> list[Gpu] | None:
    """The cards in the files of the driver, for hosts and containers without nvidia-smi."""
    found = []
    for number, path in enumerate(sorted(DRIVER.glob("gpus/*/information"))):
        text = path.read_text(encoding="utf-8", errors="replace")
        uuid, model = re.search(r"GPU UUID:\s*(GPU-[\w-]+)", text), re.search(r"Model:\s*(.+)", text)
        if uuid and "?" not in uuid[1]:
            found.append(Gpu(number, uuid[1], model[1].strip() if model else ""))
    return found or None


def driver_version() -> str:
    """The version of the driver, such as 580.65.06, or "" without a driver. Does not start a program."""
    path = DRIVER / "version"
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    found = re.search(r"\s(\d{3,}(?:\.\d+)+)\s", text)
    return found[1] if found else ""


def visible_devices(environment: Mapping[str, str] = os.environ) -> list[str]:
    """UUIDs of the devices that CUDA would show, in its order; without nvidia-smi, the names in CUDA_VISIBLE_DEVICES.

    Raises:
        ConfigError: CUDA_VISIBLE_DEVICES names a device that does not exist.
        SystemicError: the driver does not answer.
    """
    visible = environment.get(VISIBLE)
    tokens = None if visible is None else parse_visible(visible)
    if tokens == []:
        if re.match(r"\s*(\d|GPU-|MIG-)", visible or ""):
            raise ConfigError(
                f"'{visible}' lists a device twice, so CUDA shows none", where=VISIBLE, remedy="Name each device once."
            )
        return []
    gpus = list_gpus()
    if tokens is None:
        return [name for gpu in gpus or () for name in gpu.leasable]
    if gpus is None:
        return tokens
    found = resolve(tokens, numbered(gpus, tokens, environment), gpus)
    if not found:
        listed = ", ".join(f"{gpu.index} ({gpu.uuid})" for gpu in gpus)
        raise ConfigError(
            f"'{visible}' leaves CUDA none of this machine's devices; they are {listed}",
            where=VISIBLE,
            remedy="Correct it, or unset it.",
        )
    return found


def parse_visible(value: str) -> list[str]:
    """The names in CUDA_VISIBLE_DEVICES that count, by the rules of CUDA.

    The first name that is not a device hides itself and all following names; a repeated name hides all. The first name
    decides whether all are numbers, GPUs or instances of GPUs.
    """
    kind = next((kind for kind in ("GPU-", "MIG-") if value.strip().startswith(kind)), None)
    names: list[str] = []
    for word in map(str.strip, value.split(",")):
        if kind is not None:
            name = word if word.startswith(kind) else None
        else:
            # Like strtoul, which ignores everything after the number.
            number = re.match(r"\+?(\d+)", word)
            name = str(int(number[1])) if number else None
        if name is None:
            break
        if name in names:
            return []
        names.append(name)
    return names


def numbered(gpus: Sequence[Gpu], tokens: Sequence[str], environment: Mapping[str, str]) -> Sequence[Gpu]:
    """The cards in the order in which CUDA counts them."""
    alike = len({gpu.name for gpu in gpus}) == 1
    if alike or not tokens[0].isdigit() or environment.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID":
        return gpus
    known = {gpu.uuid: gpu for gpu in gpus}
    order = ask([sys.executable, "-c", CUDA_ORDER]).out.split()
    return [known[uuid] for uuid in order] if sorted(order) == sorted(known) else gpus


def resolve(tokens: Sequence[str], order: Sequence[Gpu], gpus: Sequence[Gpu]) -> list[str]:
    """The UUIDs of the devices named by ``tokens``, up to the first token that names no device."""
    found: list[str] = []
    for token in tokens:
        names = named_by(token, order, gpus)
        if not names:
            break
        if set(names) & set(found):
            return []  # one card under two names
        found.extend(names)
    return found


def named_by(token: str, order: Sequence[Gpu], gpus: Sequence[Gpu]) -> tuple[str, ...]:
    """The devices for a number, a UUID, or the unique beginning of a UUID."""
    if token.isdigit():
        return order[int(token)].leasable if int(token) < len(order) else ()
    if token.startswith("MIG-GPU-"):
        return (token,)  # an older way to name an instance: card/instance/part
    choices = {gpu.uuid: gpu.leasable for gpu in gpus} | {one: (one,) for gpu in gpus for one in gpu.instances}
    matching = [choices[name] for name in choices if name.lower().startswith(token.lower())]
    return matching[0] if len(matching) == 1 else ()


def computing() -> dict[str, list[int]]:
    """UUID -> processes that compute on it, including this one; empty without nvidia-smi."""
    if shutil.which("nvidia-smi") is None:
        return {}
    answer = ask_nvidia_smi("--query-compute-apps=gpu_uuid,pid", "--format=csv,noheader")
    found: dict[str, list[int]] = {}
    for uuid, process in re.findall(r"^\s*((?:GPU|MIG)-[\w/-]+)\s*,\s*(\d+)\s*(?:,.*)?$", answer.out, re.MULTILINE):
        found.setdefault(uuid, []).append(int(process))
    return found
