"""Every stage is asked about its own products, in a process that may die of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from trailers.machine.progress import Progress
from trailers.machine.survival import Died, survive
from trailers.stages import registry
from trailers.stages.registry import Key, StudyEntry
from trailers.stages.stage import Problem, Stage
from trailers.store.hdf5 import walk
from trailers.store.layout import Layout
from trailers.tools.verify.claims import Claims, Found, trailers_of

log = logging.getLogger(__name__)


def look(stage: Stage, key: Key, claims: Claims, deep: bool, trailer: str) -> list[Problem]:
    """What is wrong with the products of one trailer, by themselves and beside their ledger."""
    found = list(stage.problems(trailer, deep=deep))
    claim = claims.ok(key, trailer)
    if found or claim is None:
        return found
    last = stage.products(trailer)[-1]
    if not last.exists():
        return [Problem(last, "is not there, but its ledger says it is")]
    carried = stage.carried(trailer)
    if carried != claim.fingerprint:
        words = f"its fingerprint is {carried}, its ledger says {claim.fingerprint}: made by another run"
        return [Problem(last, words)]
    return []


def examine(layout: Layout, claims: Claims, key: Key, *, deep: bool) -> Iterator[Found]:
    """What is wrong with the products of one stage and variant."""
    entry = registry.find(key)
    assert entry is not None  # keys_on_disk has only those
    stage, trailers = entry.on_disk(layout, key[1:]), trailers_of(layout, key, claims)
    progress = Progress(f"verify: {' '.join(key)}", len(trailers))
    for trailer, answer in survive(partial(look, stage, key, claims, deep), trailers):
        problems = blame(stage, trailer, answer) if isinstance(answer, Died) else answer
        yield from (Found(problem, key[0], key, trailer) for problem in problems)
        progress.advance()
    progress.close()
    log.info("verify: %s: %d trailers checked", " ".join(key), len(trailers))


def blame(stage: Stage, trailer: str, died: Died) -> list[Problem]:
    """What is wrong with a trailer on which the process died: nothing where the stage before made what kills."""
    inputs = [path for path in stage.inputs(trailer) if path.exists()]
    if any(isinstance(answer, Died) for _, answer in survive(read_through, inputs)):
        return []
    products = tuple(path for path in stage.products(trailer) if path.exists())
    return [Problem(products[-1], f"is damaged: reading it {died.how}", products)] if products else []


def read_through(path: Path) -> None:
    if path.suffix == ".h5":
        walk(path)


def examine_study(layout: Layout, entry: StudyEntry) -> Iterator[Found]:
    """What is wrong with the products of a stage that makes one thing of many trailers."""

    def problems(path: Path) -> list[Problem]:
        return list(entry.module.problems(path))

    for path, answer in survive(problems, entry.module.products(layout)):
        if isinstance(answer, Died):
            answer = [Problem(path, f"is damaged: reading it {answer.how}", (path,))]
        yield from (Found(problem, entry.name) for problem in answer)
