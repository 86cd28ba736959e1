"""Every stage of the registry implements the interface of ``stage.py`` correctly.

Two trailers go through all stages once, with tiny inputs; each test changes a copy. A new stage adds one line to CASES.
"""

from __future__ import annotations

import argparse
import errno
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backbone_lab import MEANS
from trailers.config import defaults
from trailers.errors import SystemicError, TrailerError, VideoError
from trailers.settings import from_section
from trailers.stages import registry, shard
from trailers.stages import stage as stage_module
from trailers.stages.pages import Pages, Shown
from trailers.stages.registry import Entry
from trailers.stages.stage import Stage
from trailers.store.hdf5 import walk
from trailers.store.layout import Layout
from trailers.store.layout import folder as folder_of
from trailers.store.ledger import DEAD, FAILED, OK, LedgerRow, read_ledger
from trailers.video import encode_frames

TRAILERS = ("one", "two")
SHARD = "s0000"


@dataclass(frozen=True)
class Case:
    """What the tests need to know about a stage."""

    fails_in: str  # a function that ``make`` calls; a test makes it fail
    changed: Mapping[str, Any] = field(default_factory=dict)  # settings that outdate the products
    settings: Mapping[str, Any] = field(default_factory=dict)
    effort: Mapping[str, Any] = field(default_factory=dict)
    costly: str = ""  # an attribute of the stage that is made once for all tests


RANDOM = {"random_weights": True, "precision": "float32"}
CPU = {"device": "cpu"}
CASES = {
    "search": Case("trailers.web.search.Searcher.search", {"shortest_s": 20.0}),
    "download": Case("trailers.web.collect.Collection.obtain", {"min_height": 100}),
    "normalise": Case("trailers.stages.normalise.convert", {"crf": 40}),
    "shots": Case("trailers.stages.shots.find_shots", {"threshold": 0.4}, {}, CPU, "detector"),
    "quality": Case("trailers.stages.quality.read_spans", {"min_shots": 1}),
    "clips": Case("trailers.stages.clips.choose_frames", {"histogram_bins": 4}),
    "embed": Case("trailers.embedding.pairs.Job.start", {"precision": "auto"}, RANDOM, CPU),
    "poster download": Case("trailers.web.collect.Collection.obtain"),
    "poster embedding": Case("trailers.stages.posters.read_image", {"precision": "auto"}, RANDOM, CPU, "embedder"),
    "pages": Case("trailers.stages.pages.read_pictures", {"picture_px": 64}),
}

every_stage = pytest.mark.parametrize("entry", registry.STAGES, ids=lambda entry: entry.name)


COSTLY: dict[str, Any] = {}


@dataclass(frozen=True)
class Results:
    """A results folder, and its stages."""

    folder: Path

    @property
    def layout(self) -> Layout:
        return Layout(self.folder / "results")

    def variant(self, entry: Entry) -> tuple[str, ...]:
        values = {"clips": "shot24", "backbone": f"{self.folder / 'mine.py'}:flat"}
        return tuple(values[axis] for axis in entry.axes)

    def stage(self, entry: Entry, **changed: Any) -> Stage:
        case, section, module = CASES[entry.name], defaults(entry.config), entry.module
        settings = replace(from_section(module.Settings, section), **{**case.settings, **changed})
        effort = replace(from_section(module.Effort, section), **case.effort) if hasattr(module, "Effort") else None
        if entry.name == "search":  # it uses the retries of download
            effort = from_section(module.Patience, defaults("download"))
        stage = entry.stage(self.layout, self.variant(entry), settings, effort)
        if case.costly:
            if entry.name not in COSTLY:
                COSTLY[entry.name] = getattr(stage, case.costly)
            stage.__dict__[case.costly] = COSTLY[entry.name]
        if hasattr(stage, "open"):
            stage.open(self.folder / "manifest.csv")
        if isinstance(stage, Pages):
            stage.show(Shown(("shot24",), 0.5, "single"))
        return stage

    def on_disk(self, entry: Entry) -> Stage:
        return entry.on_disk(self.layout, self.variant(entry))

    def ledger(self, entry: Entry) -> Path:
        return self.layout.ledger(entry.ledgers, SHARD, *self.variant(entry))

    def run(self, entry: Entry, stage: Stage | None = None) -> dict[str, LedgerRow]:
        """Run a stage over the shard; returns the rows of the ledger."""
        words = ["--shard", str(self.layout.shard(SHARD)), "--ledger", str(self.ledger(entry))]
        parser = argparse.ArgumentParser()
        shard.add_flags(parser)
        flags = [*words, "--results", str(self.layout.root), "--max-failed-fraction", "1"]
        shard.run_stage(stage or self.stage(entry), parser.parse_args(flags))
        return read_ledger(self.ledger(entry))

    def problems(self, entry: Entry, trailer: str) -> list[Path]:
        return [problem.path for problem in self.on_disk(entry).problems(trailer, deep=True)]

    def bytes_of(self, entry: Entry) -> dict[Path, bytes]:
        stage = self.on_disk(entry)
        return {path: path.read_bytes() for trailer in TRAILERS for path in stage.products(trailer)}


