"""Checks of the weights that the configured backbones and the detector need."""

from __future__ import annotations

from collections.abc import Iterator

from trailers.errors import TrailerError
from trailers.tools.doctor.findings import BAD, OK, WARN, Finding, Place


def check_weights(place: Place) -> Iterator[Finding]:
    from trailers.backbones.rows import find_row
    from trailers.backbones.weights import check_weights as read_whole
    from trailers.backbones.weights import weights_path
    from trailers.detector import WEIGHTS_SHA256
    from trailers.detector.network import load_weights, weights_file

    try:
        load_weights()  # compares the sha256
        yield Finding(
            OK, "weights", f"TransNet V2: {weights_file().name}, sha256 {WEIGHTS_SHA256[:16]}..., as expected"
        )
    except TrailerError as problem:
        yield Finding(BAD, "weights", str(problem))
    for backbone in dict.fromkeys(backbone for _, backbone in place.pairs):
        if place.has_random_weights:
            yield Finding(OK, "weights", f"{backbone}: random, because embed.random_weights is set")
            continue
        try:
            row = find_row(backbone, place.weights)
            found = read_whole(row, place.weights)
        except TrailerError as problem:
            yield Finding(BAD, "weights", str(problem))
            continue
        words = f"{backbone}: {weights_path(row, place.weights).name}, {row.weights.name}, sha256 {found[:16]}..."
        if row.weights.sha256:
            yield Finding(OK, "weights", f"{words}, as published")
        else:
            yield Finding(OK, "weights", f"{words}; no published sha256 to compare it with")


def check_pixels(place: Place) -> Iterator[Finding]:
    """Warns if frames would be enlarged for a backbone."""
    from trailers.backbones.enlarging import enlargement_warning, short_side_of
    from trailers.backbones.rows import find_row

    for backbone in dict.fromkeys(backbone for _, backbone in place.pairs):
        try:
            row = find_row(backbone, place.weights)
        except TrailerError:
            continue  # reported by check_weights
        words = enlargement_warning(row.name, short_side_of(row), place.short_side)
        if words:
            yield Finding(WARN, "pixels", words)
