"""Let every stage check its own products, in a child process that may crash."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from trailers.machine.progress import Progress
from trailers.machine.survival import Died, survive
from trailers.stages import registry
from trailers.stages.registry import Key, StudyEntry
from trailers.stages.stage import Problem, Stage, crashing_files
from trailers.store.layout import Layout
from trailers.tools.verify.claims import Claims, Found, trailers_of

log = logging.getLogger(__name__)


def look(stage: Stage, key: Key, claims: Claims, deep: bool, trailer: str) -> list[Problem]:
    """The problems of the products of one trailer, on their own and compared with their ledger."""
    try:
        found = list(stage.problems(trailer, deep=deep))
    except Exception as problem:
        log.error("verify: %s: %s: unexpected error", stage.name, trailer, exc_info=problem)
        words = f"cannot be checked: unexpected {type(problem).__name__}: {problem}"
        return [Problem(stage.products(trailer)[-1], words)]
    claimed = claims.ok(key, trailer)
    if found or not claimed:
        return found
    last = stage.products(trailer)[-1]
    if not last.exists():
        return [Problem(last, "does not exist, but its ledger says that it does")]
    stored = stage.stored_fingerprint(trailer)
    wrong = {path: row.fingerprint for path, row in claimed.items() if row.fingerprint not in ("", stored)}
    return [
        Problem(
            last,
            f"its fingerprint is {stored}, but its ledger says {claim}: another run made it ({path.name})",
            # If another ledger is right, this one belongs to a manifest or to settings that are no longer used.
            (path,) if len(wrong) < len(claimed) else (),
        )
        for path, claim in wrong.items()
    ]


def examine(layout: Layout, claims: Claims, key: Key, *, deep: bool) -> Iterator[Found]:
    """The problems of the products of one stage and variant."""
    entry = registry.find(key)
    assert entry is not None  # keys_on_disk gives only registered stages
    stage, trailers = entry.on_disk(layout, key[1:]), trailers_of(layout, key, claims)
    deadly: dict[str, list[Problem]] = {}
    for trailer, path, died in crashing_files(stage, trailers):
        is_own = path in stage.products(trailer)  # otherwise the stage that made it reports it
        deadly.setdefault(trailer, []).extend([died_of(path, died)] if is_own else [])
    progress = Progress(f"verify: {' '.join(key)}", len(trailers))
    others = [trailer for trailer in trailers if trailer not in deadly]
    answers = survive(partial(look, stage, key, claims, deep), others)
    for trailer, answer in itertools.chain(deadly.items(), answers):
        problems = [died_of(stage.products(trailer)[-1], answer)] if isinstance(answer, Died) else answer
        yield from (Found(problem, key[0], key, trailer) for problem in problems)
        progress.advance()
    progress.close()
    log.info("verify: %s: %d trailers checked", " ".join(key), len(trailers))


def died_of(path: Path, died: Died) -> Problem:
    return Problem(path, f"is damaged: reading it {died.words}", (path,))


def examine_study(layout: Layout, entry: StudyEntry) -> Iterator[Found]:
    """The problems of the products of a stage that makes one product from many trailers."""

    def problems(path: Path) -> list[Problem]:
        return list(entry.module.problems(path))

    for path, answer in survive(problems, entry.module.products(layout)):
        if isinstance(answer, Died):
            answer = [died_of(path, answer)]
        yield from (Found(problem, entry.name) for problem in answer)