@pytest.fixture(scope="module", autouse=True)
def recorded_search():
    """The answers of a video site, without a network."""
    listed = [{"url": f"https://example.com/{n}", "title": f"Trailer {n}", "duration": 90} for n in range(3)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trailers.web.search.Searcher.listed", lambda self, asked: listed)
        patch.setattr("trailers.web.search.Searcher.page", lambda self, link: {"upload_date": "20100510"})
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which both trailers have gone through all stages."""
    folder = tmp_path_factory.mktemp("contract") / "work"
    (folder / "given").mkdir(parents=True)
    for seed, name in enumerate(TRAILERS):
        random = np.random.default_rng(seed)
        pictures = [random.integers(0, 255, (64, 64, 3), np.uint8) for _ in range(2)]
        frames = [pictures[number // 24] for number in range(48)]
        encode_frames(folder / "given" / f"{name}.mp4", frames, width_px=64, height_px=64, fps=24, fingerprint="x")
        Image.fromarray(pictures[0]).save(folder / "given" / f"{name}.png")
    rows = "".join(f"{name},{name},given/{name}.mp4,given/{name}.png\n" for name in TRAILERS)
    (folder / "manifest.csv").write_text(f"trailer,title,url,poster\n{rows}")
    (folder / "mine.py").write_text(MEANS)
    results = Results(folder)
    results.layout.shard(SHARD).parent.mkdir(parents=True)
    results.layout.shard(SHARD).write_text("".join(f"{name}\n" for name in TRAILERS))
    for entry in registry.STAGES:
        assert {row.status for row in results.run(entry).values()} == {OK}
    return folder


@pytest.fixture
def results(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    # The copy has the same path, because the name of the user's own backbone contains its path.
    kept = finished.with_name("kept")
    if not kept.exists():
        shutil.copytree(finished, kept, copy_function=shutil.copy2)
    shutil.rmtree(finished)
    shutil.copytree(kept, finished, copy_function=shutil.copy2)
    monkeypatch.chdir(tmp_path)
    return Results(finished)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def test_every_stage_has_a_case():
    assert {entry.name for entry in registry.STAGES} == set(CASES)


@every_stage
def test_the_registry_agrees_with_the_class_of_each_stage(entry):
    stage, module = entry.stage, entry.module
    assert (entry.name, entry.ledgers, entry.axes) == (stage.name, stage.folder, stage.axes)
    assert "/" in stage.schema
    assert callable(module.add_flags)
    assert callable(module.run)


@every_stage
def test_products_that_are_up_to_date_are_left_alone(results, entry):
    stage, before, rows = results.stage(entry), results.bytes_of(entry), read_ledger(results.ledger(entry))
    for trailer in TRAILERS:
        assert stage.existing(trailer) == rows[trailer] == results.on_disk(entry).read(trailer)
        assert stage.fingerprint(trailer) == stage.stored_fingerprint(trailer) == rows[trailer].fingerprint
        assert results.problems(entry, trailer) == []
    stage.make = unwanted  # type: ignore[method-assign]
    stage.make_all = lambda trailers, work: [unwanted(trailer) for trailer in trailers]  # type: ignore[assignment]
    assert results.run(entry, stage) == rows
    assert results.bytes_of(entry) == before


def unwanted(trailer: str) -> LedgerRow:
    raise AssertionError(f"{trailer} is made again")


@every_stage
@pytest.mark.parametrize("harm", [Path.unlink, cut], ids=["missing", "damaged"])
def test_a_product_that_is_missing_or_damaged_is_found_and_made_again_with_the_same_bytes(results, entry, harm):
    before, rows = results.bytes_of(entry), read_ledger(results.ledger(entry))
    for number, path in enumerate(results.on_disk(entry).products("one")):
        harm(path)
        found = results.problems(entry, "one")
        is_alone = len(results.on_disk(entry).products("one")) == 1
        assert found == ([] if harm is Path.unlink and is_alone else [path]), f"product {number}"
        assert results.problems(entry, "two") == []
        assert existing(results.stage(entry), "one") is None
        assert results.run(entry) == rows
        assert results.bytes_of(entry) == before


def existing(stage: Stage, trailer: str) -> LedgerRow | None:
    try:
        return stage.existing(trailer)
    except TrailerError:
        return None  # damaged; the loop over a shard treats this as missing


@every_stage
def test_a_repair_removes_only_the_damaged_product(results, entry):
    (*_, last) = results.on_disk(entry).products("one")
    cut(last)
    (problem,) = results.on_disk(entry).problems("one", deep=True)
    assert problem.path == last
    assert problem.remove == (last,)
    assert problem.what
    assert str(last) not in problem.what


@every_stage
def test_the_product_of_another_trailer_is_not_accepted(results, entry):
    ones, twos = (results.on_disk(entry).products(trailer) for trailer in TRAILERS)
    for one, two in zip(ones, twos, strict=True):
        kept = one.read_bytes()
        shutil.copy2(two, one)
        assert results.problems(entry, "one") == [one]
        if one.suffix in (".h5", ".csv", ".json"):
            assert existing(results.stage(entry), "one") is None
        one.write_bytes(kept)


@every_stage
def test_another_setting_outdates_the_products_and_verify_reports_no_problem(results, entry):
    changed = CASES[entry.name].changed
    if not changed:
        pytest.skip("no setting shapes its products")
    stage = results.stage(entry, **changed)
    assert stage.existing("one") is None
    assert stage.fingerprint("one") != stage.stored_fingerprint("one")
    assert results.problems(entry, "one") == []


@every_stage
def test_a_kill_between_product_and_ledger_costs_nothing(results, entry, monkeypatch):
    rows, before = read_ledger(results.ledger(entry)), results.bytes_of(entry)
    results.ledger(entry).unlink()
    for path in before:
        path.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(shard, "write_ledger", killed)
        with pytest.raises(KeyboardInterrupt):
            results.run(entry)
    assert not results.ledger(entry).exists()
    assert results.bytes_of(entry) == before
    stage = results.stage(entry)
    stage.make = unwanted  # type: ignore[method-assign]
    stage.make_all = lambda trailers, work: [unwanted(trailer) for trailer in trailers]  # type: ignore[assignment]
    assert results.run(entry, stage) == rows


def killed(*_: Any) -> None:
    raise KeyboardInterrupt


@every_stage
@pytest.mark.parametrize(
    ("kind", "status", "attempts"), [(VideoError, DEAD, 0), (TrailerError, FAILED, 1), (KeyError, FAILED, 1)],
    ids=["permanent", "temporary", "a bug"],
)  # fmt: skip
def test_a_failure_is_recorded_with_its_stage_and_only_a_temporary_one_is_tried_again(
    results, entry, monkeypatch, kind, status, attempts
):
    for trailer in TRAILERS:
        for path in results.on_disk(entry).products(trailer):
            path.unlink()

    def fail(*_: Any, **__: Any) -> Any:
        raise kind("made to fail")

    with monkeypatch.context() as patch:
        patch.setattr(CASES[entry.name].fails_in, fail)
        rows = results.run(entry)
    assert {row.status for row in rows.values()} == {status}
    assert all(row.error.startswith(f"{entry.name}: ") for row in rows.values())
    assert all("made to fail" in row.error for row in rows.values())
    counted = results.layout.attempts(entry.ledgers, SHARD, *results.variant(entry))
    assert shard.read_attempts(counted) == attempts
    if status == FAILED:
        assert {row.status for row in results.run(entry).values()} == {OK}


@every_stage
def test_a_missing_input_makes_only_its_own_trailer_fail(results, entry):
    stage = results.stage(entry)
    if not stage.inputs("one"):
        pytest.skip("it reads no product of another stage")
    for path in (*stage.inputs("one"), *stage.products("one")):
        path.unlink(missing_ok=True)
    rows = results.run(entry)
    assert (rows["one"].status, rows["two"].status) == (FAILED, OK)


def walk_or_hang(item: tuple[str, Path]) -> None:
    """Simulates a library that loops forever in a damaged file; which bytes do that depends on its version."""
    if item[1].read_bytes().endswith(b"HANG"):
        time.sleep(600)
    walk(item[1])


def test_a_file_that_hangs_the_library_affects_only_its_own_trailer_and_is_made_again(results, monkeypatch):
    monkeypatch.setattr(stage_module, "PATIENCE_S", 2)  # enough for a healthy file on a busy machine
    monkeypatch.setattr(stage_module, "walk_hdf5", walk_or_hang)
    normalise, shots = (entry for entry in registry.STAGES if entry.name in ("normalise", "shots"))
    rows, before = read_ledger(results.ledger(shots)), results.bytes_of(shots)
    scores, frames = results.layout.scores("one"), results.layout.frames("one")
    scores.write_bytes(scores.read_bytes() + b"HANG")
    assert results.run(shots) == rows
    assert results.bytes_of(shots) == before

    whole = frames.read_bytes()
    frames.write_bytes(whole + b"HANG")
    results.layout.shots("one").unlink()
    found = results.run(shots)
    assert found["two"] == rows["two"]
    assert found["one"].status == FAILED
    assert f"{frames}: is damaged: reading it takes more than 2 s" in found["one"].error
    results.run(normalise)
    assert frames.read_bytes() == whole
    assert results.run(shots) == rows


@every_stage
def test_a_stage_on_disk_needs_no_settings(results, entry):
    folder = results.layout.root.joinpath(entry.ledgers, *(folder_of(name) for name in results.variant(entry)))
    stage = entry.on_disk(results.layout, folder.relative_to(results.layout.root).parts[1:])
    assert stage.read("one").status == OK
    assert list(stage.problems("one", deep=True)) == []
    assert stage.products("one")[-1].name == f"one{stage.suffix()}"


@every_stage
def test_a_full_disk_stops_the_job_and_the_folder_is_named(results, entry, monkeypatch):
    for path in results.on_disk(entry).products("one"):
        path.unlink()

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("trailers.store.atomic.sync", full)
        patch.setattr("trailers.web.download_folder.sync", full)
        with pytest.raises(SystemicError) as problem:
            results.run(entry)
    assert problem.value.where == str(results.on_disk(entry).products("one")[-1].parent)
    assert problem.value.what == "the disk of this folder is full"
    assert {row.status for row in results.run(entry).values()} == {OK}
