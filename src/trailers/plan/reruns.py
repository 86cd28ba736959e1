"""Parameters of rules that make Snakemake run a job again although none of its inputs changed.

The manifest is not an input of a bulk rule, because then one new row would redo everything. Instead, each rule has as a
parameter a digest of exactly those cells that its jobs read.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trailers.backbones import own
from trailers.backbones.rows import ROWS, sketch
from trailers.backbones.weights import known_weights, read_lock_file
from trailers.domain import GENRES, Trailer
from trailers.errors import StoreError
from trailers.plan.digests import remembered_sha256
from trailers.plan.studies import Plan
from trailers.plan.study import Study
from trailers.stages import detectors
from trailers.stages.currency import read_attempts
from trailers.stages.registry import STAGES
from trailers.store.pack import read_pack_fingerprint
from trailers.store.published_files import LABELS
from trailers.store.receipt import read_receipt
from trailers.web.links import web_link
from trailers.web.local import recorded_versions, version_of


def digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


@functools.cache  # rules call it several times, and the result is the same for a whole run
def links(plan: Plan, shard: str) -> str:
    """Changes exactly if a link of the shard changes, or a file on this machine that the manifest names."""
    study = plan.of_shard(shard)
    return video_digest(plan, study, [study.by_id[trailer] for trailer in study.shards.get(shard, ())])


def links_of_one(plan: Plan, trailer: str) -> str:
    """As ``links``, for a single trailer that was requested by name."""
    study = plan.with_trailer(trailer)
    return video_digest(plan, study, [study.by_id[trailer]])


@functools.cache
def poster_links(plan: Plan, shard: str) -> str:
    """As ``links``, for posters."""
    study = plan.of_shard(shard)
    return poster_digest(plan, study, [study.by_id[trailer] for trailer in study.shards.get(shard, ())])


def poster_links_of_one(plan: Plan, trailer: str) -> str:
    study = plan.with_trailer(trailer)
    return poster_digest(plan, study, [study.by_id[trailer]])


def video_digest(plan: Plan, study: Study, trailers: Sequence[Trailer]) -> str:
    named = [(plan.layout.receipt(trailer.trailer), url) for trailer in trailers for url in trailer.urls]
    return links_digest(study, [trailer.urls for trailer in trailers], named)


def poster_digest(plan: Plan, study: Study, trailers: Sequence[Trailer]) -> str:
    named = [(plan.layout.poster_receipt(row.trailer), row.poster) for row in trailers if row.poster]
    return links_digest(study, [row.poster for row in trailers], named)


def links_digest(study: Study, cells: Sequence[Any], named: Sequence[tuple[Path, str]]) -> str:
    """Digest of ``cells`` of the manifest, and of the versions of local files among ``named``, if any.

    Args:
        study: the study of the manifest.
        cells: cells of the manifest.
        named: (path of the receipt, link or path), per link or path.
    """
    # Files that the run itself makes, such as the demo's videos, are not compared.
    files = [] if study.prerequisites else [each for each in named if web_link(each[1]) is None]
    return digest(cells, [known_version(study.folder, *each) for each in files]) if files else digest(cells)


def known_version(base: Path, receipt: Path, url: str) -> tuple[int, int] | None:
    """Size and time of the file ``url``; if it was removed, those in its receipt."""
    version = version_of(base, url)
    return version if version is not None else recorded(receipt).get(url)


def recorded(receipt: Path) -> Mapping[str, tuple[int, int]]:
    try:
        return recorded_versions(read_receipt(receipt).facts)
    except (StoreError, KeyError, TypeError):  # damage is reported by the job
        return {}


def titles(plan: Plan, shard: str) -> str:
    """Changes exactly if the search words of a title of the shard change."""
    rows = (plan.titles.by_id[title] for title in plan.titles.shards.get(shard, ()))
    return digest([[row.title, row.original_title, row.year] for row in rows])


def labels(plan: Plan, experiment: str) -> str:
    """Changes exactly if genres of trailers, the list of genres, splits, or packs made elsewhere change."""
    if plan.by_experiment[experiment] is plan.replication:
        return LABELS.md5  # known before its manifest is made
    study = plan.by_experiment[experiment]
    rows = [[row.trailer, row.genres, row.splits] for row in study.trailers]
    others: list[Any] = [] if study.genres == GENRES else [study.genres]
    if study.made_elsewhere is not None:
        # Snakemake compares times, and a pack that was copied over another one may be older.
        others.append([pack_fingerprint(Path(path)) for path in plan.packs_of(experiment)])
    return digest(rows, *others)


@functools.cache  # experiments share packs
def pack_fingerprint(path: Path) -> str:
    """The fingerprint of a pack; empty if it cannot be read, which the job reports."""
    try:
        return read_pack_fingerprint(path)
    except StoreError:
        return ""


def splits(study: Study) -> str:
    """Changes exactly if trailers or their splits change."""
    return digest([[row.trailer, row.splits] for row in study.trailers])


def manifest_rows(study: Study) -> str:
    """Changes exactly if a title, genre or split of a trailer changes."""
    return digest([[row.trailer, row.title, row.genres, row.splits] for row in study.trailers])


def optional_ledgers(study: Study) -> str:
    """Changes if ledgers of optional stages change."""
    entries = (entry for entry in STAGES if not entry.always and not entry.axes and entry.ledgers != "pages")
    ledgers = [Path(path) for entry in entries for path in study.ledgers(entry.ledgers)]
    return digest([[str(path), path.stat().st_mtime_ns] for path in ledgers if path.exists()])


def attempts(plan: Plan, stage: str, shard: str, *variant: str) -> int:
    """Number of runs of this shard that left temporary failures; an increase makes Snakemake run it again."""
    return read_attempts(plan.layout.attempts(stage, shard, *variant))


@functools.cache  # called for every shard
def weights(plan: Plan, folder: str) -> str:
    """Changes if the weights of a backbone change, or the code of the user's own backbone; "" if they are unknown.

    Raises:
        ConfigError: the user's file is missing or is not Python.
        WeightsError: the record of the weights is damaged.
    """
    name = plan.full_name(folder)
    if own.is_own(name):
        bytes_of = "" if plan.has_random_weights else remembered_sha256(plan.weights_dir / sketch(name).weights_file)
        return digest(own.read_source(name).digest, bytes_of)
    recorded = known_weights(plan.weights_dir, folder)
    known = (read_lock_file(plan.weights_dir / f"{folder}.json") or {}).get("lock", {})
    file = known.get("file") or (ROWS[name].weights.file if name in ROWS else "")
    path = plan.weights_dir / Path(str(file)).name
    # A file that was added by hand, or changed since `snakemake weights` recorded it.
    if file and path.is_file() and not is_recorded(path, known):
        return remembered_sha256(path)
    return recorded


def detector(plan: Plan) -> str:
    """Changes if the code of the user's own detector changes; "" for other detectors. Raises ConfigError."""
    return detectors.identity(plan.config["shots"]["detector"]).get("code", "")


def is_recorded(path: Path, lock: Mapping[str, Any]) -> bool:
    status = path.stat()
    return (lock.get("bytes"), lock.get("mtime_ns")) == (status.st_size, status.st_mtime_ns)
