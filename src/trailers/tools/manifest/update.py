"""Add new trailers to an existing manifest, or list what is lost if it is overwritten."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from trailers.domain import Trailer
from trailers.errors import ManifestError
from trailers.store.manifest import read_manifest
from trailers.store.text import first_few
from trailers.store.videos import video_key
from trailers.tools.manifest.ids import make_unique
from trailers.tools.manifest.source import Source

log = logging.getLogger(__name__)

KEPT = (("title", "titles"), ("genres", "genres"), ("splits", "splits"), ("poster", "posters"))


def added(old: Sequence[Trailer], source: Source, base: Path) -> list[Trailer]:
    """``old`` unchanged, followed by the new trailers of ``source``; logs what is not taken over.

    A trailer is not new if the manifest has its video, or its id if the source gives ids.
    """
    owners = {video_key(url, base): trailer.trailer for trailer in reversed(old) for url in trailer.urls}
    by_id = {trailer.trailer.lower(): trailer for trailer in old}
    new, seen = [], set()
    for trailer in source.trailers:
        videos = [video_key(url, base) for url in trailer.urls]
        same_id = trailer.trailer.lower() if trailer.trailer in source.given_ids else ""
        owner = by_id.get(same_id) or next((by_id[owners[v].lower()] for v in videos if v in owners), None)
        if owner is None:
            new.append(trailer)
            continue
        seen.add(owner.trailer)
        log_known(owner, trailer, [url for url, v in zip(trailer.urls, videos, strict=True) if v not in owners])
    log_counts(old, seen, new)
    ids = make_unique((trailer.trailer for trailer in new), taken=by_id)
    return [*old, *(replace(trailer, trailer=name) for name, trailer in zip(ids, new, strict=True))]


def log_known(existing: Trailer, trailer: Trailer, links: Sequence[str]) -> None:
    """Logs what of ``trailer`` is not taken over, because the manifest has it as ``existing``."""
    if trailer.trailer != existing.trailer:
        log.info("%s: skipped, its video is already in the manifest as %s", trailer.trailer, existing.trailer)
    if links:
        log.warning("%s: keeps its links; not added: %s", existing.trailer, " | ".join(links))
    for field, words in KEPT[1:3]:
        found = getattr(trailer, field)
        if any(value not in (None, "") for value in found) and found != getattr(existing, field):
            log.warning("%s: keeps its %s; the source has others", existing.trailer, words)


def log_counts(old: Sequence[Trailer], seen: set[str], new: Sequence[Trailer]) -> None:
    removed = [trailer.trailer for trailer in old if trailer.trailer not in seen]
    log.info("%s trailers are unchanged, %s are added", f"{len(old):,}", f"{len(new):,}")
    if removed:
        log.info("%s of the unchanged ones are not in the source: %s", f"{len(removed):,}", first_few(removed))


def losses(path: Path, new: Sequence[Trailer]) -> list[str]:
    """What is lost if ``new`` overwrites the manifest ``path``, one clause each."""
    try:
        old = read_manifest(path, genres=None)
    except ManifestError:
        return ["its content, which is not a manifest"]
    return list(differences(old, {trailer.trailer: trailer for trailer in new}, path.parent))


def differences(old: Sequence[Trailer], new: dict[str, Trailer], base: Path) -> Iterator[str]:
    removed = [trailer.trailer for trailer in old if trailer.trailer not in new]
    if removed:
        yield f"{len(removed):,} trailers: {first_few(removed)}"
    both = [(trailer, new[trailer.trailer]) for trailer in old if trailer.trailer in new]
    moved = [
        before.trailer
        for before, after in both
        if not {video_key(url, base) for url in before.urls} & {video_key(url, base) for url in after.urls}
    ]
    if moved:
        yield f"the videos of {len(moved):,} ids, which get other ones: {first_few(moved)}"
    for field, words in KEPT:
        empty = getattr(Trailer("a", ()), field)
        lost = [
            before.trailer
            for before, after in both
            if value_of(before, field) != value_of(after, field) and getattr(before, field) != empty
        ]
        if lost:
            yield f"the {words} of {len(lost):,}: {first_few(lost)}"


def value_of(trailer: Trailer, field: str) -> object:
    """A field's value; genres without their order, which only follows the list in config.yaml."""
    found = getattr(trailer, field)
    return frozenset(found) if field == "genres" else found
