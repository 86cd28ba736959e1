"""Checks before the first job starts; each problem is one sentence.

They take a second, while a job that finds no weights after hours on another machine costs much more. The checks do not
import torch, and the manifest is the only file that they read completely.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from trailers.backbones import own
from trailers.backbones.names import has_repositories
from trailers.backbones.rows import ROWS, find_row, recorded, sketch
from trailers.backbones.weights import FETCH_REMEDY, check_there, weights_path
from trailers.errors import ConfigError, SystemicError, TrailerError, WeightsError
from trailers.machine.notice import notice_if_slow
from trailers.machine.nvidia import visible_devices
from trailers.plan import disk
from trailers.plan.studies import Plan
from trailers.plan.study import Study
from trailers.settings import from_section
from trailers.stages import classify, detectors
from trailers.stages.registry import STAGES
from trailers.store.metadata import read_metadata
from trailers.store.text import size_text

DEVICES = ("shots", "embed", "classify")  # sections of config.yaml with a device


def check_study(plan: Plan, study: Study, *, runs_here: bool) -> list[TrailerError]:
    """All problems of ``study`` that its jobs would otherwise report one after the other.

    Args:
        plan: the plan to which it belongs.
        study: the study that will be run.
        runs_here: whether jobs will run on this machine and use its devices.
    """
    checks: list[Callable[[Plan, Study], Iterator[TrailerError]]] = [check_manifest, check_results, check_settings]
    if not study.made_elsewhere:
        checks += [check_cookies, check_detector, check_backbones]
    if runs_here:
        checks += [check_devices]
    found: list[TrailerError] = []
    for check in checks:
        try:
            found += check(plan, study)
        except TrailerError as problem:
            found.append(problem)
    # Disk space is checked only if everything else is right.
    found = found or list(check_disk(plan, study))
    return list({str(problem): problem for problem in found}.values())


def check_working_folder() -> None:
    """Raise ConfigError if Snakemake cannot write its own files in the working folder."""
    for problem in check_folder(Path(".snakemake")):
        raise problem


def check_manifest(plan: Plan, study: Study) -> Iterator[TrailerError]:
    """Problems of the manifest, and of the folder of packs made elsewhere. Raises ManifestError."""
    if plan.config["metadata"]:
        read_metadata([Path(plan.config["metadata"])])
    with notice_if_slow(f"reading {study.manifest}"):
        trailers = study.trailers
    if not trailers:
        yield ConfigError("contains no trailer", where=study.manifest, remedy="Add one row per trailer.")
    if study.made_elsewhere and not study.made_elsewhere.is_dir():
        yield ConfigError(
            f"'{study.made_elsewhere}' is not a directory", where="config.yaml, packs",
            remedy="Name the folder of packs, or null to embed the trailers.",
        )  # fmt: skip


def check_results(plan: Plan, study: Study) -> Iterator[TrailerError]:
    """Problems of the results folder, and of the folders in which products are missing."""
    root = plan.layout.root
    found = list(check_folder(root))
    with notice_if_slow(f"looking for ledgers in {root}"):
        waiting = [] if found else [stage for stage in study.stages if not has_all(study.ledgers(*stage))]
    for folder in dict.fromkeys([root / stage[0] for stage in waiting] + [root / "ledger"] * bool(waiting)):
        found += check_folder(folder)
    if waiting:
        found += check_folder(Path("logs"))
    yield from found


def check_folder(folder: Path) -> Iterator[TrailerError]:
    """Problems that prevent a run from writing in ``folder``, which need not exist yet."""
    if folder.is_symlink() and not folder.exists():
        yield ConfigError(
            f"is a link to '{folder.readlink()}', which does not exist", where=folder,
            remedy="Mount or make that folder, or remove the link.",
        )  # fmt: skip
    elif folder.exists() and not folder.is_dir():
        yield ConfigError("is not a directory", where=folder, remedy="Move it away, because a run writes there.")
    elif not os.access(disk.nearest_folder(folder), os.W_OK | os.X_OK):
        yield ConfigError(
            "cannot be written", where=disk.nearest_folder(folder),
            remedy="Use a folder that can be written, or change its permissions.",
        )  # fmt: skip


def has_all(paths: Iterable[str]) -> bool:
    return all(Path(path).exists() for path in paths)


def check_settings(plan: Plan, study: Study) -> Iterator[TrailerError]:
    """Problems of values that the schema allows one by one but that contradict each other."""
    for entry in STAGES:
        for kind in filter(None, (getattr(entry.module, name, None) for name in ("Settings", "Effort"))):
            try:
                from_section(kind, plan.config[entry.config])
            except TrailerError as problem:
                yield problem
    for name in study.experiments:
        try:
            from_section(classify.Settings, plan.experiment(name))
        except TrailerError as problem:
            yield ConfigError(f"experiment '{name}': {problem}")


def check_cookies(plan: Plan, study: Study) -> Iterator[TrailerError]:
    """A missing file of cookies, if downloads are missing."""
    cookies = plan.config["download"]["cookies"]
    if cookies and not Path(cookies).is_file() and not has_all(study.ledgers("download")):
        yield ConfigError(
            f"'{cookies}' is not a file", where="config.yaml, download.cookies",
            remedy="Name a cookies.txt that a browser exported, or set it to null.",
        )  # fmt: skip


def check_detector(plan: Plan, study: Study) -> Iterator[TrailerError]:
    """Raise ConfigError if shots are missing and the detector cannot run."""
    if not has_all(study.ledgers("shots")):
        detectors.check_available(plan.config["shots"]["detector"])
    yield from ()


def check_backbones(plan: Plan, study: Study) -> Iterator[TrailerError]:
    """Problems of weights and files of backbones whose vectors are missing in some shard."""
    for backbone in dict.fromkeys(backbone for _, backbone in study.pairs):
        pairs = [pair for pair in study.pairs if pair[1] == backbone]
        if all(has_all(study.ledgers("embed", *pair)) for pair in pairs):
            continue
        try:
            # A network that is not recorded yet is described by its library, which takes seconds to load.
            with notice_if_slow(f"checking backbone {backbone} and its weights"):
                check_backbone(backbone, plan)
        except TrailerError as problem:
            yield problem


def check_backbone(name: str, plan: Plan) -> None:
    """Raise TrailerError if a job would not find the network ``name`` or its weights."""
    folder = plan.weights_dir
    if own.is_own(name):
        file = sketch(name).weights_file
        if not plan.has_random_weights and not (folder / file).is_file():
            raise WeightsError(
                f"the weights of '{name}' are missing", where=folder / file, remedy="Copy the file to this path."
            )
        return
    if plan.has_random_weights:
        return
    library = name.partition(":")[0]
    is_unknown = name not in ROWS and recorded(name, folder) is None
    if is_unknown and (has_repositories(library) or importlib.util.find_spec(library) is None):
        # With conda environments, the library is not installed beside Snakemake; it would describe the network.
        raise WeightsError(
            f"the weights of '{name}' have not been fetched and checked yet", where=folder, remedy=f"{FETCH_REMEDY}."
        )
    row = find_row(name, folder)
    if not row.weights.package or importlib.util.find_spec(row.weights.package) is not None:
        check_there(row, weights_path(row, folder))


def check_devices(plan: Plan, _: Study) -> Iterator[TrailerError]:
    """GPUs that are requested but missing. Raises SystemicError if the driver does not answer, ConfigError if
    CUDA_VISIBLE_DEVICES is wrong.
    """
    with_gpu = [section for section in DEVICES if str(plan.config[section]["device"]).startswith("cuda")]
    if with_gpu and not visible_devices():
        yield ConfigError(
            f"'{plan.config[with_gpu[0]]['device']}' is requested, but no GPU was found on this machine",
            where=f"config.yaml, {with_gpu[0]}.device", remedy="Use auto or cpu.",
        )  # fmt: skip


def check_disk(plan: Plan, study: Study) -> Iterator[TrailerError]:
    """Too little free space by an estimate, which `check_disk` of config.yaml can switch off."""
    if study.made_elsewhere or not plan.config["check_disk"]:
        return
    done = disk.finished(plan.layout.root)
    waiting = sum(trailer.trailer not in done for trailer in study.trailers)
    needed = waiting * sum(disk.bytes_per_trailer(study.pairs, plan.weights_dir).values())
    folder = disk.nearest_folder(plan.layout.root)
    free = shutil.disk_usage(folder).free
    if needed > free:
        yield SystemicError(
            f"{size_text(free)} are free, but {waiting:,} trailers of {disk.MEAN_S:.0f} s take about "
            f"{size_text(needed)}",
            where=folder,
            remedy="Free some space, or set `check_disk: false` in config.yaml if your trailers are much shorter.",
        )
