"""The CSV files of a release."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from trailers.domain import FPS, SUBSETS, Shot, Trailer
from trailers.reporting.publish.release import Release
from trailers.store.ledger import check_fingerprint
from trailers.store.spans import SHOTS_SCHEMA, read_spans


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        table.writerows(rows)


def subsets(trailer: Trailer) -> list[str]:
    """train, validation or test in each of the three splits; empty if the trailer has no subset."""
    return ["" if code is None else SUBSETS[code] for code in trailer.splits]


def described(release: Release, trailer: Trailer) -> list[object]:
    """Id, title (if titles are published), genres and splits."""
    return [trailer.trailer, *([trailer.title] if release.titles else []), ";".join(trailer.genres), *subsets(trailer)]


def description(release: Release) -> list[str]:
    """The columns of ``described``."""
    return ["trailer", *(["title"] if release.titles else []), "genres", "split0", "split1", "split2"]


def write_trailers(release: Release, path: Path) -> None:
    """Writes the manifest with what was actually downloaded: from where, when, and its digest."""
    links = ["url", "final_url"] if release.links else []
    facts = ["duration_s", "width_px", "height_px", "fps", "codec", "container"]

    def rows() -> Iterable[list[object]]:
        for trailer in release.rows:
            receipt = release.receipt(trailer.trailer)
            yield [
                *described(release, trailer),
                *(receipt.facts.get(name, "") for name in links),
                release.downloaded(trailer.trailer),
                receipt.sha256,
                *(receipt.facts.get(name, "") for name in facts),
            ]

    write_csv(path, [*description(release), *links, "downloaded", "sha256", *facts], rows())


def write_failures(release: Release, path: Path) -> None:
    """Writes every trailer of the manifest that is not published."""
    rows = (
        [*described(release, trailer), stage, row.status, row.error if release.links else reason(row.error)]
        for trailer, stage, row in release.failures
    )
    write_csv(path, [*description(release), "stage", "status", "why"], rows)


def reason(error: str) -> str:
    """The first two parts of a sentence: the stage and the kind of failure, without addresses."""
    return ": ".join(error.split(": ")[:2])


def shots_of(release: Release) -> Iterator[tuple[str, list[Shot], int]]:
    """Each trailer with shots: id, shots, number of frames. Raises StoreError if another run replaced them."""
    for trailer, row in release.ok("shots").items():
        path = release.layout.shots(trailer)
        shots, header = read_spans(path, kind=Shot, schema=SHOTS_SCHEMA)
        check_fingerprint(row, header["fingerprint"], path)
        yield trailer, shots, int(header["frames"])


def write_shots(release: Release, path: Path) -> None:
    """Writes one row per shot of every trailer; ends are exclusive."""
    rows = (
        [trailer, number, shot.start, shot.end, f"{shot.start / FPS:.3f}", f"{shot.end / FPS:.3f}"]
        for trailer, shots, _ in shots_of(release)
        for number, shot in enumerate(shots)
    )
    write_csv(path, ["trailer", "shot", "start", "end", "start_s", "end_s"], rows)
